import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from contracts.batch import SCHEMAS, Batch, decode
from edge.errors import OutboxError
from edge.outbox import DISK, FULL, Outbox

DEVICE = "usti-belehradska/cam-1"
NOW = 1_777_878_000_000_000
Open = Callable[..., Outbox]


def batch(stream: str, rows: int = 1) -> Batch:
    """Random columns: nothing compresses, so the size is that of the rows."""
    schema = SCHEMAS[f"{stream}/1"]
    random = np.random.default_rng(rows)
    columns = {
        name: random.random(rows).astype(dtype) if dtype.kind == "f" else np.zeros(rows, dtype)
        for name, dtype in schema.dtypes.items()
    }
    columns["t"] = random.integers(1 << 60, size=rows)
    return Batch(
        schema=schema.id, device=DEVICE, boot=UUID(int=0), seq=0, sent_at=NOW, columns=columns,
        names=["x"],
    )  # fmt: skip


@pytest.fixture
def open_outbox(tmp_path: Path) -> Open:
    def open_outbox(boot: UUID, max_bytes: int = 1 << 20, max_pages: int | None = None) -> Outbox:
        return Outbox(
            tmp_path / "outbox.sqlite", device=DEVICE, boot=boot, max_bytes=max_bytes,
            clock=lambda: NOW, max_pages=max_pages,
        )  # fmt: skip

    return open_outbox


def contents(outbox: Outbox) -> list[Batch]:
    found = [outbox.payload(w) for w in outbox.waiting(10_000, newest=False)]
    return [decode(payload) for payload in found if payload is not None]


def seqs(outbox: Outbox) -> list[int]:
    return [b.seq for b in contents(outbox)]


def test_numbers_from_zero_and_keeps_over_a_restart(open_outbox: Open) -> None:
    first, second = uuid4(), uuid4()
    with open_outbox(first) as outbox:
        outbox.append([batch("obs"), batch("tracks")])
        outbox.append([batch("events")])
        before = [outbox.payload(w) for w in outbox.waiting(10, newest=False)]
        assert seqs(outbox) == [0, 1, 2]
    with open_outbox(second) as outbox:
        assert [outbox.payload(w) for w in outbox.waiting(10, newest=False)] == before
        outbox.append([batch("obs")])
        assert [(b.boot, b.seq) for b in contents(outbox)] == [
            (first, 0), (first, 1), (first, 2), (second, 0),
        ]  # fmt: skip


def test_only_durable_ranges_of_their_boot_go(open_outbox: Open) -> None:
    boot = uuid4()
    with open_outbox(boot) as outbox:
        outbox.append([batch("obs") for _ in range(10)])
        size = outbox.stock().bytes
        assert outbox.durable(uuid4(), [(0, 10)]) == 0
        assert outbox.durable(boot, [(0, 3), (5, 6)]) == 4
        assert seqs(outbox) == [3, 4, 6, 7, 8, 9]
        assert outbox.stock().bytes == size * 6 // 10
        assert outbox.durable(boot, [(0, 100)]) == 6
        assert outbox.stock() == (0, 0, None, 0)


def test_newest_and_oldest(open_outbox: Open) -> None:
    with open_outbox(uuid4()) as outbox:
        outbox.append([batch("obs") for _ in range(5)])
        assert [w.seq for w in outbox.waiting(2, newest=True)] == [4, 3]
        assert [w.seq for w in outbox.waiting(2, newest=False)] == [0, 1]
        gone = outbox.waiting(1, newest=False)[0]
        outbox.durable(outbox.boot, [(0, 1)])
        assert outbox.payload(gone) is None


def test_full_drops_tracks_then_scalars_then_signals_then_events(open_outbox: Open) -> None:
    with open_outbox(uuid4(), max_bytes=1 << 16) as outbox:
        for _ in range(4):
            outbox.append([batch(stream, 60) for stream in ("events", "signal", "obs", "tracks")])
        before = contents(outbox)
        order = ["tracks/1", "obs/1", "signal/1", "events/1"]
        went: list[str] = []
        while went.count("events/1") < 3:
            outbox.append([batch("events", 60)])
            after = contents(outbox)
            gone = [b for b in before if b.seq not in {b.seq for b in after}]
            for b in gone:
                rest = [a for a in after if order.index(a.schema) < order.index(b.schema)]
                assert not rest, "what matters less goes first"
                same = [a.seq for a in after if a.schema == b.schema]
                assert b.seq < min(same, default=1 << 60), "the oldest goes first"
            went += [b.schema for b in gone]
            before = after
        assert [went.count(schema) for schema in order] == [4, 4, 4, 3]
        assert outbox.stock().bytes <= 1 << 16
        outbox.append([batch("tracks", 60)])  # what matters least makes no room for itself
        assert {b.schema for b in contents(outbox)} == {"events/1"}


def test_every_dropped_number_is_reported_once_it_can_be(open_outbox: Open) -> None:
    boot = uuid4()
    with open_outbox(boot, max_bytes=1 << 16) as outbox:
        for n in range(200):
            outbox.append([batch("tracks", 50), batch("obs", 5)] + [batch("events", 5)] * (n % 2))
        everything = set(range(500))
        kept = contents(outbox)
        reported = [g for b in kept for g in b.gone]
        outbox.append([batch("events")])  # carries what has not been reported before
        last = contents(outbox)[-1]
        reported += last.gone
        gone = {seq for first, end, _ in reported for seq in range(first, end)}
        assert sum(end - first for first, end, _ in reported) == len(gone), "each once"
        stayed = {b.seq for b in contents(outbox)} | {b.seq for b in kept}
        assert gone | stayed == everything | {500}
        assert not gone & {b.seq for b in kept}
        assert {reason for _, _, reason in reported} == {FULL}
        assert outbox.stock().dropped >= len(gone)


def test_a_report_that_is_dropped_itself_is_made_again(open_outbox: Open) -> None:
    with open_outbox(uuid4(), max_bytes=1 << 16) as outbox:
        outbox.append([batch("tracks", 1000)])
        outbox.append([batch("tracks", 1000)])  # 0 goes
        outbox.append([batch("tracks", 100)])  # 2 carries the report of it
        assert [g[:2] for g in contents(outbox)[-1].gone] == [(0, 1)]
        while 2 in seqs(outbox):
            outbox.append([batch("events", 20)])
        outbox.append([batch("events")])
        reported = [g[:2] for b in contents(outbox) for g in b.gone]
        assert {seq for first, end in reported for seq in range(first, end)} == {0, 1, 2}
        assert sum(end - first for first, end in reported) == 3, "each once"


def test_losses_of_an_earlier_boot_are_reported_under_its_name(open_outbox: Open) -> None:
    first, second = uuid4(), uuid4()
    with open_outbox(first, max_bytes=1 << 16) as outbox:
        outbox.append([batch("tracks", 1200), batch("obs"), batch("tracks", 1200)])
    with open_outbox(second, max_bytes=1 << 16) as outbox:
        outbox.report_other_boots(batch("obs", 0))
        outbox.report_other_boots(batch("obs", 0))  # it is on its way, not made twice
        report = contents(outbox)[-1]
        assert (report.boot, report.seq, report.rows) == (first, 3, 0)
        assert [(g.first, g.end) for g in report.gone] == [(0, 1)]
        outbox.durable(first, [(0, 10)])
        outbox.report_other_boots(batch("obs", 0))
        assert outbox.stock().batches == 0, "what is durable is not reported again"


def test_a_full_disk_keeps_what_matters_and_counts_the_rest(open_outbox: Open) -> None:
    boot = uuid4()
    with open_outbox(boot, max_bytes=1 << 30, max_pages=100) as outbox:
        for _ in range(60):
            outbox.append([batch("tracks", 200), batch("events", 20)])
        kept = {b.seq for b in contents(outbox)}
        assert {n for n in range(120) if n % 2} <= kept, "no happening is lost"
        reports = [g for b in contents(outbox) for g in b.gone]
        assert {reason for _, _, reason in reports} == {DISK}
        gone = {seq for first, end, _ in reports for seq in range(first, end)}
        assert gone | kept >= set(range(119))
        assert not gone & kept
        assert outbox.stock().dropped == 120 - len(kept)


def test_a_disk_full_of_what_matters_more_refuses_and_says_so_later(open_outbox: Open) -> None:
    boot = uuid4()
    with open_outbox(boot, max_bytes=1 << 30, max_pages=100) as outbox:
        while outbox.stock().dropped == 0:
            outbox.append([batch("events", 500)])
        filled = outbox.stock()
        outbox.append([batch("tracks", 10_000)])  # larger than the free rest of the disk
        assert outbox.stock() == filled._replace(dropped=filled.dropped + 1)
        outbox.durable(boot, [(0, 1 << 40)])
        outbox.append([batch("obs")])
        (report,) = contents(outbox)
        gone = {seq for first, end, _ in report.gone for seq in range(first, end)}
        assert report.seq - 1 in gone


def test_the_numbers_of_a_refused_batch_are_not_used_again(open_outbox: Open) -> None:
    with open_outbox(uuid4(), max_bytes=1 << 30, max_pages=60) as outbox:
        for _ in range(50):
            outbox.append([batch("events", 500), batch("tracks", 500)])
        outbox.durable(outbox.boot, [(0, 1 << 40)])
        outbox.append([batch("events")])
        assert seqs(outbox) == [100]


def test_a_disk_full_of_the_log_begins_it_anew(open_outbox: Open) -> None:
    boot, every = uuid4(), [(0, 1 << 40)]
    with open_outbox(boot) as outbox, files_of(1 << 19):
        for _ in range(300):  # three pages each, and more, if nothing of the log were used again
            outbox.append([batch("obs", 20)])
            outbox.durable(boot, every)
        assert outbox.stock().dropped == 0
        outbox.append([batch("obs")])
        outbox.durable(boot, every)
        assert outbox.stock().batches == 0


def test_a_full_disk_puts_off_reports_of_other_boots(open_outbox: Open) -> None:
    with open_outbox(uuid4(), max_bytes=1 << 16) as outbox:
        for _ in range(80):
            outbox.append([batch("obs", 100)])
        assert outbox.stock().dropped
        outbox.durable(outbox.boot, [(0, 1 << 40)])
        outbox.append([batch("obs", 100) for _ in range(100)])
    with open_outbox(uuid4()) as outbox:
        with files_of(4096):
            outbox.report_other_boots(batch("obs", 0))
        before = outbox.stock().batches
        outbox.report_other_boots(batch("obs", 0))
        assert outbox.stock().batches == before + 1


@contextmanager
def files_of(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond that: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("damage", ["no-database", "scribbled", "truncated"])
def test_a_broken_file_is_set_aside(
    open_outbox: Open, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.sqlite"
    with open_outbox(uuid4()) as outbox:
        outbox.append([batch("tracks", 1000) for _ in range(5)])
    content = bytearray(path.read_bytes())
    match damage:
        case "no-database":
            content[:16] = b"something else.."
        case "scribbled":
            content[4096 : 4096 * 8] = b"\x5a" * 4096 * 7
        case "truncated":
            del content[len(content) // 2 :]
    path.write_bytes(content)
    with open_outbox(uuid4()) as outbox:
        assert outbox.stock().batches == 0
        outbox.append([batch("obs")])
        assert seqs(outbox) == [0]
    assert (tmp_path / "outbox.sqlite.corrupt").exists()
    assert "set aside" in caplog.text


def test_one_agent_at_a_time(open_outbox: Open) -> None:
    with open_outbox(uuid4()), pytest.raises(OutboxError, match="another agent uses it"):
        open_outbox(uuid4())


def test_another_device_is_refused(open_outbox: Open, tmp_path: Path) -> None:
    open_outbox(uuid4()).close()
    with pytest.raises(OutboxError, match="is that of usti-belehradska/cam-1"):
        Outbox(
            tmp_path / "outbox.sqlite", device="a/b", boot=uuid4(), max_bytes=1 << 20,
            clock=lambda: NOW,
        )  # fmt: skip


def test_a_commit_is_on_the_disk_before_it_is_sent(open_outbox: Open) -> None:
    with open_outbox(uuid4()) as outbox:
        assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
        assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_committed_survives_a_kill(open_outbox: Open, tmp_path: Path) -> None:
    """The file as it lies there while the agent lives is what a killed agent leaves."""
    boot = uuid4()
    with open_outbox(boot) as outbox:
        outbox.append([batch("obs") for _ in range(3)])
        for suffix in ("", "-wal"):
            source = tmp_path / f"outbox.sqlite{suffix}"
            (tmp_path / f"left.sqlite{suffix}").write_bytes(source.read_bytes())
    left = Outbox(
        tmp_path / "left.sqlite", device=DEVICE, boot=uuid4(), max_bytes=1 << 20, clock=lambda: NOW
    )
    with left:
        assert [(b.boot, b.seq) for b in contents(left)] == [(boot, n) for n in range(3)]


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match="outbox"):
        Outbox(
            tmp_path / "file" / "o.sqlite", device=DEVICE, boot=uuid4(), max_bytes=1 << 20,
            clock=lambda: NOW,
        )  # fmt: skip


def test_sqlite_knows_what_the_outbox_needs() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING"
