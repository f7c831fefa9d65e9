"""Birth certificates and last wills: which devices are there."""

from typing import Final, LiteralString, NamedTuple

import msgspec

from contracts.clock import from_micros
from contracts.messages import ENCODER, STATE, State
from contracts.topics import TopicError, parse
from ingest.inbox import Delivery
from ingest.judge import Judged, refuse, unnamed
from storage.pool import Connection

_YEAR_10000: Final = 253_402_300_800_000_000  # [us]

# A will that comes after a younger boot's birth says nothing of the device as it is now.
_WRITE: Final = """
INSERT INTO device_state AS present (device, online, boot, since, state, received_at)
VALUES (%(device)s, %(online)s, %(boot)s, %(since)s, %(state)s, %(received)s)
ON CONFLICT (device) DO UPDATE SET
    online = EXCLUDED.online, boot = EXCLUDED.boot, since = EXCLUDED.since,
    state = EXCLUDED.state, received_at = EXCLUDED.received_at
WHERE """
WRITE: Final = (
    _WRITE + "EXCLUDED.online OR present.boot = EXCLUDED.boot OR present.since <= EXCLUDED.since"
)
WRITE_OLD: Final = _WRITE + "present.received_at <= EXCLUDED.received_at"
FORGET: Final = "DELETE FROM device_state WHERE device = %(device)s AND received_at <= %(received)s"


class Change(NamedTuple):
    """What a device, or the broker in its stead, says of it."""

    delivery: Delivery
    identity: str
    state: State | None  # None: somebody has cleared what the broker retained


def is_state(delivery: Delivery) -> bool:
    """Tell a state from a batch by its topic."""
    return delivery.topic.endswith("/state")


def judge_state(delivery: Delivery) -> Change | Judged:
    """Decode a state; what is none is a dead letter."""
    try:
        identity = parse(delivery.topic).identity
    except TopicError as fault:
        return refuse(unnamed(delivery, ""), "unknown-topic", str(fault))
    if not delivery.payload:
        return Change(delivery, identity, None)
    try:
        state = STATE.decode(delivery.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        return refuse(unnamed(delivery, identity), "not-a-state", str(fault))
    if not 0 <= state.since < _YEAR_10000:
        detail = f"since {state.since} is not between 1970 and 10000"
        return refuse(unnamed(delivery, identity), "not-a-state", detail)
    return Change(delivery, identity, state)


def write_state(connection: Connection, device: int, change: Change) -> None:
    """Write what a device is now, unless that is older than what is known."""
    _write(connection, device, change, WRITE)


def write_old_state(connection: Connection, device: int, change: Change) -> None:
    """Write what a device was, unless anything has been heard of it since."""
    _write(connection, device, change, WRITE_OLD)


def _write(connection: Connection, device: int, change: Change, query: LiteralString) -> None:
    received = from_micros(change.delivery.received)
    if (state := change.state) is None:
        connection.execute(FORGET, {"device": device, "received": received})
        return
    connection.execute(
        query,
        {
            "device": device,
            "online": state.status == "online",
            "boot": state.boot,
            "since": from_micros(state.since),
            "state": ENCODER.encode(state).decode(),
            "received": received,
        },
    )
