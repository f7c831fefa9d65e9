"""What is computed from the times of probes."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, nan, sqrt
from statistics import fmean, pstdev
from typing import Final, NamedTuple

SHORTEST: Final = 0.005
"""A train that takes less says only that the link is at least so fast: a mobile network hands out
the uplink in turns of some milliseconds. [s]"""
_GAIN: Final = 16


class Rate(NamedTuple):
    """Rate at which a train came through."""

    rate: float  # [byte/s]
    sd: float  # standard error; nan: it is at least so fast [byte/s]


class Jitter:
    """Smoothed difference of the transit times of neighbours, by RFC 3550, 6.4.1.

    Both clocks being this one, a transit is a round trip.
    """

    def __init__(self) -> None:
        self._last = nan
        self._jitter = 0.0

    def add(self, transit: float) -> float:
        """Take in the next transit [s]; give the jitter [s], nan for the first."""
        last, self._last = self._last, transit
        if last != last:  # noqa: PLR0124  # nan: there was none
            return nan
        self._jitter += (abs(transit - last) - self._jitter) / _GAIN
        return self._jitter


def train_rate(acknowledged: Sequence[float], piece: int) -> Rate:
    """Rate by the times [s] at which the pieces of a train, of so many bytes, were acknowledged.

    They left together, so what lies between them is how long each was on the slowest link of the
    way. The error is that of the mean of these times; there are two or more.
    """
    times = [later - sooner for sooner, later in pairwise(acknowledged)]
    if sum(times) < SHORTEST:
        return Rate(len(times) * piece / SHORTEST, nan)
    mean = fmean(times)
    return Rate(piece / mean, piece / mean**2 * pstdev(times) / sqrt(len(times)))


def quantile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that so many are not above; nan where there are too few for that.

    >>> quantile([3.0, 1.0, 2.0], 0.5), quantile([3.0, 1.0, 2.0], 0.95)
    (2.0, nan)
    """
    count = len(values)
    if count * min(share, 1 - share) < 1 - 1e-9:
        return nan
    return sorted(values)[ceil(share * count - 1e-9) - 1]
