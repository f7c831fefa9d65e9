"""Dead letters over the API: seen, replayed, dropped; with the scope only, and audited."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from hashlib import sha256
from uuid import uuid4

import httpx
import numpy as np
import psycopg
import pytest

from contracts.batch import SCHEMAS, Batch, encode
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.replays import Replays
from ingest.settings import ReplaySettings
from storage.dead_letters import MAX_REPLAYS
from storage.keys import DEAD_LETTERS
from storage.registry import create_api_key

DEADLINE = 20.0  # [s]
INSERT = """
INSERT INTO dead_letter (first_at, last_at, identity, reason, detail, topic, properties, counted,
                         digest, payload)
VALUES (%(at)s, %(at)s, %(device)s, %(reason)s, 'why', %(topic)s, '{"colour": "red"}', false,
        %(digest)s, %(payload)s)
RETURNING dead_letter"""


@pytest.fixture
async def steward(api, database: psycopg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """Client with a key that has the scope."""
    async with api.client(key=create_api_key(database, "steward", [DEAD_LETTERS])) as client:
        yield client


@pytest.fixture
def replays(database_url: str):
    """Give ingest's end of it, at work."""
    replays = Replays(ReplaySettings(database_url=database_url), utc_now)
    replays.start()
    yield replays
    replays.stop()


def add(database: psycopg.Connection, payload: bytes = b"\xc1\0<script>", **given: object) -> int:
    device = given.get("device", "town/cam")
    row = {
        "at": "2026-05-04T12:00:00Z",
        "device": device,
        "reason": "truncated",
        "topic": topic(str(device), "up", "obs"),
        "payload": payload,
        "digest": sha256(uuid4().bytes).digest(),
    } | given
    found = database.execute(INSERT, row).fetchone()
    return found[0]


def batch(rows: int = 4) -> bytes:
    columns = SCHEMAS["obs/1"].empty()
    columns = {name: np.zeros(rows, column.dtype) for name, column in columns.items()}
    columns["t"] += utc_now()
    return encode(
        Batch(
            schema="obs/1",
            device="town/cam",
            boot=uuid4(),
            seq=0,
            sent_at=utc_now(),
            columns=columns,
            names=["temperature"],
        )
    )


async def finished(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, object]:
    assert answer.status_code == 202, answer.text
    replay = answer.json()
    async with asyncio.timeout(DEADLINE):
        while replay["state"] != "done":
            await asyncio.sleep(0.02)
            replay = (await client.get(answer.headers["location"])).json()
    return replay


async def test_only_with_the_scope(api, database, subtests):
    number = add(database)
    asked = [
        ("GET", ""), ("GET", "/overflow"), ("GET", f"/{number}"), ("GET", f"/{number}/payload"),
        ("POST", f"/{number}/replay"), ("POST", "/replays"), ("GET", "/replays/1"),
        ("DELETE", f"/{number}"),
    ]  # fmt: skip
    async with api.client() as client:
        for method, path in asked:
            with subtests.test(method=method, path=path):
                answer = await client.request(method, f"/v1/dead-letters{path}")
                assert answer.status_code == 403
                assert answer.json()["type"] == "urn:tepna:problem:key-scope"
    assert database.execute("SELECT count(*) FROM dead_letter").fetchone() == (1,)
    assert database.execute("SELECT count(*) FROM audit").fetchone() == (0,)


async def test_a_list_is_walked_and_chosen(steward, database):
    for number in range(5):
        add(database, reason="truncated" if number % 2 else "clock")
    add(database, device="town/other", at="2026-05-05T12:00:00Z")
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await steward.get("/v1/dead-letters", params=params)).json()
        found += [each["number"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [6, 5, 4, 3, 2, 1]

    async def numbers(**params: str) -> list[int]:
        answer = await steward.get("/v1/dead-letters", params=params)
        return [each["number"] for each in answer.json()["items"]]

    assert await numbers(device="town/other") == [6]
    assert await numbers(device="town/cam", reason="clock") == [5, 3, 1]
    assert await numbers(**{"from": "2026-05-05T00:00:00Z"}) == [6]
    assert await numbers(to="2026-05-05T00:00:00Z", reason="truncated") == [4, 2]
    assert (await steward.get("/v1/dead-letters", params={"cursor": "x"})).status_code == 400
    assert (await steward.get("/v1/dead-letters", params={"from": "noon"})).status_code == 422


async def test_bytes_come_as_they_came_and_are_no_page(steward, database):
    number = add(database)
    shown = (await steward.get(f"/v1/dead-letters/{number}")).json()
    assert b64decode(shown["payload_base64"]) == b"\xc1\0<script>"
    assert shown["properties"] == {"colour": "red"}
    assert shown["topic"] == "tepna/1/town/cam/up/obs"
    raw = await steward.get(f"/v1/dead-letters/{number}/payload")
    assert raw.content == b"\xc1\0<script>"
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.headers["x-content-type-options"] == "nosniff"
    audit = database.execute("SELECT actor, action, subject FROM audit").fetchall()
    assert audit == [("steward", "dead-letters show", str(number))] * 2
    assert (await steward.get("/v1/dead-letters/99")).status_code == 404


async def test_one_is_dropped(steward, database):
    number = add(database)
    assert (await steward.delete(f"/v1/dead-letters/{number}")).status_code == 204
    again = await steward.delete(f"/v1/dead-letters/{number}")
    assert again.status_code == 404
    assert again.json()["type"] == "urn:tepna:problem:unknown-dead-letter"
    audit = database.execute("SELECT actor, action, subject FROM audit").fetchall()
    assert audit == [("steward", "dead-letters drop", str(number))]


@pytest.mark.usefixtures("site", "replays")
async def test_ingest_replays_one(steward, database):
    number = add(database, batch(), reason="unregistered-device", at="now")
    asked = await steward.post(f"/v1/dead-letters/{number}/replay")
    replay = await finished(steward, asked)
    assert (replay["letters"], replay["replayed"], replay["rows"]) == (1, 1, 4)
    assert replay["asked_by"] == "steward"
    assert database.execute("SELECT count(*) FROM observation").fetchone() == (4,)
    assert (await steward.get(f"/v1/dead-letters/{number}")).status_code == 404
    assert (await steward.post(f"/v1/dead-letters/{number}/replay")).status_code == 404


@pytest.mark.usefixtures("site", "replays")
async def test_ingest_replays_what_was_chosen_and_says_what_stays(steward, database):
    for _ in range(3):
        add(database, batch(), reason="unregistered-device", at="now")
    broken = add(database, reason="unregistered-device")
    add(database)
    asked = await steward.post("/v1/dead-letters/replays", params={"reason": "unregistered-device"})
    replay = await finished(steward, asked)
    assert (replay["letters"], replay["replayed"], replay["rows"]) == (4, 3, 12)
    assert replay["stayed"] == 1
    assert [fault["number"] for fault in replay["faults"]] == [broken]
    audit = database.execute("SELECT action, subject FROM audit").fetchall()
    assert audit == [("dead-letters replay", "reason=unregistered-device")]


async def test_what_waits_for_ingest_is_bounded(steward, database):
    number = add(database)
    for _ in range(MAX_REPLAYS):
        assert (await steward.post("/v1/dead-letters/replays")).status_code == 202
    one_more = await steward.post(f"/v1/dead-letters/{number}/replay")
    assert one_more.status_code == 503
    assert one_more.json()["type"] == "urn:tepna:problem:too-many-replays"
    assert int(one_more.headers["retry-after"]) > 0
    assert (await steward.get("/v1/dead-letters/replays/1")).json()["state"] == "waiting"
    assert (await steward.get("/v1/dead-letters/replays/9999")).status_code == 404


async def test_what_was_over_a_quota_is_counted(steward, database):
    database.execute(
        "INSERT INTO dead_letter_overflow VALUES ('town/cam', 'truncated', 7, now()),"
        " ('town/other', 'clock', 2, now())"
    )
    counted = (await steward.get("/v1/dead-letters/overflow")).json()
    assert [(each["device"], each["dropped"]) for each in counted] == [
        ("town/cam", 7),
        ("town/other", 2),
    ]
    one = (await steward.get("/v1/dead-letters/overflow", params={"device": "town/cam"})).json()
    assert [each["reason"] for each in one] == ["truncated"]
    health = (await steward.get("/v1/health")).json()
    assert health["ingest"]["dead_letters_dropped"] == 9
    assert "tepna_ingest_dead_letters_dropped 9.0" in (await steward.get("/metrics")).text
