import threading
from pathlib import Path

import pytest

from contracts.clock import MICROSECONDS
from edge.snapshots import DAY, Snapshots

START = 1_777_878_000_000_000


class Time:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def snapshots(tmp_path: Path, time: Time) -> Snapshots:
    return Snapshots(tmp_path / "kept", max_bytes=100, days=2, clock=time)


def ids(snapshots: Snapshots) -> list[str]:
    return [each.id for each in snapshots.all()]


def test_what_is_kept_is_found_again_by_another_start(
    snapshots: Snapshots, tmp_path: Path, time: Time
) -> None:
    assert snapshots.all() == []
    assert snapshots.put("a", START, b"first")
    again = Snapshots(tmp_path / "kept", max_bytes=100, days=2, clock=time)
    assert again.read("a") == b"first"
    assert not again.put("a", START + 1, b"another"), "the first one is what happened"
    assert again.read("b") is None
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0, "for nobody else on the box"


def test_the_oldest_go_when_there_are_too_many_bytes(snapshots: Snapshots) -> None:
    for n in range(6):
        assert snapshots.put(f"n{n}", START + n, bytes(30))
    assert ids(snapshots) == ["n5", "n4", "n3"]
    assert not snapshots.put("late", START - 1, bytes(30)), "it is the oldest"
    assert not snapshots.put("large", START, bytes(101))


def test_the_oldest_go_after_their_days(snapshots: Snapshots, time: Time) -> None:
    snapshots.put("a", START, b"1")
    snapshots.put("b", START + DAY, b"2")
    time.now = START + 2 * DAY + MICROSECONDS
    assert snapshots.read("a") is None
    assert ids(snapshots) == ["b"]


def test_a_picture_that_is_to_come_is_waited_for(snapshots: Snapshots) -> None:
    threading.Thread(target=snapshots.put, args=("a", START, b"1")).start()
    assert snapshots.wait("a", 20) == ("a", START, 1)
    assert snapshots.wait("b", 0) is None


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a_b", "x" * 65, "a.jpg", "ž"])
def test_an_id_is_no_path(snapshots: Snapshots, tmp_path: Path, name: str) -> None:
    assert not snapshots.put(name, START, b"1")
    assert snapshots.read(name) is None
    assert list(tmp_path.iterdir()) == []
