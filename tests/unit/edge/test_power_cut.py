"""The outbox after a power cut at any moment: what was kept is there, what was begun whole or not.

A cut is made of copies. Before and after each change the files of a real outbox are copied. What
lies between is what a disk may hold when the power goes: SQLite appends to its log and waits for
the disk, then perhaps copies the log into the file and waits again; of what it does not wait for
yet, any sectors may have arrived, or the file may end in the middle of any of them. Where the log
begins anew it waits once more, after its header, lest old frames be read beside new ones.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pytest

from contracts.batch import SCHEMAS, Batch, decode
from edge.outbox import Outbox

SECTOR = 512  # bytes that a disk writes whole
HEADER = 32  # bytes of the log, before its frames
FRAME = 24 + 4096  # bytes of a page in the log
BOOT, LATER = UUID(int=1), UUID(int=2)
NOW = 1_777_878_000_000_000


class Disk(NamedTuple):
    file: bytes
    log: bytes


class Kept(NamedTuple):
    """What an outbox holds: every batch with its bytes, and the next number of each boot."""

    batches: frozenset[tuple[bytes, int, bytes]]
    next: frozenset[tuple[bytes, int]]


class Step(NamedTuple):
    before: Disk
    after: Disk
    kept_before: Kept
    kept_after: Kept


def batch(rows: int, schema: str = "obs/1") -> Batch:
    columns = {name: np.zeros(rows, dtype) for name, dtype in SCHEMAS[schema].dtypes.items()}
    columns["t"] = np.random.default_rng(rows).integers(1 << 60, size=rows)
    return Batch(
        schema=schema, device="a/b", boot=UUID(int=0), seq=0, sent_at=0, columns=columns,
        names=["x"],
    )  # fmt: skip


def opened(path: Path, boot: UUID = BOOT, max_bytes: int = 12_000) -> Outbox:
    return Outbox(path, device="a/b", boot=boot, max_bytes=max_bytes, clock=lambda: NOW)


def look(db: sqlite3.Connection) -> Kept:
    batches = db.execute("SELECT boot, seq, payload FROM batch").fetchall()
    return Kept(frozenset(batches), frozenset(db.execute("SELECT boot, next FROM boot").fetchall()))


def changes(random: Random) -> Iterator[Callable[[Outbox], object]]:
    """Appends of all sizes, deletions, and enough of both to begin the log anew and to drop."""
    for turn in range(40):
        rows = random.choice([1, 5, 40, 300])
        schema = random.choice(["obs/1", "tracks/2", "events/1"])
        yield lambda o, r=rows, s=schema: o.append([batch(r, s)])
        if turn % 5 == 4:
            first = random.randrange(turn + 1)
            yield lambda o, f=first: o.durable(BOOT, [(f, f + 3)])


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    path = tmp_path_factory.mktemp("whole") / "outbox.sqlite"
    log = path.with_name(f"{path.name}-wal")
    made = []
    with opened(path) as outbox:
        outbox._db.execute("PRAGMA wal_autocheckpoint = 20")  # as after 250 pages, only sooner

        def copy() -> tuple[Disk, Kept]:
            return Disk(path.read_bytes(), log.read_bytes()), look(outbox._db)

        before = copy()
        for change in changes(Random(1)):  # noqa: S311  # no secret
            change(outbox)
            after = copy()
            made.append(Step(before[0], after[0], before[1], after[1]))
            before = after
    return made


def after_cut(folder: Path, disk: Disk) -> Kept:
    """Look at what the disk holds as SQLite does; it must be whole."""
    path = folder / "outbox.sqlite"
    path.write_bytes(disk.file)
    path.with_name(f"{path.name}-wal").write_bytes(disk.log)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA synchronous = OFF")  # nobody cuts the power while it is looked at
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return look(db)
    finally:
        db.close()


def torn(old: bytes, new: bytes, random: Random) -> bytes:
    """Some sectors of the new, some of the old, and an end somewhere."""
    size = random.choice([len(new), random.randint(min(len(old), len(new)), len(new))])
    share = random.random()
    sectors = [
        (new if random.random() < share else old)[at : at + SECTOR]
        or bytes(min(SECTOR, size - at))  # room that was allotted, and nothing in it yet
        for at in range(0, size, SECTOR)
    ]
    return b"".join(s.ljust(SECTOR, b"\0") for s in sectors)[:size]


def torn_log(step: Step, random: Random) -> bytes:
    old, new = step.before.log, step.after.log
    if old[:HEADER] == new[:HEADER]:
        return torn(old, new, random)
    if random.random() < 0.3:  # within the header, or just after it
        written = random.choice([*range(HEADER), HEADER])
        return new[:written] + old[written:]
    return new[:HEADER] + torn(old, new, random)[HEADER:]


def check(folder: Path, disk: Disk, *allowed: Kept) -> None:
    assert after_cut(folder, disk) in allowed


def test_what_is_tested_is_what_happens(steps: list[Step]) -> None:
    """The log grew, began anew, was copied; batches were deleted and dropped."""
    assert sum(len(s.after.log) > len(s.before.log) for s in steps) > 3
    begun_anew = [s for s in steps if s.after.log[16:24] != s.before.log[16:24]]
    assert len(begun_anew) > 2, "the salts of its header are others"
    assert sum(s.after.file != s.before.file for s in steps) > 2
    assert sum(bool(s.kept_before.batches - s.kept_after.batches) for s in steps) > 10


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite") as outbox:
        assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_cut_between_two_changes_loses_nothing(steps: list[Step], tmp_path: Path) -> None:
    for step in steps:
        check(tmp_path, step.after, step.kept_after)


def test_a_cut_while_the_log_is_written(steps: list[Step], tmp_path: Path) -> None:
    random = Random(2)  # noqa: S311  # no secret
    for step in steps:
        for _ in range(10):
            log = torn_log(step, random)
            check(tmp_path, Disk(step.before.file, log), step.kept_before, step.kept_after)


def test_a_cut_while_the_log_is_copied_into_the_file(steps: list[Step], tmp_path: Path) -> None:
    random = Random(3)  # noqa: S311  # no secret
    copied = [s for s in steps if s.after.file != s.before.file]
    for step in copied:
        for _ in range(40):
            file = torn(step.before.file, step.after.file, random)
            check(tmp_path, Disk(file, step.after.log), step.kept_after)


def test_a_log_that_ends_within_its_last_frame(steps: list[Step], tmp_path: Path) -> None:
    step = next(s for s in steps if len(s.after.log) >= len(s.before.log) + 2 * FRAME > 2 * FRAME)
    found = set()
    missing = {*range(30), *range(0, FRAME, 17), *range(FRAME - 30, FRAME + 1)}
    for size in (len(step.after.log) - n for n in missing):
        kept = after_cut(tmp_path, Disk(step.before.file, step.after.log[:size]))
        assert kept in {step.kept_before, step.kept_after}
        found.add(kept == step.kept_after)
    assert found == {True, False}, "only the last byte makes it whole"


def test_no_number_is_used_again_after_a_cut(steps: list[Step], tmp_path: Path) -> None:
    """The agent itself opens what is left, under the same boot as the worst case."""
    random = Random(4)  # noqa: S311  # no secret
    path = tmp_path / "outbox.sqlite"
    for step in random.sample(steps, 12):
        log = torn_log(step, random)
        path.write_bytes(step.before.file)
        path.with_name(f"{path.name}-wal").write_bytes(log)
        with opened(path) as outbox:
            kept = look(outbox._db)
            assert kept in {step.kept_before, step.kept_after}
            outbox.append([batch(1)])
            payloads = [outbox.payload(w) for w in outbox.waiting(1000, newest=False)]
            seqs = [decode(p).seq for p in payloads if p is not None]
            assert seqs[-1] == max(dict(kept.next).values())
            assert len(set(seqs)) == len(seqs)
        assert not path.with_name(f"{path.name}.corrupt").exists()
        for old in tmp_path.iterdir():
            old.unlink()
