"""Capture times by the camera's own clock, as its RTCP sender reports tell it (RFC 3550, 6.4.1).

A report says which time of the sender's clock a stamp of the stream stands for. FFmpeg applies the
last one to each packet and hands the result on as a "producer reference time". A camera whose
clock is set by NTP so tells when a frame was taken; how long it took to come here does not matter.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol

from contracts.clock import MICROSECONDS, Clock
from edge.errors import SourceError

PATIENCE: Final = 10 * MICROSECONDS
"""How long a report is waited for; RFC 3550 has one at least every 6.2 s at these rates. [us]"""
LOOK: Final = 2 * MICROSECONDS
"""For so long the camera's clock is compared with arrival before it is believed. [us]"""
AHEAD: Final = MICROSECONDS // 2
"""Frames that come by so much before they were taken show that a clock is wrong. [us]"""
LATE: Final = MICROSECONDS
"""So late no frame comes when the clocks agree; it is less than what is too old to use. [us]"""
_REFERENCE: Final = struct.Struct("=qi")  # AVProducerReferenceTime: UTC [us], flags


class Told(NamedTuple):
    """By what a camera's frames are timed."""

    clock: str  # "rtcp", or "arrival" where that could not be had
    delay: int  # least time between capture by the camera's clock and arrival [us]
    reason: str = ""  # why it is not what was asked for


class Arrival(Protocol):
    """Times by arrival, for a camera that does not tell any."""

    def captured(self, stamp: int) -> int | None:
        """Return the capture time [us] of a stamp [us], None while it is not known yet."""


class SenderClock:
    """Capture times by sender reports; by arrival for a camera without, or with a wrong clock.

    Which of the two is decided once, at the start: it takes up to `PATIENCE` and `LOOK`, in which
    frames have no time and are not used.
    """

    def __init__(self, clock: Clock, arrival: Arrival) -> None:
        self._clock = clock
        self._arrival = arrival
        self._first: int | None = None  # when the first frame came [us]
        self._heard: int | None = None  # when the first one with a report came [us]
        self._offset: int | None = None  # sender's time of stamp 0 [us]
        self._least: int | None = None  # [us]
        self.told: Told | None = None

    def listen(self, packets: Iterable[Any]) -> Iterator[Any]:
        """Hand packets on; take the sender's time from those that have it."""
        for packet in packets:
            if packet.pts is not None and packet.has_sidedata("prft"):
                sent, _ = _REFERENCE.unpack_from(bytes(packet.get_sidedata("prft")))
                scale = packet.time_base * MICROSECONDS
                self.report(sent, packet.pts * scale.numerator // scale.denominator)
            yield packet

    def report(self, sent: int, stamp: int) -> None:
        """Take in that a stamp [us] means this time [us] of the sender's clock."""
        self._offset = sent - stamp

    def captured(self, stamp: int) -> int | None:
        """Return the time [us] at which the frame with this stamp [us] was captured.

        None while that is not known yet.

        Raises
        ------
        SourceError
            If the camera's clock, once believed, goes wrong: it is to be opened anew.
        """
        by_arrival = self._arrival.captured(stamp)
        if self.told is None:
            self._decide(stamp)
        if self.told is None:
            return None
        if self.told.clock == "arrival":
            return by_arrival
        return self._by_report(stamp)

    def _by_report(self, stamp: int) -> int | None:
        if self._offset is None:
            return None
        captured = stamp + self._offset
        if captured > self._clock() + AHEAD:
            ahead = (captured - self._clock()) / MICROSECONDS
            msg = f"its clock went ahead of this machine's by {ahead:.1f} s"
            raise SourceError(msg)
        return captured

    def _decide(self, stamp: int) -> None:
        now = self._clock()
        self._first = now if self._first is None else self._first
        if self._offset is None:
            if now - self._first >= PATIENCE:
                self.told = Told("arrival", 0, "it sends no RTCP sender reports")
            return
        late = now - stamp - self._offset
        self._heard = now if self._heard is None else self._heard
        self._least = late if self._least is None else min(self._least, late)
        if now - self._heard < LOOK:
            return
        if -AHEAD <= self._least <= LATE:
            self.told = Told("rtcp", self._least)
        else:
            way = "behind" if self._least > 0 else "ahead of"
            apart = abs(self._least) / MICROSECONDS
            reason = f"its clock is {apart:.1f} s {way} this machine's: let both follow NTP"
            self.told = Told("arrival", 0, reason)
