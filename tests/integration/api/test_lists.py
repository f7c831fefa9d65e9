"""Lists: each row once, whatever the page's size; refusals as problem details."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered

HERE = "site=town/junction"
WEEK = "from=2026-05-04T00:00:00Z&to=2026-05-11T00:00:00Z"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = {"from": "2026-05-04T00:00:00Z", "to": "2026-05-05T00:00:00Z", "site": "town/junction"}


async def walk(client, path, params):
    """All items of all pages."""
    items, cursor = [], None
    while True:
        answer = await client.get(path, params=params | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items


def add_devices(database: psycopg.Connection, site: int, count: int) -> None:
    for number in range(count):
        database.execute(
            "INSERT INTO device (pilot, name, site) VALUES ('town', %s, %s)", [f"d{number}", site]
        )


def add_incidents(database: psycopg.Connection, site: int, count: int) -> None:
    for number in range(count):
        # Three at a time share their moment: the cursor must tell them apart.
        at = NOON + timedelta(seconds=number // 3)
        database.execute(
            "INSERT INTO incident VALUES (%s, %s, %s, false, 'conflict', 3, %s, NULL, 1, 2, %s)",
            [uuid4(), site, NOON, at, Jsonb({"ttc": 1.0})],
        )


async def test_devices_are_walked_once_each(api, database, site):
    add_devices(database, site, 9)
    async with api.client() as client:
        for limit in (1, 2, 5, 100):
            found = await walk(client, "/v1/devices", {"limit": limit, "site": "town/junction"})
            names = [each["device"] for each in found]
            assert names == sorted(names)
            assert len(set(names)) == len(names) == 9 + 2  # the plan names two


async def test_incidents_are_walked_once_each_newest_first(api, database, site):
    add_incidents(database, site, 11)
    async with api.client() as client:
        for limit in (1, 2, 4, 100):
            found = await walk(client, "/v1/incidents", DAY | {"limit": limit})
            assert len({each["id"] for each in found}) == len(found) == 11
            moments = [each["at"] for each in found]
            assert moments == sorted(moments, reverse=True)
            assert found[0]["severity"] == "severe"


async def test_simulated_and_measured_incidents_do_not_mix(api, database, site):
    add_incidents(database, site, 3)
    async with api.client() as client:
        found = await walk(client, "/v1/incidents", DAY | {"simulated": True})
    assert found == []


async def test_site_comes_with_its_plan(api):
    async with api.client() as client:
        answer = await client.get("/v1/sites/town/junction")
    assert answer.json()["plan"]["lines"][0]["id"] == "stop"
    assert answer.json()["speed_limit_km_h"] == 50.0


REFUSED = [
    ("/v1/sites/town/elsewhere", 404, "unknown-site"),
    (f"/v1/incidents?site=town/elsewhere&{WEEK}", 404, "unknown-site"),
    ("/v1/live?site=town/elsewhere", 404, "unknown-site"),
    ("/v1/devices/town/nobody", 404, "unknown-device"),
    ("/v1/devices?site=nonsense", 404, "unknown-site"),
    ("/v1/devices?cursor=nonsense", 400, "bad-cursor"),
    ("/v1/devices?cursor=WzEsMl0", 400, "bad-cursor"),
    ("/v1/devices?cursor=%C3%A1", 400, "bad-cursor"),
    ("/v1/devices?limit=0", 422, "invalid"),
    ("/v1/devices?limit=100000", 422, "invalid"),
    ("/v1/nothing", 404, "not-found"),
    (f"/v1/indicator-values/{uuid4()}", 404, "unknown-indicator-value"),
    (f"/v1/indicator-values/{uuid4()}/evidence", 404, "unknown-indicator-value"),
    (f"/v1/incidents/{uuid4()}", 404, "unknown-incident"),
    ("/v1/incidents/no-uuid", 422, "invalid"),
    (f"/v1/incidents?{HERE}&from=2026-05-04T00:00:00&to=2026-05-05T00:00:00Z", 422, "invalid"),
    (f"/v1/metrics?{HERE}&from=2026-05-05T00:00Z&to=2026-05-04T00:00Z", 422, "bad-period"),
    (f"/v1/metrics?{HERE}&from=2020-05-05T00:00Z&to=2026-05-04T00:00Z", 422, "bad-period"),
    (f"/v1/metrics?site=../x&{WEEK}", 422, "invalid"),
]  # fmt: skip


async def test_refusals_are_problem_details(api, subtests):
    async with api.client() as client:
        for path, status, slug in REFUSED:
            with subtests.test(path=path):
                answer = await client.get(path)
                assert answer.status_code == status
                assert answer.headers["content-type"] == "application/problem+json"
                body = answer.json()
                assert body["type"] == f"urn:tepna:problem:{slug}"
                assert body["status"] == status
                assert body["title"]


async def test_naive_datetimes_are_refused_with_a_pointer(api):
    async with api.client() as client:
        answer = await client.get("/v1/metrics", params=DAY | {"from": "2026-05-04T00:00:00"})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["query/from"]
