"""Decide what is held for its time of capture: confirmed, shifted or dropped, each once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from contracts.batch import BatchError, decode
from contracts.clock import MICROSECONDS, Clock, from_micros, to_micros
from contracts.topics import topic
from ingest.errors import IngestError
from ingest.inbox import Delivery
from ingest.judge import EARLIEST, Judged, sift, unnamed
from ingest.registry import Registry
from ingest.settings import ReplaySettings
from ingest.store import Context, Tally, store_again
from ingest.unconfirmed import Entry, take
from storage.errors import RefusedDataError
from storage.keys import AUDIT
from storage.pool import Connection

YEAR_1970: Final = 0
"""Nothing that was measured is older, whatever is confirmed. [us]"""


class NotHeldError(IngestError):
    """Nothing is held under this number."""


class StillHeldError(IngestError):
    """It cannot be stored like this; the text says why. It stays."""


class Decision(NamedTuple):
    """What is done with held rows, by whom and why."""

    action: str  # confirm, shift or drop
    actor: str
    why: str | None


Shift = Callable[[Entry], int]
"""By how much the times of an entry are moved. [us]"""


def unmoved(_: Entry) -> int:
    """Leave the times as they are."""
    return 0


def to_reception(entry: Entry) -> int:
    """Move by what the device's clock was off when it sent them."""
    return (entry.received - entry.sent) // timedelta(microseconds=1)


def release(
    connection: Connection,
    number: int,
    settings: ReplaySettings,
    clock: Clock,
    *,
    decision: Decision,
    shift: Shift = unmoved,
) -> tuple[Entry, Tally]:
    """Store held rows as if they had come with these times, or leave everything as it is.

    Raises
    ------
    NotHeldError
        If there is nothing under this number.
    StillHeldError
        If they cannot be stored so.
    """
    try:
        with connection.transaction():
            entry, payload = _take(connection, number, decision)
            by = shift(entry)
            earliest = YEAR_1970 if shift is unmoved else EARLIEST
            _check(entry, by, earliest, clock() + round(settings.clock_ahead_s * MICROSECONDS))
            message = sift(_message(entry, payload, by))
            if not message.rows:
                raise StillHeldError("; ".join(f"{x.reason}: {x.detail}" for x in message.letters))
            context = Context(Registry(), settings.quota, clock)
            if entry.device not in context.registry.devices(connection, [entry.device]):
                raise StillHeldError(f"{entry.device} is retired: register it first")
            return entry, store_again(connection, message, context)
    except (*RefusedDataError, BatchError) as fault:
        raise StillHeldError(str(fault).strip()) from fault


def drop(connection: Connection, number: int, decision: Decision) -> Entry:
    """Remove held rows for good.

    Raises
    ------
    NotHeldError
        If there is nothing under this number.
    """
    with connection.transaction():
        entry, _ = _take(connection, number, decision)
        return entry


def _take(connection: Connection, number: int, decision: Decision) -> tuple[Entry, bytes]:
    """Remove an entry, and put down who did it."""
    found = take(connection, number)
    if found is None:
        raise NotHeldError(str(number))
    entry = found[0]
    subject = f"{entry.device} {entry.stream} {entry.boot} {entry.seq}: {entry.rows} rows"
    action = f"clock {decision.action}"
    connection.execute(AUDIT, [decision.actor, action, subject, decision.why])
    return found


def _check(entry: Entry, by: int, earliest: int, latest: int) -> None:
    """Refuse what nobody can have captured; the times are any integers, so no array is touched."""
    first, last = entry.first + by, entry.last + by
    if first < earliest:
        raise StillHeldError(f"captured before {from_micros(earliest):%Y}: shift or drop it")
    if last > latest:
        raise StillHeldError("captured in the future, by today's clock: shift or drop it")


def _message(entry: Entry, payload: bytes, by: int) -> Judged:
    batch = decode(payload)
    columns = {**batch.columns, "t": batch.columns["t"] + by}
    address = topic(entry.device, "up", entry.stream)
    delivery = Delivery(0, 0, address, payload, {}, to_micros(entry.received))
    return msgspec.structs.replace(
        unnamed(delivery, entry.device, entry.stream),
        boot=batch.boot,
        seq=batch.seq,
        batch=msgspec.structs.replace(batch, columns=columns),
    )
