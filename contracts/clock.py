"""Time: aware UTC outside, integer microseconds since the epoch in columns."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], int]
"""Says what time it is: microseconds since the epoch, UTC. Passed in, never called for inside."""

MICROSECONDS: Final = 1_000_000
MINUTE: Final = 60 * MICROSECONDS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> int:
    """Microseconds since the epoch by the machine's clock."""
    return to_micros(datetime.now(UTC))


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware moment.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000

    Raises
    ------
    ValueError
        If the moment is naive.
    """
    if moment.tzinfo is None:
        msg = f"{moment} has no time zone: say which, UTC for instance"
        raise ValueError(msg)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Aware moment, to the microsecond.

    >>> from_micros(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(microseconds=micros)


def milliseconds(seconds: float) -> float:
    """Milliseconds, to the microsecond: no clock of ours tells less.

    >>> milliseconds(0.0123456789)
    12.346
    """
    return round(1e3 * seconds, 3)
