"""The judge of a run: what devices say they gave away against what the database holds.

Pure functions over plain values, so that they can be shown to find what is wrong.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

QUOTA: Final = "dead-letter-quota"
"""The one reason for a loss that ingest gives itself; all the others are the agents'."""


class Taken(NamedTuple):
    """A batch that an outbox has taken, and the numbers of its samples: [first, end)."""

    boot: str
    seq: int
    first: int
    end: int


class Journal(NamedTuple):
    """What a device with an outbox says of itself."""

    taken: list[Taken]
    dropped: int  # batches that its outbox has counted as dropped
    spare: int  # samples that it may have taken without a word, because it was killed just then


class Sent(NamedTuple):
    """What a device without an outbox says of itself: numbers of its samples, one a batch."""

    tried: set[int]
    safe: set[int]  # the broker acknowledged them and was never killed after that


class Loss(NamedTuple):
    """Batches [first, end) that are not there, and why."""

    boot: str
    first: int
    end: int
    reason: str


class Ledger(NamedTuple):
    """Numbers of batches of a boot that are settled, in half-open ranges."""

    committed: list[tuple[int, int]]
    lost: list[tuple[int, int]]


class Window(NamedTuple):
    """A minute as it was computed, and as it is computed now from what is stored."""

    name: str
    stored: tuple[bytes, list[tuple]] | None  # digest of the inputs, rows; None: never computed
    fresh: tuple[bytes, list[tuple]]
    empty: bool  # nothing is stored that it would be computed from


class Dump(NamedTuple):
    """What the database holds at the end."""

    samples: dict[str, Counter[int]]  # by device: each sample's number, and how often it is there
    ledger: dict[str, dict[str, Ledger]]  # by device and boot
    losses: dict[str, list[Loss]]
    letters: Counter[tuple[str, str, bytes]]  # device, reason, payload
    windows: list[Window]
    dirty: int  # marks that nobody has worked off


def check(
    journals: dict[str, Journal],
    sent: dict[str, Sent],
    expected_letters: Iterable[tuple[str, str, bytes]],
    dump: Dump,
) -> list[str]:
    """Everything that is wrong, a line each; none if the promises were kept."""
    found: list[str] = []
    for device, journal in journals.items():
        found += (f"{device}: {line}" for line in check_outbox(device, journal, dump))
    for device, said in sent.items():
        found += (f"{device}: {line}" for line in check_sent(said, dump.samples.get(device)))
    found += check_letters(expected_letters, dump)
    found += check_windows(dump)
    return found


def check_outbox(device: str, journal: Journal, dump: Dump) -> Iterator[str]:
    """What was outboxed is there once, or is counted as lost, with a reason."""
    samples = dump.samples.get(device, Counter())
    ledger = dump.ledger.get(device, {})
    losses = dump.losses.get(device, [])
    yield from _doubled(samples)
    promised: set[int] = set()
    for batch in journal.taken:
        numbers = set(range(batch.first, batch.end))
        promised |= numbers
        yield from _check_batch(batch, numbers & samples.keys(), ledger, losses)
    spare = len(samples.keys() - promised)
    if spare > journal.spare:
        yield f"{spare} samples are there that no outbox has taken, at most {journal.spare} may be"
    told = {
        (loss.boot, seq)
        for loss in losses
        if loss.reason != QUOTA
        for seq in range(loss.first, loss.end)
    }
    if len(told) != journal.dropped:
        yield f"{journal.dropped} batches were dropped by its own count, {len(told)} were reported"
    for boot, ranges in ledger.items():
        yield from _check_ledger(boot, ranges, losses)


def _check_batch(
    batch: Taken, there: set[int], ledger: dict[str, Ledger], losses: list[Loss]
) -> Iterator[str]:
    settled = ledger.get(batch.boot, Ledger([], []))
    wanted = batch.end - batch.first
    name = f"batch {batch.seq} of boot {batch.boot[:8]}"
    if _within(batch.seq, settled.lost):
        if there:
            yield f"{name} is lost by the ledger, but {len(there)} of its samples are there"
        if not any(
            loss.boot == batch.boot and loss.first <= batch.seq < loss.end and loss.reason
            for loss in losses
        ):
            yield f"{name} is lost, and nobody says why"
    elif not _within(batch.seq, settled.committed):
        yield f"{name} is neither committed nor lost ({len(there)} of {wanted} samples are there)"
    elif len(there) < wanted:
        missing = wanted - len(there)
        yield f"{name} is committed, but {missing} of its {wanted} samples are not there"


def _check_ledger(boot: str, ranges: Ledger, losses: list[Loss]) -> Iterator[str]:
    told = {seq for loss in losses if loss.boot == boot for seq in range(loss.first, loss.end)}
    committed = {seq for first, end in ranges.committed for seq in range(first, end)}
    lost = {seq for first, end in ranges.lost for seq in range(first, end)}
    if both := committed & lost:
        yield f"boot {boot[:8]}: {len(both)} batches are both committed and lost"
    if lost != told - committed:
        yield f"boot {boot[:8]}: the ledger has lost {len(lost)}, told were {len(told - committed)}"


def check_sent(said: Sent, samples: Counter[int] | None) -> Iterator[str]:
    """What the broker has acknowledged, and did not lose itself, is there once."""
    there = samples or Counter()
    yield from _doubled(there)
    if missing := said.safe - there.keys():
        yield f"{len(missing)} samples are not there that the broker took: {_few(missing)}"
    if strange := there.keys() - said.tried:
        yield f"{len(strange)} samples are there that were never sent: {_few(strange)}"


def check_letters(expected: Iterable[tuple[str, str, bytes]], dump: Dump) -> Iterator[str]:
    """What cannot be used is a dead letter with its reason, once."""
    for device, reason, payload in expected:
        times = dump.letters[device, reason, payload]
        if times != 1:
            others = [r for d, r, p in dump.letters if (d, p) == (device, payload)]
            yield (
                f"{device}: a payload of {len(payload)} bytes is {times} times a dead letter"
                f" for {reason!r}; its reasons are {others}"
            )


def check_windows(dump: Dump) -> Iterator[str]:
    """Every window is what a computation from what is stored gives now."""
    if dump.dirty:
        yield f"{dump.dirty} dirty marks are left"
    for window in dump.windows:
        if window.stored is None:
            if not window.empty:
                yield f"window {window.name} was never computed"
        elif window.stored[0] != window.fresh[0]:
            yield f"window {window.name} was computed from other inputs than those that are stored"
        elif window.stored[1] != window.fresh[1]:
            yield f"window {window.name} has other rows than a fresh computation"


def _doubled(samples: Counter[int]) -> Iterator[str]:
    if doubled := {number for number, times in samples.items() if times > 1}:
        yield f"{len(doubled)} samples are there more than once: {_few(doubled)}"


def _within(seq: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= seq < end for first, end in ranges)


def _few(numbers: set[int]) -> str:
    some = sorted(numbers)
    return ", ".join(map(str, some[:5])) + (", ..." if len(some) > 5 else "")
