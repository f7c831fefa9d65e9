"""An update by a real program that changes which version a link points to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.update.settings import Update
from edge.update.updater import STARTS, UpdateError, Updater

PROGRAM = """#!/bin/sh
set -e
cd "$(dirname "$0")"
test -d "versions/$2" || { echo "there is no version $2" >&2; exit 4; }
ln -sfn "versions/$2" current
"""


class Box:
    """A box with versions 1.0 and 2.0, on which 1.0 runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for version in ("1.0", "2.0"):
            (folder / "versions" / version).mkdir(parents=True)
        (folder / "current").symlink_to("versions/1.0")
        self.program = folder / "update.sh"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o700)
        self.now = 0.0
        self.told: list[tuple[str, str]] = []

    @property
    def current(self) -> str:
        return (self.folder / "current").readlink().name

    def start(self, **settings: Any) -> Updater:
        """Start the version that is installed."""
        return Updater(
            Update.model_validate({"command": [str(self.program)]} | settings),
            self.folder / "update.json",
            lambda *words: self.told.append(words),
            version=self.current,
            monotonic=lambda: self.now,
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def run(box: Box, updater: Updater, seconds: int, well: Callable[[float], bool]) -> bool:
    """Let the agent look each second; whether it must be started anew."""
    began = box.now
    for second in range(seconds):
        box.now = began + second
        if updater.look(well=well(second)):
            return True
    return False


def test_a_version_that_does_well_stays(box: Box) -> None:
    box.start().begin("2.0")
    assert box.current == "2.0"
    fresh = box.start()
    assert not fresh.started()
    assert not run(box, fresh, 62, lambda _: True)
    assert box.told == [("2.0", "")]
    assert not (box.folder / "update.json").exists()
    assert not box.start().started()


def test_a_version_that_does_not_do_well_in_time_goes(box: Box) -> None:
    box.start().begin("2.0")
    fresh = box.start()
    assert not fresh.started()
    assert run(box, fresh, 400, lambda second: second % 59 != 0), "well, but never long enough"
    assert box.current == "1.0"
    assert not box.start().started()
    assert [version for version, _ in box.told] == ["2.0"]
    assert "within 300 s" in box.told[0][1]


def test_a_version_that_dies_at_its_start_goes(box: Box) -> None:
    box.start().begin("2.0")
    for _ in range(STARTS):
        assert not box.start().started()
    assert box.start().started()
    assert box.current == "1.0"
    assert not box.start().started()


def test_what_cannot_be_installed_changes_nothing(box: Box) -> None:
    updater = box.start()
    with pytest.raises(UpdateError, match=r"ended with 4: there is no version 3\.0"):
        updater.begin("3.0")
    box.program.chmod(0o600)
    with pytest.raises(UpdateError, match="Permission denied"):
        updater.begin("2.0")
    assert box.current == "1.0"
    assert not (box.folder / "update.json").exists()
    with pytest.raises(UpdateError, match="is what runs"):
        updater.begin("1.0")


def test_one_after_the_other(box: Box) -> None:
    updater = box.start()
    updater.begin("2.0")
    with pytest.raises(UpdateError, match="on trial"):
        updater.begin("2.0")


def test_a_program_that_hangs_is_ended(box: Box) -> None:
    box.program.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(UpdateError, match="timed out"):
        box.start(timeout_s=0.2).begin("2.0")


def test_a_torn_file_is_no_update(box: Box) -> None:
    (box.folder / "update.json").write_text('{"before": "1.')
    assert not box.start().started()
