"""Health tells of each part, and of the database when it is away."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from api.app import create_api
from api.settings import ApiSettings
from contracts.messages import IngestHealth
from storage.workers import write_worker

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered


def add_batch(database, *, stored: datetime, delay: timedelta) -> None:
    database.execute(
        "INSERT INTO batch (stored, received, sent, captured, device, boot, seq, stream, rows,"
        " bytes, digest, simulated) SELECT %s, %s, %s, tstzrange(%s, %s, '[]'), device, %s, 0,"
        " 'obs', 1, 100, '', false FROM device WHERE name = 'cam'",
        [stored, stored, stored, stored - delay, stored - delay, uuid4()],
    )


async def health(url):
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        return await client.get("/v1/health")


async def test_latency_and_backlog_are_told(api, site, database):
    now = datetime.now(UTC)
    add_batch(database, stored=now, delay=timedelta(seconds=0.75))
    database.execute(
        "INSERT INTO dirty (site, minute, simulated, marked_at)"
        " SELECT %s, %s, false, %s FROM generate_series(1, 3)",
        [site, now, now - timedelta(seconds=30)],
    )
    body = (await health(api.url)).json()
    assert body["state"] == "ok"
    assert body["ingest"]["batches"] == 1
    assert body["ingest"]["latency_p95_s"] == pytest.approx(0.75)
    assert body["analytics"]["dirty_windows"] == 1  # three marks of one window
    assert body["analytics"]["oldest_s"] >= 30


async def test_old_marks_degrade(api, site, database):
    database.execute(
        "INSERT INTO dirty (site, minute, simulated, marked_at)"
        " VALUES (%s, now(), false, now() - INTERVAL '1 hour')",
        [site],
    )
    answer = await health(api.url)
    assert answer.status_code == 200
    assert answer.json()["analytics"]["state"] == "degraded"
    assert answer.json()["state"] == "degraded"


def add_worker(database, worker: str, *, silent_s: float = 0, **said) -> None:
    health = IngestHealth(
        **{
            "state": "ok",
            "at": 0,
            "broker_lost_since": None,
            "database_lost_since": None,
            "messages": 3,
            "bytes": 30,
            "oldest_s": 0.5,
            "reading": True,
            "answers": 0,
            "dropped_answers": 0,
        }
        | said
    )
    write_worker(database, worker, health)
    database.execute(
        "UPDATE ingest_worker SET at = at - make_interval(secs => %s) WHERE worker = %s",
        [silent_s, worker],
    )


async def test_each_ingest_worker_is_told_of(api, database):
    add_batch(database, stored=datetime.now(UTC), delay=timedelta(seconds=1))
    add_worker(database, "ingest")
    add_worker(database, "ingest/1", state="degraded", reading=False)
    add_worker(database, "ingest/2", silent_s=60)
    add_worker(database, "ingest/3", silent_s=90_000)  # long gone
    ingest = (await health(api.url)).json()["ingest"]
    assert ingest["state"] == "degraded"
    assert [(w["worker"], w["state"]) for w in ingest["workers"]] == [
        ("ingest", "ok"),
        ("ingest/1", "degraded"),
        ("ingest/2", "down"),
    ]
    assert ingest["workers"][0]["held_messages"] == 3
    assert ingest["workers"][1]["detail"] == "holds as much as it may: what comes must wait"
    assert ingest["workers"][2]["detail"].startswith("silent for ")


async def test_without_a_worker_that_works_ingest_is_down(api, database):
    add_batch(database, stored=datetime.now(UTC), delay=timedelta(seconds=1))
    add_worker(database, "ingest", state="down", broker_lost_since=1)
    answer = await health(api.url)
    assert answer.status_code == 503
    assert answer.json()["ingest"]["state"] == "down"
    assert answer.json()["ingest"]["workers"][0]["detail"] == "the broker is away"


async def test_figures_for_prometheus(api, database):
    add_batch(database, stored=datetime.now(UTC), delay=timedelta(seconds=2))
    async with api.client() as client:
        await client.get("/v1/sites/town/junction")
        text = (await client.get("/metrics")).text
    assert 'tepna_part_up{part="database"} 1.0' in text
    assert "tepna_ingest_latency_p95_seconds 2.0" in text
    assert (
        'tepna_api_requests_total{method="GET",route="/v1/sites/{pilot}/{site}",status="200"} 1.0'
        in text
    )


async def test_without_database_and_broker_health_says_so(served):
    settings = ApiSettings(
        database_url="postgresql://nobody:nothing@127.0.0.1:9/none",
        mqtt_url="mqtt://127.0.0.1:9",
        connect_timeout_s=1,
    )
    async with served(create_api(settings)) as url:
        answer = await health(url)
        assert answer.status_code == 503
        assert answer.json()["database"]["state"] == "down"
        assert answer.json()["broker"]["state"] == "down"
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            refused = await client.get("/v1/sites", headers={"X-API-Key": "any"})
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:tepna:problem:no-database"
