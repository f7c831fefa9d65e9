"""Commands are done once and answered each time."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.messages import RESULT, Doctor, Flush, Ping, RestartCamera, Result, Snapshot
from edge import commands as module
from edge.commands import Commands, RefusedError


class Device:
    """Something that can be asked."""

    def __init__(self) -> None:
        self.now, self.pings = 0.0, 0
        self.may_end = threading.Event()
        self.is_broken = False
        self.commands = Commands(
            {Ping: self.ping, Flush: lambda _: {}, RestartCamera: self.refuse},
            slow={Doctor: self.examine, Snapshot: self.refuse},
            clock=lambda: int(self.now * 1e6),
            monotonic=lambda: self.now,
        )

    def ping(self, _: Ping) -> dict[str, Any]:
        self.pings += 1
        return {"pings": self.pings}

    def examine(self, _: Doctor) -> dict[str, Any]:
        assert self.may_end.wait(20)
        if self.is_broken:
            raise OSError("no such sensor")
        return {"findings": []}

    def hear(self, kind: str, ident: str, correlation: bytes) -> None:
        self.commands.hear(json.dumps({"id": ident, "do": {"type": kind}}).encode(), correlation)

    def results(self, number: int) -> list[tuple[Result, bytes]]:
        """Give so many results, as they come."""
        found: list[tuple[Result, bytes]] = []
        end = time.monotonic() + 20
        while len(found) < number and time.monotonic() < end:
            found += [(RESULT.decode(result), asker) for result, asker in self.commands.work()]
        return found

    def refuse(self, _: RestartCamera | Snapshot) -> dict[str, Any]:
        msg = "no camera"
        raise RefusedError(msg)

    def ask(self, do: Any, ident: str = "12345678", correlation: bytes = b"c") -> Result:
        self.commands.hear(json.dumps({"id": ident, "do": do}).encode(), correlation)
        ((result, same),) = self.commands.work()
        assert same == correlation
        return RESULT.decode(result)


@pytest.fixture
def device() -> Iterator[Device]:
    level = logging.getLogger().level
    device = Device()
    yield device
    device.commands.close()
    assert logging.getLogger().level == level


def test_the_same_command_is_done_once(device: Device) -> None:
    first = device.ask({"type": "ping"})
    assert (first.state, first.answer, first.id) == ("done", {"pings": 1}, "12345678")
    device.now = 5
    assert device.ask({"type": "ping"}, correlation=b"other") == first
    assert device.ask({"type": "ping"}, "another-id").answer == {"pings": 2}
    assert list(device.commands.work()) == []


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ({"type": "format-disk"}, "Invalid value 'format-disk'"),
        ({"type": "log-level"}, "missing required field `level`"),
        ({"type": "log-level", "level": "loud"}, "Invalid enum value 'loud' - at `$.level`"),
        ({"type": "log-level", "level": "debug", "minutes": 0}, "Expected `int` >= 1"),
        ({"type": "ping", "hard": True}, "unknown field `hard`"),
        ({"type": "restart-camera"}, "no camera"),
        (5, "Expected `object`, got `int`"),
    ],
)
def test_what_is_not_done_is_refused_with_its_reason(device: Device, do: Any, reason: str) -> None:
    result = device.ask(do)
    assert result.state == "refused"
    assert reason in result.reason
    assert device.ask({"type": "ping"}) == result, "the id is used up"


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"id": "short", "do": 1}', b"\xff"])
def test_what_is_no_message_has_nobody_to_answer(device: Device, payload: bytes) -> None:
    device.commands.hear(payload, b"")
    assert list(device.commands.work()) == []


def test_what_takes_long_holds_up_nothing_and_is_done_once(device: Device) -> None:
    device.hear("doctor", "long-one", b"first")
    assert list(device.commands.work()) == []
    device.hear("doctor", "long-one", b"again")
    assert device.ask({"type": "ping"}, "short-one").state == "done", "meanwhile"
    device.may_end.set()
    (result, first), (same, again) = device.results(2)
    assert (first, again) == (b"first", b"again")
    assert result == same
    assert (result.state, result.answer) == ("done", {"findings": []})
    assert device.ask({"type": "doctor"}, "long-one") == result, "it is remembered"
    device.hear("snapshot", "no-camera", b"c")
    ((refused, _),) = device.results(1)
    assert (refused.state, refused.reason) == ("refused", "no camera")
    device.is_broken = True
    device.hear("doctor", "broken-1", b"c")
    ((refused, _),) = device.results(1)
    assert (refused.state, refused.reason) == ("refused", "no such sensor")


def test_no_more_than_two_slow_commands_are_under_way(device: Device) -> None:
    for n in range(2):
        device.hear("doctor", f"long-{n:03}", b"c")
    assert list(device.commands.work()) == []
    assert "ask again" in device.ask({"type": "doctor"}, "too-many").reason
    device.may_end.set()
    assert {result.id for result, _ in device.results(2)} == {"long-000", "long-001"}


def test_another_level_of_the_log_ends_by_itself(device: Device) -> None:
    root = logging.getLogger()
    usual = root.level
    device.ask({"type": "log-level", "level": "debug", "minutes": 2})
    assert root.level == logging.DEBUG
    device.now = 60
    device.ask({"type": "log-level", "level": "error", "minutes": 2}, "another-id")
    assert root.level == logging.ERROR
    device.now = 179
    assert list(device.commands.work()) == []
    assert root.level == logging.ERROR
    device.now = 180
    assert list(device.commands.work()) == []
    assert root.level == usual


def test_memory_is_bounded(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    for n in range(5):
        device.ask({"type": "ping"}, f"id-of-{n:03}")
    assert device.ask({"type": "ping"}, "id-of-004").answer == {"pings": 5}
    assert device.ask({"type": "ping"}, "id-of-000").answer == {"pings": 6}, "forgotten"
