"""Sends probes and times what comes back of them."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from math import nan
from typing import Final, NamedTuple, Protocol

from contracts.chrony import ClockQuality
from contracts.clock import MICROSECONDS, Clock
from contracts.messages import NO_MESSAGE, RECEIVED, Received
from edge.probing.cost import NUMBER, PIECE, PIECES, PILOT, Costs
from edge.probing.figures import Rate, train_rate

log = logging.getLogger(__name__)

LONGEST: Final = 0.1
"""So long a train may keep the uplink busy, by what its pilot found. [s]"""


class Send(Protocol):
    """Publishes on a probe's topic, at once and once; gives the packet id, None if it cannot be."""

    def __call__(self, what: str, payload: bytes, *, qos: int) -> int | None: ...  # noqa: D102


class Delays(NamedTuple):
    """Times from here to the platform and back, with the bound of the error of both clocks [s]."""

    up: float = nan
    down: float = nan
    error: float = nan
    reason: str = ""  # why it is not known


class _Came(NamedTuple):
    at: float  # monotonic [s]
    received: Received | None  # what ingest says of it


class Prober:
    """Makes one measurement at a time, in the thread of whoever asks.

    Parameters
    ----------
    send
        Publishes. What comes back is told to `hear` and `acknowledged`, by any thread.
    lost_after
        What has not come back by then is lost. [s]
    """

    def __init__(
        self,
        send: Send,
        costs: Costs,
        *,
        lost_after: float,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._costs = costs
        self._lost_after = lost_after
        self._clock = clock
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._closed = False
        self._last = secrets.randbits(8 * NUMBER)  # so that nobody else's echo is taken for ours
        self._awaited: int | None = None
        self._came: _Came | None = None
        self._acknowledged: dict[int, float] | None = None  # by packet id, while a train is out
        self._bytes = 0

    def hear(self, what: str, payload: bytes) -> None:
        """Take in what the broker delivers; what is not waited for (any more) is nothing."""
        now, received = self._monotonic(), None
        if what == "received":
            try:
                received = RECEIVED.decode(payload)
            except NO_MESSAGE as fault:
                log.warning("an answer to a probe is no message: %s", fault)
                return
        number = int.from_bytes(payload[:NUMBER], "big") if received is None else received.probe
        with self._changed:
            self._bytes += self._costs.publication(what, len(payload))
            if number == self._awaited:
                self._awaited, self._came = None, _Came(now, received)
                self._changed.notify_all()

    def acknowledged(self, packet: int) -> None:
        """Take in that the broker has a publication of this packet id."""
        now = self._monotonic()
        with self._changed:
            if self._acknowledged is not None:
                self._acknowledged[packet] = now
                self._changed.notify_all()

    def take_bytes(self) -> int:
        """Bytes of the link that probes took since this was asked, as estimated."""
        with self._changed:
            taken, self._bytes = self._bytes, 0
        return taken

    def close(self) -> None:
        """Wait for nothing any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def round_trip(self) -> float | None:
        """Time to the broker and back [s]; nan: lost, None: it could not be sent."""
        sent = self._monotonic()
        if not self._ask("echo"):
            return None
        return nan if self._came is None else self._came.at - sent

    def one_way(self, own: ClockQuality) -> Delays | None:
        """Time to ingest, and from there back; None: it could not be sent.

        Known only if both clocks are. Times that would have it arrive before it was sent, or leave
        after it came back, by more than the error, prove that one of the clocks is wrong.
        """
        at, sent = self._clock(), self._monotonic()
        if not self._ask("time"):
            return None
        if self._came is None or (answer := self._came.received) is None:
            return Delays(reason="ingest does not answer")
        if own.offset is None or own.error is None:
            return Delays(reason="the error of this box's clock is not known")
        if answer.clock_offset is None or answer.clock_error is None:
            return Delays(reason="the error of the platform's clock is not known")
        apart = (answer.at - at) / MICROSECONDS
        up = apart - answer.clock_offset + own.offset
        trip = self._came.at - sent
        error = own.error + answer.clock_error
        if not -error <= up <= trip + error:
            return Delays(reason="a clock is wrong by more than it says")
        return Delays(up, trip - up, error)

    def rate(self, may_go: Callable[[], bool]) -> Rate | None:
        """Rate of the uplink; None: it could not be measured.

        A pilot says how long a train would be; `may_go` is asked between the two.
        """
        pilot = self._train(PILOT)
        if pilot is None or not may_go():
            return None
        pieces = min(PIECES, int(pilot.rate * LONGEST / self._costs.piece()))
        return pilot if pieces <= PILOT else self._train(pieces)

    def _ask(self, what: str) -> bool:
        """Send a probe and wait for its answer; False: it could not be sent, or we are closed."""
        self._last = (self._last + 1) % (1 << 8 * NUMBER)
        with self._changed:
            self._awaited, self._came = self._last, None
        if self._publish(what, self._last.to_bytes(NUMBER, "big"), qos=0) is None:
            return False
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._came, self._lost_after)
            self._awaited = None
            return not self._closed

    def _train(self, pieces: int) -> Rate | None:
        with self._changed:
            self._acknowledged = {}
        sent = [
            self._publish("load", secrets.token_bytes(PIECE), qos=1)  # incompressible
            for _ in range(pieces)
        ]
        if None in sent:
            return None
        with self._changed:
            heard = self._acknowledged
            self._changed.wait_for(
                lambda: self._closed or heard.keys() >= set(sent), self._lost_after
            )
            self._acknowledged = None
            self._bytes += self._costs.acknowledgement() * pieces
        if not heard.keys() >= set(sent):
            return None
        return train_rate([heard[packet] for packet in sent if packet], self._costs.piece())

    def _publish(self, what: str, payload: bytes, *, qos: int) -> int | None:
        with self._changed:
            self._bytes += self._costs.publication(what, len(payload))
        return self._send(what, payload, qos=qos)
