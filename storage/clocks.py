"""How far a device's clock is off, by when it says it sent and when that was received.

The model: a message sent at ``t`` by the device's clock, which is ``offset`` ahead of UTC, and
received at ``r`` took ``r - t + offset`` on its way, which is never negative. So the least
``r - t`` of some minutes bounds the offset from below, whatever the network does: what waited in a
queue only makes ``r - t`` larger. From above it is bounded only by believing that the fastest of
those messages took no longer than `LEAST_DELAY`. The estimate is the middle of both bounds, its
error half their distance and what a quartz may have drifted since; it is a bound, not a standard
deviation.

What it cannot tell: a link on which no message of twenty minutes is faster than `LEAST_DELAY`, from
a clock that is behind by so much. A backlog that drains for longer than that looks the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

from contracts.clock import MICROSECONDS, MINUTE
from storage.literals import array
from storage.pool import Connection

WINDOW: Final = 10 * MINUTE
"""A least delay is kept for each span of this length; the two newest count. [us]"""

LEAST_DELAY: Final = 0.1
"""The fastest of many messages needs at most this from the device to ingest. [s]"""

DRIFT: Final = 50e-6
"""What an uncompensated quartz gains or loses outdoors, by its data sheet. [s/s]"""

# Nearly always nothing is less than what is known: then nothing is written. Who begins a span
# removes those before the two that are there: three stay, in whatever order they come.
KEEP: Final[LiteralString] = """
WITH found AS (
    SELECT device, simulated, timestamptz 'epoch' + INTERVAL '1 microsecond' * since AS since, least
    FROM unnest(%(device)s::int[], %(simulated)s::bool[], %(since)s::int8[], %(least)s::int8[])
        AS i(device, simulated, since, least)
), kept AS (
    INSERT INTO device_clock AS present (device, simulated, since, least)
    SELECT * FROM found f WHERE NOT EXISTS (
        SELECT FROM device_clock k
        WHERE (k.device, k.simulated, k.since) = (f.device, f.simulated, f.since)
          AND k.least <= f.least)
    ORDER BY device, simulated, since
    ON CONFLICT (device, simulated, since) DO UPDATE SET least = EXCLUDED.least
    WHERE EXCLUDED.least < present.least
    RETURNING device, simulated, xmax = 0 AS begun
)
DELETE FROM device_clock old USING kept
WHERE begun AND (old.device, old.simulated) = (kept.device, kept.simulated) AND old.since < (
    SELECT min(since) FROM (
        SELECT since FROM device_clock k
        WHERE (k.device, k.simulated) = (old.device, old.simulated)
        ORDER BY since DESC LIMIT 2
    ) AS newest)
"""


class Sending(NamedTuple):
    """When one message was sent by the device's clock and received by ours; in microseconds."""

    device: int
    simulated: bool
    sent: int
    received: int


class ClockEstimate(NamedTuple):
    """The device's clock minus UTC, and how wrong that may be; in seconds."""

    offset: float
    error: float

    @property
    def is_off(self) -> bool:
        """Whether the clock is off for certain."""
        return abs(self.offset) > self.error


Spans = dict[tuple[int, bool, int], int]
"""Least of received - sent [us] by device, simulated and begin of the span [us]."""


def spans(sendings: list[Sending]) -> Spans:
    """Reduce messages to the least of each span; their order does not matter.

    What is received at the very microsecond it was sent was stamped here, not by the device.
    """
    found: Spans = {}
    for device, simulated, sent, received in sendings:
        if received != sent:
            key = (device, simulated, received // WINDOW * WINDOW)
            found[key] = min(found.get(key, received - sent), received - sent)
    return found


def keep_clocks(connection: Connection, found: Spans) -> None:
    """Within a transaction: put down what is less than what is known."""
    keys = sorted(found)
    if keys:
        devices, simulated, since = zip(*keys, strict=True)
        given = {
            "device": array(devices),
            "simulated": array(simulated),
            "since": array(since),
            "least": array([found[key] for key in keys]),
        }
        connection.execute(KEEP, given)


def estimate(known: Mapping[datetime, int], now: datetime) -> ClockEstimate | None:
    """Offset of a clock from the least of received - sent [us] by the begin of the span.

    The two newest spans count, those that lie in the future excepted: then it was our own clock
    that was wrong. None: nothing is known.
    """
    newest = sorted(since for since in known if since <= now)[-2:]
    if not newest:
        return None
    shortest = min(known[since] for since in newest) / MICROSECONDS
    return from_least(shortest, (now - newest[0]) / timedelta(seconds=1))


def from_least(shortest: float, age: float) -> ClockEstimate:
    """Offset of a clock from the least of received - sent [s], measured at most `age` [s] away."""
    return ClockEstimate(LEAST_DELAY / 2 - shortest, LEAST_DELAY / 2 + DRIFT * age)
