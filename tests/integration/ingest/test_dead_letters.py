"""Dead letters: looked at, replayed once, dropped."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from contracts.batch import encode
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.dead_letters import LOCK_NUMBER
from ingest.dead_letters_cli import app
from ingest.replays import Replays
from ingest.settings import IngestSettings
from storage.registry import register_device

COUNT = "SELECT count(*) FROM observation"
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, on the test's database."""
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=answer)

    return run


@pytest.mark.usefixtures("ingest")
def test_stranger_is_replayed_once_registered(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1", registered=False)
    batch = device.batch(rows=5)
    device.send(batch)
    eventually("a dead letter", street.letters)
    refused = command("replay", "1")
    assert refused.exit_code == 1
    assert "not registered" in refused.output
    assert street.letters() == [("cam-1", "unregistered-device", 1)]

    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    assert "5 rows stored" in command("replay", "1").output
    assert street.rows(COUNT) == [(5,)]
    assert street.letters() == []
    assert command("replay", "1").exit_code == 1
    # The agent, which was never told, sends it again: nothing is doubled.
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    assert street.rows(COUNT) == [(5,)]


@pytest.mark.usefixtures("ingest")
def test_letters_of_one_commit_keep_when_each_came(street: Any, eventually: Any) -> None:
    """It is the time of what states none: with one time for all, only one would be replayed."""
    device = street.device("cam-1", registered=False)
    street.rows("SELECT pg_advisory_lock(%s)", LOCK_NUMBER)
    for _ in range(4):
        device.send(device.batch())
        time.sleep(0.05)
    street.rows("SELECT pg_advisory_unlock(%s)", LOCK_NUMBER)
    times = (
        "SELECT count(*), count(DISTINCT first_at), max(first_at) - min(first_at) FROM dead_letter"
    )
    eventually("all letters", lambda: street.rows(times)[0][0] == 4)
    _, apart, span = street.rows(times)[0]
    assert apart == 4
    assert span > timedelta(seconds=0.1)


@pytest.mark.usefixtures("ingest")
def test_stranger_who_came_again_is_not_doubled(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1", registered=False)
    batch = device.batch(rows=5)
    device.send(batch)
    eventually("a dead letter", street.letters)
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    assert "0 rows stored" in command("replay", "--reason", "unregistered-device").output
    assert street.rows(COUNT) == [(5,)]
    assert street.letters() == []


@pytest.mark.usefixtures("ingest")
def test_conflicting_content_is_replayed_beside_the_first(
    street: Any, eventually: Any, command: Any
) -> None:
    device = street.device("cam-1")
    second = device.batch(rows=6, seq=0)
    device.send(device.batch(rows=4, seq=0))
    eventually("durable", lambda: device.is_durable(0))
    device.send(second)
    eventually("a dead letter", street.letters)
    assert "6 rows stored" in command("replay", "--device", device.identity).output
    device.send(second)
    device.send(device.batch(rows=1, seq=1))
    eventually("durable", lambda: device.is_durable(1))
    assert street.letters() == []
    assert street.rows(COUNT) == [(11,)]
    assert street.rows("SELECT committed::text FROM ledger") == [("{[0,2)}",)]


@pytest.mark.usefixtures("ingest")
def test_part_that_is_still_unusable_stays(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1", registered=False)
    device.send(device.batch(rows=2, value=[1, np.nan]))
    eventually("a dead letter", street.letters)
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    assert "1 rows stored" in command("replay", "1").output
    assert street.letters() == [("cam-1", "not-finite", 1)]


@pytest.mark.usefixtures("ingest")
def test_strangers_rows_of_a_wrong_clock_are_held(
    street: Any, eventually: Any, command: Any
) -> None:
    device = street.device("cam-1", registered=False)
    device.send(device.batch(rows=2, t=12))
    eventually("a dead letter", street.letters)
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    assert "0 rows stored" in command("replay", "1").output
    assert street.letters() == []
    assert street.rows("SELECT rows FROM unconfirmed") == [(2,)]


@pytest.mark.usefixtures("ingest")
def test_list_show_and_drop(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1")
    device.publish("up/obs", encode(device.batch())[:-3], boot=device.boot, seq=0)
    device.send(device.batch(value=[1, np.inf, 3]))
    eventually("durable", lambda: device.is_durable(1))
    listed = command("list", "--device", device.identity).output
    assert "truncated" in listed
    assert "not-finite" in listed
    assert "truncated" not in command("list", "--reason", "not-finite").output
    assert "inf" in command("show", "2").output
    assert "no batch" in command("show", "1").output
    assert command("show", "99").exit_code == 1
    assert command("drop").exit_code == 2  # not everything by mistake
    assert command("drop", "1", answer="n\n").exit_code == 1
    assert len(street.letters()) == 2
    assert "1 dropped" in command("drop", "1", "99", answer="y\n").output
    assert street.letters() == [("cam-1", "not-finite", 1)]


@pytest.mark.usefixtures("ingest")
def test_the_bytes_come_back_as_they_came(
    street: Any, eventually: Any, command: Any, tmp_path: Path
) -> None:
    device = street.device("cam-1")
    broken = encode(device.batch())[:-3]
    device.publish("up/obs", broken, colour="red")
    eventually("a dead letter", street.letters)
    file = tmp_path / "letter"
    assert command("show", "1", "--output", str(file)).exit_code == 0
    assert file.read_bytes() == broken
    shown = json.loads(command("show", "1", "--json").output)
    assert base64.b64decode(shown["payload"]) == broken
    assert shown["topic"] == topic(device.identity, "up", "obs")
    assert shown["properties"] == {"colour": "red"}


@pytest.mark.usefixtures("ingest")
def test_letters_are_chosen_by_device_reason_and_age(
    street: Any, eventually: Any, command: Any
) -> None:
    one, other = street.device("one"), street.device("other")
    for device in (one, other):
        device.publish("up/obs", b"\xc1 garbage")
        device.send(device.batch(value=[1, np.inf, 3]))
    eventually("four dead letters", lambda: len(street.letters()) == 4)
    street.rows(
        "UPDATE dead_letter SET last_at = now() - INTERVAL '3 days'"
        " WHERE identity = %s RETURNING dead_letter", one.identity,
    )  # fmt: skip

    def listed(*arguments: str) -> list[tuple[str, str]]:
        found = json.loads(command("list", "--json", *arguments).output)["dead_letters"]
        return sorted((x["identity"].split("/")[1], x["reason"]) for x in found)

    assert len(listed()) == 4
    assert listed("--older-than", "2d") == [("one", "not-finite"), ("one", "truncated")]
    assert listed("--newer-than", "48h", "--reason", "not-finite") == [("other", "not-finite")]
    assert len(listed("--most", "3")) == 3
    assert command("list", "--older-than", "soon").exit_code == 2
    said = command("drop", "--older-than", "1d", "--reason", "truncated", "--yes")
    assert said.output.strip() == "1 dropped"
    assert listed("--device", one.identity) == [("one", "not-finite")]


@pytest.mark.usefixtures("ingest")
def test_many_are_replayed_and_counted(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1", registered=False)
    device.publish("up/obs", b"\xc1 garbage")
    for _ in range(3):
        device.send(device.batch(rows=5))
    eventually("four dead letters", lambda: len(street.letters()) == 4)
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    said = command("replay", "--device", device.identity)
    assert said.exit_code == 1  # one stays
    assert "3 replayed with 15 rows, 1 stay" in said.output
    assert street.rows(COUNT) == [(15,)]


@pytest.mark.usefixtures("ingest")
def test_state_of_a_stranger_is_replayed_unless_it_is_old(
    street: Any, eventually: Any, command: Any
) -> None:
    device = street.device("cam-1", registered=False)

    def say(status: str, **more: Any) -> None:
        state = {"status": status, "boot": str(device.boot), "since": utc_now(), **more}
        device.publish("state", msgspec.json.encode(state))

    say("online", version="1")
    say("offline")
    eventually("two dead letters", lambda: len(street.letters()) == 2)
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    assert "2 replayed" in command("replay", "--device", device.identity).output
    states = "SELECT online, state ->> 'version' FROM device_state"
    assert street.rows(states) == [(False, None)]  # in the order in which they came

    letter = "INSERT INTO dead_letter (first_at, last_at, identity, reason, detail, topic,"
    letter += " properties, counted, digest, payload) VALUES (%s, %s, %s, 'unregistered-device',"
    letter += " '', %s, '{}', false, 'x', %s) RETURNING dead_letter"
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    old = msgspec.json.encode({"status": "online", "boot": str(device.boot), "since": 1})
    where = topic(device.identity, "state")
    street.rows(letter, long_ago, long_ago, device.identity, where, old)
    assert command("replay", "--device", device.identity).exit_code == 0
    assert street.rows(states) == [(False, None)]
    assert street.letters() == []


@pytest.mark.usefixtures("ingest")
def test_a_cleared_state_is_forgotten_and_no_letter(street: Any, eventually: Any) -> None:
    device, stranger = street.device("cam-1"), street.device("cam-2", registered=False)
    state = {"status": "online", "boot": str(device.boot), "since": utc_now()}
    device.publish("state", msgspec.json.encode(state), retain=True)
    eventually("a state", lambda: street.rows("SELECT FROM device_state"))
    stranger.publish("state", b"", retain=True)
    device.publish("state", b"", retain=True)
    eventually("nothing known", lambda: not street.rows("SELECT FROM device_state"))
    assert street.letters() == []


class TestReplaysThatAreAskedFor:
    def ask(self, street: Any, letters: list[int]) -> int:
        query = "INSERT INTO dead_letter_replay (actor, letters) VALUES ('x', %s) RETURNING replay"
        ((number,),) = street.rows(query, letters)
        return int(number)

    def outcome(self, street: Any, number: int) -> Any:
        columns = "taken, replayed, rows, faults FROM dead_letter_replay"
        query = f"SELECT {columns} WHERE replay = %s AND done_at IS NOT NULL"
        return street.rows(query, number)

    @pytest.mark.usefixtures("ingest")
    def test_are_done_and_say_what_came_of_it(self, street: Any, eventually: Any) -> None:
        device = street.device("cam-1", registered=False)
        device.publish("up/obs", b"\xc1 garbage")
        device.send(device.batch(rows=5))
        device.send(device.batch(rows=5))
        eventually("three dead letters", lambda: len(street.letters()) == 3)
        register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
        number = self.ask(street, [1, 2, 3, 99])
        ((taken, replayed, rows, faults),) = eventually(
            "the replay's end", lambda: self.outcome(street, number)
        )
        assert (taken, replayed, rows) == (4, 2, 10)
        assert [letter for letter, _ in faults] == [1, 99]
        assert street.rows(COUNT) == [(10,)]

    @pytest.mark.usefixtures("ingest")
    def test_are_done_by_one_of_many_who_goes_on_for_another(
        self, street: Any, eventually: Any, settings: IngestSettings
    ) -> None:
        device = street.device("cam-1", registered=False)
        for _ in range(4):
            device.send(device.batch(rows=5))
        eventually("four dead letters", lambda: len(street.letters()) == 4)
        register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
        others = [Replays(settings, utc_now) for _ in range(2)]
        for other in others:
            other.start()
        number = self.ask(street, [1, 2, 3, 4])
        assert street.rows(KILL) == [(True,)]
        ((taken, replayed, rows, faults),) = eventually(
            "the replay's end", lambda: self.outcome(street, number)
        )
        for other in others:
            other.stop()
        assert (taken, replayed, rows, faults) == (4, 4, 20, [])
        assert street.rows(COUNT) == [(20,)]


@pytest.mark.usefixtures("ingest")
def test_what_was_over_the_quota_is_told(street: Any, command: Any) -> None:
    device = street.device("cam-1")
    street.connection.execute(
        "INSERT INTO dead_letter_overflow VALUES (%s, 'truncated', 7, now()),"
        " ('else/where', 'clock', 2, now())",
        [device.identity],
    )
    assert f"over quota, not kept: 7 of {device.identity} (truncated)" in command("list").output
    listed = json.loads(command("list", "--json", "--device", device.identity).output)
    assert [(each["reason"], each["dropped"]) for each in listed["overflow"]] == [("truncated", 7)]


def test_without_a_database(monkeypatch: pytest.MonkeyPatch, command: Any) -> None:
    monkeypatch.delenv("TEPNA_DATABASE_URL")
    said = command("list")
    assert said.exit_code == 1
    assert "TEPNA_DATABASE_URL" in said.output
