"""What of a changed configuration is applied at once, and when a file counts as changed."""

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from edge.config import AgentConfig
from edge.configuration.change import Followed, change

BASE: dict[str, Any] = {
    "device": "a/b",
    "uplink": {"url": "mqtt://x"},
    "outbox": {"path": "o"},
    "camera": {"source": "a.avi"},
    "sensors": [{"source": "tcp://x:1"}],
}
PICTURES = {"token": 16 * "x"}


def config(**keys: Any) -> AgentConfig:
    return AgentConfig.model_validate(BASE | keys)


@pytest.mark.parametrize(
    ("keys", "applied", "at_restart"),
    [
        ({}, [], []),
        ({"camera": {"source": "b.avi"}}, ["camera"], []),
        ({"camera": None, "batches": {"max_age_s": 2}}, ["batches", "camera"], []),
        ({"sensors": []}, ["sensors"], []),
        ({"modem": {"source": "tcp://x:2"}}, ["modem"], []),
        ({"uplink": {"url": "mqtt://y"}}, [], ["uplink"]),
        ({"device": "a/c", "sensors": []}, ["sensors"], ["device"]),
        ({"outbox": {"path": "p"}, "simulated": True}, [], ["simulated", "outbox"]),
        ({"pictures": PICTURES}, [], ["pictures"]),
    ],
)
def test_what_is_applied(keys: dict[str, Any], applied: list[str], at_restart: list[str]) -> None:
    old, new = config(), config(**keys)
    found = change(old, new)
    assert (found.applied, found.at_restart) == (applied, at_restart)
    for name in AgentConfig.model_fields:
        expected = new if name in applied else old
        assert getattr(found.config, name) == getattr(expected, name)


def test_pictures_of_a_camera_that_comes_later_wait_for_a_restart() -> None:
    found = change(config(camera=None, pictures=PICTURES), config(pictures=PICTURES))
    assert (found.applied, found.at_restart) == (["camera"], ["pictures"])


class File:
    """A file that is followed, and what was said of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text("1")
        self.refused: list[str] = []
        self.followed = Followed(path, self.read)

    def read(self) -> Any:
        if not self.path.exists() or not self.path.read_text().isdecimal():
            msg = f"{self.path}: no number"
            raise SettingsError(msg)
        return int(self.path.read_text())

    def look(self) -> Any:
        return self.followed.look(self.refused.append)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "a")


def test_a_file_is_read_when_it_has_changed_and_is_whole(file: File) -> None:
    assert [file.look(), file.look()] == [None, None]
    file.path.write_text("22")
    assert file.look() is None, "somebody may still be writing"
    file.path.write_text("333")
    assert [file.look(), file.look(), file.look()] == [None, 333, None]
    other = file.path.with_name("b")
    other.write_text("444")
    other.replace(file.path)
    assert [file.look(), file.look(), file.look()] == [None, 444, None]


def test_a_signal_reads_it_at_once(file: File) -> None:
    file.followed.ask()
    assert [file.look(), file.look()] == [1, None]


def test_what_is_wrong_is_said_once(file: File) -> None:
    file.path.write_text("x")
    assert [file.look() for _ in range(4)] == 4 * [None]
    file.followed.ask()
    assert file.look() is None
    assert file.refused == [f"{file.path}: no number"]
    file.path.unlink()
    assert [file.look() for _ in range(3)] == 3 * [None]
    file.path.write_text("55")
    assert [file.look(), file.look()] == [None, 55]
    file.path.write_text("wrong")
    assert [file.look() for _ in range(3)] == 3 * [None]
    assert len(file.refused) == 2, "it was right meanwhile"
