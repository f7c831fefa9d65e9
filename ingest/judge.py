"""Judge each message by itself: what of it can be stored, what is a dead letter and why."""

import hashlib
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.batch import SCHEMAS, STREAMS, Batch, BatchError, decode, encode, restamp
from contracts.clock import MICROSECONDS, MINUTE
from contracts.incidents import LONGEST
from contracts.topics import TopicError, parse
from ingest.inbox import Delivery

EARLIEST: Final = 1_262_304_000_000_000
"""2010-01-01: what was captured before was captured by a clock that nobody set. [us]"""

MAX_NAME: Final = 200
"""Characters of an event's kind or object."""

KNOWN_VALUES: Final = {"obs": ("value",), "tracks": ("x", "y"), "events": (), "signal": ()}
"""Columns that must be finite; in the other ones NaN says that the value is not known."""

MAX_WINDOWS: Final = 1440
"""Minutes that one batch may touch: each of them is computed anew."""

_SEQ_END: Final = (1 << 63) - 1


class Letter(NamedTuple):
    """What could not be used, whole, and why."""

    identity: str  # pilot/device as the topic says, "" where it says none
    reason: str
    detail: str
    topic: str
    properties: dict[str, str]
    digest: bytes
    payload: bytes


class Held(NamedTuple):
    """Rows that cannot have been captured when they say: a batch of their own, and why."""

    batch: Batch
    detail: str


class Judged(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One message: the good rows of its batch, those to be held, dead letters with the rest."""

    delivery: Delivery
    identity: str
    boot: UUID | None  # with seq the batch's name, None: it says none
    seq: int
    stream: str
    digest: bytes  # of everything but the time at which it was sent
    batch: Batch | None
    letters: tuple[Letter, ...]
    held: tuple[Held, ...] = ()

    @property
    def rows(self) -> int:
        """Rows to store."""
        return self.batch.rows if self.batch is not None else 0


def judge(delivery: Delivery, *, ahead: float) -> Judged:
    """Decode a message from an uplink topic and split off the rows that cannot be used.

    Parameters
    ----------
    ahead
        How far a sample may lie in the future of its reception. [s]
    """
    try:
        address = parse(delivery.topic)
    except TopicError as fault:
        # The broker has bound the third and fourth level to the sender, whatever comes after.
        identity = "/".join(delivery.topic.split("/")[2:4])
        return _dead(delivery, identity, "", "unknown-topic", str(fault))
    identity, stream = address.identity, address.stream
    if address.channel != "up" or stream not in STREAMS:
        detail = f"no stream {stream!r}; known are {', '.join(sorted(STREAMS))}"
        return _dead(delivery, identity, "", "unknown-topic", detail)
    try:
        batch = decode(delivery.payload)
    except BatchError as fault:
        return _dead(delivery, identity, stream, fault.reason, fault.detail)
    whole = Judged(
        delivery=delivery,
        identity=identity,
        boot=batch.boot,
        seq=batch.seq,
        stream=stream,
        digest=_digest(delivery.payload),
        batch=batch,
        letters=(),
    )
    if batch.device != identity:
        return refuse(whole, "identity-mismatch", f"the header says {batch.device!r}")
    if SCHEMAS[batch.schema].stream != stream:
        return refuse(whole, "stream-mismatch", f"the header says {batch.schema!r}")
    return sift(split_clock(whole, ahead))


def refuse(judged: Judged, reason: str, detail: str) -> Judged:
    """Make the whole message a dead letter; its name stays."""
    letter = _letter(judged, reason, detail, judged.delivery.payload)
    return msgspec.structs.replace(judged, batch=None, letters=(letter,), held=())


def split_off(judged: Judged, bad: NDArray[np.bool_], reason: str, detail: str) -> Judged:
    """Make these rows a dead letter, a batch of their own under the same name."""
    batch = judged.batch
    if batch is None or not bad.any():
        return judged
    kept, rest = _parted(batch, bad)
    letter = _letter(judged, reason, _share(bad, detail), encode(rest))
    return msgspec.structs.replace(judged, batch=kept, letters=(*judged.letters, letter))


def _parted(batch: Batch, bad: NDArray[np.bool_]) -> tuple[Batch, Batch]:
    """Part a batch into the good rows and the bad ones, both under its name."""
    good = {name: column[~bad] for name, column in batch.columns.items()}
    rest = {name: column[bad] for name, column in batch.columns.items()}
    # What is gone is told once, by the batch itself.
    return (
        msgspec.structs.replace(batch, columns=good),
        msgspec.structs.replace(batch, columns=rest, gone=[]),
    )


def _share(bad: NDArray[np.bool_], detail: str) -> str:
    return f"{np.count_nonzero(bad)} of {len(bad)} rows: {detail}"


def split_clock(judged: Judged, ahead: float) -> Judged:
    """Hold what cannot have been captured when it says; the early apart from the late."""
    batch = judged.batch
    if batch is None or not batch.rows:
        return judged
    t = batch.columns["t"]
    latest = judged.delivery.received + round(ahead * MICROSECONDS)
    if t.min() >= EARLIEST and t.max() <= latest:  # as nearly always
        return judged
    judged = _hold(judged, t < EARLIEST, "captured before 2010")
    return _hold(judged, t[t >= EARLIEST] > latest, f"captured later than received + {ahead:g} s")


def _hold(judged: Judged, bad: NDArray[np.bool_], detail: str) -> Judged:
    if judged.batch is None or not bad.any():
        return judged
    kept, rest = _parted(judged.batch, bad)
    held = Held(rest, _share(bad, detail))
    return msgspec.structs.replace(judged, batch=kept, held=(*judged.held, held))


def sift(judged: Judged) -> Judged:
    """Split off the rows whose values cannot be used; refuse what is scattered over the years."""
    batch = judged.batch
    if batch is None or not batch.rows:
        return judged
    unusable = np.zeros(batch.rows, np.bool_)
    for name, column in batch.columns.items():
        if column.dtype.kind == "f" and not _are_finite(column):
            known = name in KNOWN_VALUES[judged.stream]
            unusable |= ~np.isfinite(column) if known else np.isinf(column)
    judged = split_off(judged, unusable, "not-finite", "a value or position is no finite number")
    if judged.stream == "events":
        judged = _split_names(judged)
    if judged.batch is None or (windows := _windows(judged.batch)) <= MAX_WINDOWS:
        return judged
    detail = f"samples of {windows} different minutes, at most {MAX_WINDOWS} are taken"
    return refuse(judged, "scattered", detail)


def _are_finite(column: NDArray[Any]) -> bool:
    """Tell by one number that all are finite, as nearly always; False: look at each."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(column, column)))


def _split_names(judged: Judged) -> Judged:
    batch = judged.batch
    if batch is None or all(len(name) <= MAX_NAME for name in batch.names):  # as nearly always
        return judged
    if "detail" in batch.columns:
        endless = np.array([len(name) > LONGEST for name in batch.names])[batch.columns["detail"]]
        told = f"a detail of more than {LONGEST} characters"
        judged = split_off(judged, endless, "bad-detail", told)
        if (batch := judged.batch) is None:
            return judged
    long = np.array([len(name) > MAX_NAME for name in batch.names])
    bad = long[batch.columns["kind"]] | long[batch.columns["object"]]
    return split_off(judged, bad, "bad-name", f"a name of more than {MAX_NAME} characters")


def _windows(batch: Batch) -> int:
    minutes = batch.columns["t"] // MINUTE
    if not len(minutes) or minutes.max() - minutes.min() < MAX_WINDOWS:  # as nearly always
        return 1
    return len(np.unique(minutes))


def unnamed(delivery: Delivery, identity: str, stream: str = "") -> Judged:
    """Judge what is no batch: nothing to store, and no name."""
    return Judged(
        delivery=delivery,
        identity=identity,
        boot=None,
        seq=0,
        stream=stream,
        digest=_digest(delivery.payload),
        batch=None,
        letters=(),
    )


def _dead(delivery: Delivery, identity: str, stream: str, reason: str, detail: str) -> Judged:
    """Judge what cannot be decoded: the message's own properties may still name it."""
    boot, seq = stated_name(delivery.properties)
    judged = msgspec.structs.replace(unnamed(delivery, identity, stream), boot=boot, seq=seq)
    return refuse(judged, reason, detail)


def stated_name(properties: dict[str, str]) -> tuple[UUID | None, int]:
    """Read the name that stands beside a batch, for when its bytes cannot be read."""
    try:
        boot, seq = UUID(properties["boot"]), int(properties["seq"])
    except (KeyError, ValueError):
        return None, 0
    return (boot, seq) if 0 <= seq < _SEQ_END else (None, 0)


def _letter(judged: Judged, reason: str, detail: str, payload: bytes) -> Letter:
    topic = judged.delivery.topic
    return Letter(
        identity=judged.identity,
        reason=reason,
        detail=detail.replace("\0", " ")[:500],
        topic=topic,
        properties=judged.delivery.properties,
        digest=hashlib.sha256(f"{topic}\n{reason}\n".encode() + judged.digest).digest(),
        payload=payload,
    )


def _digest(payload: bytes) -> bytes:
    with suppress(BatchError):  # what is no batch is sent again as it is
        payload = restamp(payload, 0)
    return hashlib.sha256(payload).digest()
