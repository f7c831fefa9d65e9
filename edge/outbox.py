"""The outbox: batches wait here, on disk, until the platform has said that they are durable.

The file (`outbox_file`) is bounded. What must go goes in the order of `PRIORITY`, oldest first,
and each batch that went is reported, by number and reason, in the header of the next batch of its
boot; the report is kept until it is durable itself.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self
from uuid import UUID

import msgspec

from contracts.batch import SCHEMAS, Batch, Gone, encode
from contracts.clock import Clock
from contracts.messages import Ranges
from edge.errors import OutboxError
from edge.outbox_file import begin_log_anew, is_full, open_file
from edge.outbox_seal import BrokenSealError, Seal

log = logging.getLogger(__name__)

PRIORITY: Final = {"tracks": 0, "obs": 1, "signal": 2, "events": 3}
"""Order of dropping: trajectories first, discrete happenings last. A backlog is sent in reverse."""

AGE_TURN: Final = 4
"""Each so many places of a backlog go to the oldest batch, whatever it is, so that none starves."""

GONE_A_BATCH: Final = 1000
"""Ranges of dropped batches that one header carries; the rest waits for the next."""

OVERHEAD: Final = 128
"""Bytes that a batch takes in the file beside its payload, about."""

FULL: Final = "outbox-full"
DISK: Final = "disk-full"
SEALED: Final = "broken-seal"
_ROOM: Final = 1 << 16  # bytes that are freed at once when the disk is full
_CALM: Final = 100  # appends without a drop, after which there is room again


class Waiting(NamedTuple):
    """A batch that is not durable yet."""

    id: int
    boot: UUID
    seq: int
    stream: str
    created: int = 0  # [us]
    bytes: int = 0  # of its payload


class Stock(NamedTuple):
    """What lies in the outbox."""

    bytes: int
    batches: int
    oldest: int | None  # when the oldest batch was made [us]
    dropped: int  # batches that were dropped since the file is in use


class Outbox:
    """Bounded store of batches; every method may be called from any thread.

    Parameters
    ----------
    path
        The file; one that is broken is set aside, see `open_file`.
    device, boot
        Who numbers its batches here, from 0 for each boot.
    max_bytes
        Bound of the payloads with their overhead.
    max_pages
        Bound of the file in pages of 4 KiB; none by default but the disk.
    seal
        Of payloads in the file; none by default.

    Raises
    ------
    OutboxError
        If another agent uses the file, it cannot be made, or is sealed with another key.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        boot: UUID,
        max_bytes: int,
        clock: Clock,
        max_pages: int | None = None,
        seal: Seal | None = None,
    ) -> None:
        self.boot = boot
        self._seal = seal or Seal()
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._unwritten: list[Gone] = []  # of this boot: the full disk could not note them
        self._calm = _CALM + 1  # appends since a batch was dropped
        self._db = open_file(path, device, boot, max_pages)
        try:
            self._seal.check(self._db, path)
        except OutboxError:
            self._db.close()
            raise
        (self._next,) = self._db.execute(
            "SELECT next FROM boot WHERE boot = ?", (boot.bytes,)
        ).fetchone()
        self._bytes: int
        self._batches: int
        self._bytes, self._batches = self._db.execute(
            "SELECT coalesce(sum(bytes), 0), count(*) FROM batch"
        ).fetchone()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._db.close()

    def append(self, batches: Sequence[Batch]) -> None:
        """Keep these batches: each gets its number and the losses that it is to report."""
        with self._lock:
            if not self._fits(lambda: self._keep(batches)):
                for batch in batches:
                    self._squeeze(batch)

    def report_other_boots(self, empty: Batch) -> None:
        """Queue a batch without rows for each earlier boot that has losses to report.

        A full disk puts that off.

        Parameters
        ----------
        empty
            Batch of this device without rows.
        """
        with self._lock:
            self._fits(lambda: self._report_other_boots(empty))

    def durable(self, boot: UUID, ranges: Ranges) -> int:
        """Forget what is durable; say how many batches that were."""
        with self._lock:
            before = self._batches
            # What does not fit is not forgotten now, so it is sent and acknowledged once more.
            self._fits(lambda: self._forget_all(boot.bytes, ranges))
            return before - self._batches

    def waiting(self, limit: int, *, newest: bool) -> list[Waiting]:
        """Batches that are not durable, from the newest or the oldest on."""
        order = "DESC" if newest else "ASC"
        with self._lock:
            return self._read(f"ORDER BY id {order} LIMIT ?", limit)

    def backlog(self, limit: int) -> list[Waiting]:
        """Batches that are not durable: what matters most first, and the oldest now and then."""
        with self._lock:
            urgent: list[Waiting] = []
            for priority in sorted(PRIORITY.values(), reverse=True):  # each by the index
                left = limit - len(urgent)
                urgent += self._read("WHERE priority = ? ORDER BY id LIMIT ?", priority, left)
            oldest = self._read("ORDER BY id LIMIT ?", limit)
        turns = (
            [*urgent[n * (AGE_TURN - 1) : (n + 1) * (AGE_TURN - 1)], batch]
            for n, batch in enumerate(oldest)
        )
        return list(dict.fromkeys(batch for turn in turns for batch in turn))[:limit]

    def _read(self, which: str, *values: int) -> list[Waiting]:
        rows = self._db.execute(
            f"SELECT id, boot, seq, stream, created, bytes FROM batch {which}",  # noqa: S608
            values,
        ).fetchall()
        return [
            Waiting(id_, UUID(bytes=boot), seq, stream, created, size - OVERHEAD)
            for id_, boot, seq, stream, created, size in rows
        ]

    def payload(self, waiting: Waiting) -> bytes | None:
        """Bytes of a batch; None if it is durable or dropped by now.

        One whose seal is broken is dropped, and reported as others are.
        """
        with self._lock:
            row = self._db.execute(
                "SELECT payload FROM batch WHERE id = ?", (waiting.id,)
            ).fetchone()
            if row is None:
                return None
            try:
                return self._seal.open(bytes(row[0]), waiting.boot, waiting.seq, waiting.stream)
            except BrokenSealError:
                log.error("outbox: the seal of batch %d is broken; it is dropped", waiting.seq)  # noqa: TRY400
                self._fits(lambda: self._drop_one(waiting))
                return None

    def stock(self) -> Stock:
        """Say what lies in the outbox."""
        with self._lock:
            oldest = self._db.execute("SELECT created FROM batch ORDER BY id LIMIT 1").fetchone()
            dropped = self._db.execute("SELECT coalesce(sum(batches), 0) FROM dropped").fetchone()
            lost = sum(gone.end - gone.first for gone in self._unwritten)
            return Stock(
                self._bytes, self._batches, oldest[0] if oldest else None, dropped[0] + lost
            )

    def _keep(self, batches: Sequence[Batch]) -> None:
        with self._transaction():
            for first, end, reason in self._unwritten:
                self._note(self.boot.bytes, first, end, reason)
                self._count("unknown", end - first)
            for batch in batches:
                self._insert(batch, self.boot, self._next)
                self._next += 1
            self._db.execute(
                "UPDATE boot SET next = ? WHERE boot = ?", (self._next, self.boot.bytes)
            )
            dropped = self._drop(self._bytes - self._max_bytes, FULL)
        self._unwritten.clear()
        self._say(dropped)

    def _squeeze(self, batch: Batch) -> None:
        """Keep a batch on a full disk if what matters less can make room for it."""
        priority = PRIORITY[SCHEMAS[batch.schema].stream]
        while not self._fits(lambda: self._keep([batch])):
            before = self._batches
            self._fits(lambda: self._make_room(priority))
            if self._batches == before:
                self._unwritten.append(Gone(self._next, self._next + 1, DISK))
                self._next += 1
                self._say(1)
                return

    def _make_room(self, priority: int) -> None:
        with self._transaction():
            self._drop(_ROOM, DISK, priority)

    def _fits(self, write: Callable[[], None]) -> bool:
        """Write; False: the disk is full, even where the log begins anew."""
        for _ in range(2):
            try:
                write()
            except sqlite3.OperationalError as fault:
                if not is_full(fault):
                    raise
                if not begin_log_anew(self._db):
                    return False
            else:
                return True
        return False

    def _report_other_boots(self, empty: Batch) -> None:
        with self._transaction():
            boots = self._db.execute(
                "SELECT boot.boot, next FROM boot WHERE boot.boot != ?"
                " AND EXISTS (SELECT 1 FROM gone WHERE gone.boot = boot.boot AND carrier IS NULL)"
                " AND NOT EXISTS (SELECT 1 FROM gone WHERE gone.boot = boot.boot AND carrier >= 0)",
                (self.boot.bytes,),
            ).fetchall()
            for boot, seq in boots:
                self._insert(empty, UUID(bytes=boot), seq)
                self._db.execute("UPDATE boot SET next = ? WHERE boot = ?", (seq + 1, boot))

    def _insert(self, batch: Batch, boot: UUID, seq: int) -> None:
        gone = self._db.execute(
            "SELECT first, until, reason FROM gone WHERE boot = ? AND carrier IS NULL"
            " ORDER BY first LIMIT ?",
            (boot.bytes, GONE_A_BATCH),
        ).fetchall()
        named = msgspec.structs.replace(batch, boot=boot, seq=seq, gone=[Gone(*g) for g in gone])
        stream = SCHEMAS[batch.schema].stream
        payload = self._seal.close(encode(named), boot, seq, stream)
        size = len(payload) + OVERHEAD
        self._db.execute(
            "INSERT INTO batch (boot, seq, stream, priority, bytes, created, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (boot.bytes, seq, stream, PRIORITY[stream], size, self._clock(), payload),
        )
        if gone:
            self._db.execute(
                "UPDATE gone SET carrier = ? WHERE boot = ? AND carrier IS NULL AND first <= ?",
                (seq, boot.bytes, gone[-1][0]),
            )
        self._bytes += size
        self._batches += 1

    def _drop(self, excess: int, reason: str, priority: int = len(PRIORITY)) -> int:
        """Drop batches up to a priority until so many bytes are free; say how many went."""
        dropped = 0
        while excess > 0:
            row = self._db.execute(
                "DELETE FROM batch WHERE id = (SELECT id FROM batch WHERE priority <= ?"
                " ORDER BY priority, id LIMIT 1) RETURNING boot, seq, stream, bytes",
                (priority,),
            ).fetchone()
            if row is None:
                break
            boot, seq, stream, size = row
            self._account(boot, seq, stream, size, reason)
            excess -= size
            dropped += 1
        return dropped

    def _drop_one(self, waiting: Waiting) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM batch WHERE id = ?", (waiting.id,))
            size = waiting.bytes + OVERHEAD
            self._account(waiting.boot.bytes, waiting.seq, waiting.stream, size, SEALED)

    def _account(self, boot: bytes, seq: int, stream: str, size: int, reason: str) -> None:
        """Take notice that a batch went that was not durable."""
        # What it would have reported is to be reported again, by another.
        self._db.execute(
            "UPDATE gone SET carrier = NULL WHERE boot = ? AND carrier = ?", (boot, seq)
        )
        self._note(boot, seq, seq + 1, reason)
        self._count(stream, 1)
        self._bytes -= size
        self._batches -= 1

    def _note(self, boot: bytes, first: int, end: int, reason: str) -> None:
        """Remember that [first, end) are gone, joined with their neighbours."""
        near = self._db.execute(
            "SELECT first, until FROM gone WHERE boot = :boot AND carrier IS NULL"
            " AND reason = :reason AND first IN (:end,"
            " (SELECT max(first) FROM gone WHERE boot = :boot AND first < :first))",
            {"boot": boot, "first": first, "end": end, "reason": reason},
        ).fetchall()
        for other, until in near:
            if until == first or other == end:
                self._db.execute("DELETE FROM gone WHERE boot = ? AND first = ?", (boot, other))
                first, end = min(first, other), max(end, until)
        self._db.execute(
            "INSERT INTO gone (boot, first, until, reason) VALUES (?, ?, ?, ?)",
            (boot, first, end, reason),
        )

    def _count(self, stream: str, batches: int) -> None:
        self._db.execute(
            "INSERT INTO dropped VALUES (?, ?)"
            " ON CONFLICT (stream) DO UPDATE SET batches = batches + excluded.batches",
            (stream, batches),
        )

    def _forget_all(self, boot: bytes, ranges: Ranges) -> None:
        with self._transaction():
            for first, end in ranges:
                self._forget(boot, first, end)

    def _forget(self, boot: bytes, first: int, end: int) -> None:
        # Python's driver executes RETURNING as it is read: read it whole.
        sizes = self._db.execute(
            "DELETE FROM batch WHERE boot = ? AND seq >= ? AND seq < ? RETURNING bytes",
            (boot, first, end),
        ).fetchall()
        self._bytes -= sum(size for (size,) in sizes)
        self._batches -= len(sizes)
        self._db.execute(
            "DELETE FROM gone WHERE boot = ? AND carrier >= ? AND carrier < ?", (boot, first, end)
        )
        self._db.execute(
            "DELETE FROM boot WHERE boot = :boot AND boot != :own"
            " AND NOT EXISTS (SELECT 1 FROM batch WHERE boot = :boot)"
            " AND NOT EXISTS (SELECT 1 FROM gone WHERE boot = :boot)",
            {"boot": boot, "own": self.boot.bytes},
        )

    def _say(self, dropped: int) -> None:
        if dropped and self._calm >= _CALM:
            log.error("outbox is full: batches are dropped, trajectories first")
        self._calm = 0 if dropped else min(self._calm + 1, _CALM + 1)
        if self._calm == _CALM:
            log.info("outbox has room again")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing, in the file as in the counters."""
        before = self._bytes, self._batches, self._next
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._bytes, self._batches, self._next = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
