"""The HTTP door: durable when it is answered, once however often it is sent, bounded."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import cbor2
import httpx
import numpy as np
import pytest
import uvicorn
from typer.testing import CliRunner

from contracts.batch import CONTENT_TYPE, MAX_BYTES, SCHEMAS, Batch, encode
from contracts.clock import utc_now
from contracts.site import Name, Site
from ingest.cli import app as cli
from ingest.door.app import create_door
from ingest.door.settings import DoorSettings
from ingest.replay import StillDeadError, replay
from storage.keys import create_device_key
from storage.pool import Connection, StorageSettings, connect
from storage.registry import register_device, register_site

DEVICE = "town/box"
COUNT = "SELECT count(*) FROM observation"
DEADLINE = 20.0
WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'tepna-ingest' AND wait_event_type = 'Lock' AND datname = %s"""


class Door(NamedTuple):
    """A door that is open, and a device that knows its key."""

    url: str
    key: str
    connection: Connection
    app: Any
    device: str = DEVICE

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE)

    def post(self, content: bytes, *, stream: str = "obs", **headers: str) -> httpx.Response:
        headers = {"Content-Type": CONTENT_TYPE} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        path = f"/v1/uplinks/{self.device}/{stream}"
        with self.client() as client:
            return client.post(path, content=content, headers=headers)

    def senml(self, pack: list[dict[str, Any]], **headers: str) -> httpx.Response:
        content = json.dumps(pack).encode()
        return self.post(content, Content_Type="application/senml+json", **headers)

    def rows(self, query: str = COUNT) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def letters(self) -> list[tuple[str, str, int]]:
        return self.rows("SELECT identity, reason, seen FROM dead_letter ORDER BY dead_letter")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(StorageSettings(database_url=database_url)) as connection:
        plan = Site(
            id="here", pilot="town", name=Name(cs="Zde", en="Here"), latitude=50, longitude=14,
            speed_limit_km_h=50,
        )  # fmt: skip
        register_site(connection, plan)
        for name in ("box", "other"):
            register_device(connection, pilot="town", site="here", name=name)
        yield connection


@contextmanager
def served(limits: DoorSettings) -> Iterator[tuple[str, Any]]:
    app = create_door(limits, utc_now)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive())
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", app
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
    assert not thread.is_alive()


def wait_for(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def limits(database_url: str) -> DoorSettings:
    return DoorSettings(
        database_url=database_url, door_requests=3, door_requests_per_device=2, door_body_s=2
    )


@pytest.fixture
def door(limits: DoorSettings, connection: Connection) -> Iterator[Door]:
    key = create_device_key(connection, DEVICE)
    assert key is not None
    with served(limits) as (url, app):
        yield Door(url, key, connection, app)


def batch(rows: int = 3, **given: Any) -> Batch:
    columns = {name: np.zeros(rows, dtype) for name, dtype in SCHEMAS["obs/1"].dtypes.items()}
    columns["t"] += utc_now() - np.arange(rows) * 1000
    columns["value"] += given.pop("value", 0.0)
    header = {"device": DEVICE, "boot": uuid4(), "seq": 0, "names": ["temperature"]} | given
    return Batch(schema="obs/1", sent_at=utc_now(), columns=columns, **header)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["type"] == f"urn:tepna:problem:{slug}"
    assert told["status"] == status
    return told


def test_what_is_answered_is_durable(door: Door) -> None:
    sent = batch(rows=5)
    answer = door.post(encode(sent))
    assert answer.status_code == 200
    assert answer.json() == {"rows": 5, "durable": {"boot": str(sent.boot), "ranges": [[0, 1]]}}
    assert door.rows() == [(5,)]
    assert door.rows("SELECT committed::text FROM ledger") == [("{[0,1)}",)]
    more = door.post(encode(batch(rows=2, boot=sent.boot, seq=1)))
    assert more.json()["durable"]["ranges"] == [[0, 2]]


def test_the_same_is_stored_once(door: Door) -> None:
    sent = encode(batch(rows=5))
    assert "repeated" not in door.post(sent).json()
    again = door.post(sent)
    assert again.status_code == 200
    assert again.json()["repeated"] is True
    assert again.json()["durable"]["ranges"] == [[0, 1]]
    assert door.rows() == [(5,)]


def test_the_same_at_once_is_stored_once(door: Door) -> None:
    sent = encode(batch(rows=5))
    with ThreadPoolExecutor(2) as pool:  # as many as one device may
        answers = list(pool.map(lambda _: door.post(sent), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["rows"] for answer in answers) == 5
    assert door.rows() == [(5,)]


@pytest.mark.usefixtures("ingest")
def test_the_same_by_both_ways_is_stored_once(
    street: Any, eventually: Any, limits: DoorSettings
) -> None:
    device = street.device("cam-1")
    first, second = device.batch(rows=5), device.batch(rows=4)
    device.send(first)
    eventually("durable", lambda: device.is_durable(0))
    key = create_device_key(street.connection, device.identity)
    tight = DoorSettings(database_url=limits.database_url)
    with served(tight) as (url, app):
        door = Door(url, key or "", street.connection, app, device.identity)
        assert door.post(encode(first)).json()["repeated"] is True
        assert door.post(encode(second)).json()["durable"]["ranges"] == [[0, 2]]
        device.send(second)
        eventually("durable", lambda: device.is_durable(1))
    assert street.rows(COUNT) == [(9,)]


def test_a_device_posts_as_itself_only(door: Door) -> None:
    sent = encode(batch())
    headers = {"Content-Type": CONTENT_TYPE}
    with httpx.Client(base_url=door.url, headers=headers) as nobody:
        refused = nobody.post(f"/v1/uplinks/{DEVICE}/obs", content=sent)
    assert refused.headers["www-authenticate"].startswith("Bearer")
    problem(refused, 401, "no-key")
    with door.client("wrong") as wrong:
        problem(wrong.post(f"/v1/uplinks/{DEVICE}/obs", content=sent), 401, "no-key")
    with door.client() as client:
        elsewhere = client.post("/v1/uplinks/town/other/obs", content=sent, headers=headers)
    problem(elsewhere, 403, "other-device")
    problem(door.post(encode(batch(device="town/other"))), 422, "dead-letter")
    assert door.rows() == [(0,)]


def test_keys_are_made_and_revoked(
    limits: DoorSettings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEPNA_DATABASE_URL", limits.database_url.get_secret_value())
    made = CliRunner().invoke(cli, ["key", "create", DEVICE])
    key = made.output.strip()
    assert CliRunner().invoke(cli, ["key", "create", "town/nobody"]).exit_code == 1
    with served(limits) as (url, app):
        assert Door(url, key, connection, app).post(encode(batch())).status_code == 200
    assert CliRunner().invoke(cli, ["key", "revoke", DEVICE]).output == "1 revoked\n"
    with served(limits) as (url, app):
        problem(Door(url, key, connection, app).post(encode(batch())), 401, "no-key")
    assert (key.encode(),) not in connection.execute("SELECT digest FROM device_key").fetchall()


def test_what_cannot_be_read_here(door: Door) -> None:
    sent = encode(batch())
    problem(door.post(sent, Content_Type="application/json"), 415, "unsupported-type")
    problem(door.post(sent, Content_Encoding="gzip"), 415, "unsupported-type")
    problem(door.post(sent, stream="pictures"), 404, "unknown-stream")
    senml = "application/senml+json"
    problem(door.post(b"[]", stream="tracks", Content_Type=senml), 404, "unknown-stream")
    with door.client() as client:
        problem(client.get(f"/v1/uplinks/{DEVICE}/obs"), 405, "method-not-allowed")
        problem(client.get("/v1/nothing"), 404, "not-found")
        assert client.get("/v1/health").json() == {"state": "ok"}


def test_it_says_how_it_does(limits: DoorSettings, connection: Connection) -> None:
    def said() -> list[tuple[Any, ...]]:
        query = """
            SELECT worker, health->>'state', (health->>'messages')::int, (health->>'bytes')::int
            FROM ingest_worker"""
        return connection.execute(query).fetchall()

    key = create_device_key(connection, DEVICE)
    with served(limits) as (url, app):
        wait_for(lambda: said() == [("tepna-door", "ok", 0, 0)])
        door, sent = Door(url, key or "", connection, app), encode(batch())
        with ThreadPoolExecutor(1) as pool:
            with connection.transaction():
                connection.execute("LOCK TABLE batch")
                answer = pool.submit(door.post, sent)
                wait_for(lambda: app.state.desk.tell().messages == 1)
                told = app.state.desk.tell()
                assert (told.bytes, told.reading) == (len(sent), True)
            assert answer.result().status_code == 200
        told = app.state.desk.tell()
        assert (told.messages, told.bytes, told.oldest_s, told.state) == (0, 0, 0, "ok")
    assert said() == []  # who leaves in order is not missed


def test_too_large(door: Door) -> None:
    problem(door.post(b"x" * (MAX_BYTES + 1)), 413, "too-large")

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65_536

    with door.client() as client:
        path, headers = f"/v1/uplinks/{DEVICE}/obs", {"Content-Type": CONTENT_TYPE}
        problem(client.post(path, content=endless(), headers=headers), 413, "too-large")
    assert door.post(encode(batch())).status_code == 200


def test_poison_is_a_dead_letter_and_hurts_nobody(door: Door) -> None:
    for seen in (1, 2):
        told = problem(door.post(b"\xc1 garbage"), 422, "dead-letter")
        assert told["dead_letters"] == {"truncated": 1}
        assert door.letters() == [(DEVICE, "truncated", seen)]
    assert door.rows("SELECT payload, topic, properties ->> 'via' FROM dead_letter") == [
        (b"\xc1 garbage", f"tepna/1/{DEVICE}/up/obs", "http")
    ]
    partly = door.post(encode(batch(value=np.array([1, np.inf, 3]))))
    assert partly.status_code == 200
    assert (partly.json()["rows"], partly.json()["dead_letters"]) == (2, {"not-finite": 1})
    sent = batch()
    assert door.post(encode(sent)).status_code == 200
    other = door.post(encode(batch(boot=sent.boot, value=7.0)))
    assert problem(other, 422, "dead-letter")["dead_letters"] == {"conflicting-content": 1}
    assert door.rows() == [(5,)]


def test_senml_is_stored_once(door: Door) -> None:
    now = time.time()
    pack = [
        {"bn": "urn:dev:mac:1:", "bt": now, "n": "temperature", "u": "Cel", "v": 21.5},
        {"n": "humidity", "u": "%RH", "v": 60},
        {"bn": "urn:dev:mac:2:", "n": "temperature", "u": "Cel", "v": 20},
    ]
    assert door.senml(pack).json() == {"rows": 3}
    assert door.senml(pack).json() == {"rows": 0, "repeated": True}
    names = "SELECT name, unit, value FROM observation JOIN metric USING (metric) ORDER BY 1, 3"
    assert [(name, value) for name, _, value in door.rows(names)] == [
        ("senml.humidity", 60.0), ("senml.temperature", 20.0), ("senml.temperature", 21.5),
    ]  # fmt: skip
    binary = cbor2.dumps([{-2: "box:", -3: now + 1, 0: "temperature", 1: "Cel", 2: 22.5}])
    content = {"Content_Type": "application/senml+cbor"}
    assert door.post(binary, **content).json() == {"rows": 1}
    assert door.post(binary, **content).json()["repeated"] is True
    assert door.rows() == [(4,)]


def test_senml_without_times_needs_a_key(door: Door, limits: DoorSettings) -> None:
    pack = [{"n": "temperature", "v": 21.5}]
    problem(door.senml(pack), 400, "no-idempotency-key")
    problem(door.senml(pack, Idempotency_Key="x" * 300), 400, "bad-idempotency-key")
    assert door.senml(pack, Idempotency_Key='"1"').json() == {"rows": 1}
    assert door.senml(pack, Idempotency_Key="1").json()["repeated"] is True
    assert door.senml(pack, Idempotency_Key="2").json() == {"rows": 1}
    for _ in range(2):
        told = problem(
            door.senml([{"n": "temperature", "v": 3}], Idempotency_Key="2"), 422, "dead-letter"
        )
        assert told["dead_letters"] == {"conflicting-content": 1}
    assert door.rows() == [(2,)]
    assert door.letters() == [(DEVICE, "conflicting-content", 2)]
    assert replay(door.connection, 1, limits, utc_now).rows == 1
    assert door.rows() == [(3,)]
    assert door.letters() == []


def test_a_key_is_of_the_whole_pack(door: Door) -> None:
    """Whatever it calls its sensors, and however many there are."""
    now = time.time()
    both = [
        {"bn": "a:", "bt": now, "n": "temperature", "v": 1},
        {"bn": "b:", "n": "temperature", "v": 2},
    ]
    assert door.senml(both, Idempotency_Key="1").json() == {"rows": 2}
    assert door.senml(both, Idempotency_Key="1").json() == {"rows": 0, "repeated": True}
    for other in ([{"bn": "c:", "bt": now, "n": "temperature", "v": 3}], both[:1]):
        told = problem(door.senml(other, Idempotency_Key="1"), 422, "dead-letter")
        assert told["dead_letters"] == {"conflicting-content": 1}
    assert door.rows() == [(2,)]


def test_bad_senml_is_a_dead_letter(door: Door, limits: DoorSettings) -> None:
    told = problem(door.senml([{"n": "temperature"}], Idempotency_Key="1"), 422, "dead-letter")
    assert told["dead_letters"] == {"not-senml": 1}
    topic = f"POST /v1/uplinks/{DEVICE}/obs"
    assert door.rows("SELECT identity, topic FROM dead_letter") == [(DEVICE, topic)]
    with pytest.raises(StillDeadError, match="not-senml"):
        replay(door.connection, 1, limits, utc_now)


def test_what_the_registry_did_not_allow_is_replayed(door: Door, limits: DoorSettings) -> None:
    door.connection.execute("UPDATE device SET streams = '{tracks}'")
    pack = [{"n": "temperature", "v": 21.5}]
    told = problem(door.senml(pack, Idempotency_Key="1"), 422, "dead-letter")
    assert told["dead_letters"] == {"stream-not-allowed": 1}
    with pytest.raises(StillDeadError, match="stream-not-allowed"):
        replay(door.connection, 1, limits, utc_now)
    assert door.letters() == [(DEVICE, "stream-not-allowed", 1)]
    door.connection.execute("UPDATE device SET streams = NULL")
    assert replay(door.connection, 1, limits, utc_now).rows == 1
    assert door.rows() == [(1,)]


def test_what_is_over_the_quota_is_told(door: Door, limits: DoorSettings) -> None:
    tight = limits.model_copy(update={"dead_letters_per_device": 1})
    with served(tight) as (url, app):
        small = door._replace(url=url, app=app)
        problem(small.post(b"\xc1 one"), 422, "dead-letter")
        told = problem(small.post(b"\xc1 two"), 422, "dead-letter")
    assert "not kept" in told["detail"]
    assert len(door.letters()) == 1
    overflow = door.rows("SELECT identity, reason, dropped FROM dead_letter_overflow")
    assert overflow == [(DEVICE, "truncated", 1)]


class Trickle:
    """A request whose body never ends."""

    def __init__(self, door: Door, device: str = DEVICE, key: str = "") -> None:
        address = urlsplit(door.url)
        self.socket = socket.create_connection((address.hostname, address.port), DEADLINE)
        self.socket.sendall(
            f"POST /v1/uplinks/{device}/obs HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {key or door.key}\r\nContent-Type: {CONTENT_TYPE}\r\n"
            "Content-Length: 1000\r\n\r\nx".encode()
        )

    def answer(self) -> bytes:
        with self.socket:
            return self.socket.recv(65_536)


def test_who_waits_is_bounded(door: Door) -> None:
    desk = door.app.state.desk
    slow = [Trickle(door), Trickle(door)]
    wait_for(lambda: desk.waiting == 2)
    busy = door.post(encode(batch()))
    problem(busy, 429, "device-busy")
    assert int(busy.headers["retry-after"]) > 0
    other = create_device_key(door.connection, "town/other")
    assert other is not None
    slow.append(Trickle(door, "town/other", other))
    wait_for(lambda: desk.waiting == 3)
    with door.client(other) as client:
        full = client.post(
            "/v1/uplinks/town/other/obs", content=b"x", headers={"Content-Type": CONTENT_TYPE}
        )
    problem(full, 503, "full")
    assert int(full.headers["retry-after"]) > 0
    for trickle in slow:  # the patience with them ends
        said = trickle.answer()
        assert said.startswith(b"HTTP/1.1 408")
        assert b"slow-body" in said
    wait_for(lambda: desk.waiting == 0)
    assert door.post(encode(batch())).status_code == 200


def test_who_leaves_in_the_middle_holds_no_place(door: Door) -> None:
    desk = door.app.state.desk
    trickle = Trickle(door)
    wait_for(lambda: desk.waiting == 1)
    trickle.socket.close()
    wait_for(lambda: desk.waiting == 0)
    assert door.letters() == []


class TestDatabaseThatGoesAway:
    @pytest.fixture
    def server(self, stack: Any) -> Iterator[Connection]:
        with connect(StorageSettings(database_url=stack.endpoints.database_url)) as connection:
            yield connection

    @staticmethod
    def name(limits: DoorSettings) -> str:
        return urlsplit(limits.database_url.get_secret_value()).path.removeprefix("/")

    def throw_out(self, server: Connection, name: str, *, application: str = "tepna-%") -> int:
        query = """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = %s AND application_name LIKE %s"""
        row = server.execute(query, [name, application]).fetchone()
        return row[0] if row else 0

    def test_in_the_middle(self, door: Door, limits: DoorSettings, server: Connection) -> None:
        sent = encode(batch(rows=5))
        assert door.post(encode(batch(rows=1))).status_code == 200  # it knows key and database
        name = self.name(limits)
        with ThreadPoolExecutor(1) as pool:
            with door.connection.transaction():
                door.connection.execute("LOCK TABLE batch")
                answer = pool.submit(door.post, sent)
                wait_for(lambda: server.execute(WAITS, [name]).fetchone() == (1,))
                server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                assert self.throw_out(server, name) >= 1
            refused = answer.result()
        problem(refused, 503, "no-database")
        assert int(refused.headers["retry-after"]) > 0
        assert door.rows() == [(1,)]
        problem(door.post(sent), 503, "no-database")
        told = door.app.state.desk.tell()
        assert told.state == "down"
        assert told.database_lost_since is not None
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert door.post(sent).json()["rows"] == 5
        assert door.app.state.desk.tell().state == "ok"
        assert door.rows() == [(6,)]

    def test_again_and_again(self, door: Door, limits: DoorSettings, server: Connection) -> None:
        name, boot = self.name(limits), uuid4()
        turn = threading.Lock()

        def deliver(seq: int) -> None:
            sent = encode(batch(rows=2, boot=boot, seq=seq))
            if seq % 4 == 0:  # while the other one is at whatever it is at
                with turn:
                    self.throw_out(server, name)
            while (answer := door.post(sent)).status_code != 200:
                assert answer.status_code == 503, answer.text

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(deliver, range(40)))
        assert door.rows() == [(80,)]
        assert door.rows("SELECT committed::text, lost::text FROM ledger") == [("{[0,40)}", "{}")]
