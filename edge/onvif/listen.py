"""Listens to what an ONVIF camera says that happens, whatever becomes of the camera."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from contracts.clock import MICROSECONDS, Clock, to_micros
from edge.backoff import Backoff
from edge.batches import Event, Scalar
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.onvif.device import Device
from edge.onvif.events import LIFETIME, Notification, PullPoint
from edge.onvif.resolve import service
from edge.onvif.said import Said

log = logging.getLogger(__name__)

TIMEOUT: Final = 5.0
"""How long the camera may take per answer, on top of what it is asked to wait. [s]"""
LEAST: Final = 0.5
"""A camera that answers at once is asked again after this. [s]"""
GRACE: Final = 1.0
"""How long what is being told may take when it is time to end. [s]"""
FORGET: Final = 60.0
"""What went on when a camera was lost for so long is told to be over. [s]"""


class Listener:
    """Keeps a subscription to the events of one camera.

    Parameters
    ----------
    sink
        Takes events and scalars in order; while it waits, so does the camera.
    """

    def __init__(
        self, camera: Camera, sink: Callable[[Iterable[Event | Scalar]], None], clock: Clock
    ) -> None:
        self._camera = camera
        self._sink = sink
        self._clock = clock
        self._stopping = threading.Event()
        self._telling = threading.Lock()  # after `stop` nothing more is told
        self._said = Said()
        self._lost = False  # said to be
        self._heard = time.monotonic()

    @property
    def unmapped(self) -> int:
        """What the camera said so far that could not be used."""
        return self._said.unmapped

    def run(self, *, until_done: bool) -> None:  # noqa: ARG002  # as all parts; it has no end
        """Listen until `stop`."""
        backoff = Backoff(1.0, 60.0)
        while not self._stopping.is_set():
            try:
                self._listen(backoff)
            except SourceError as fault:
                self._change(lost=True, reason=str(fault))
            except (ValueError, ArithmeticError, LookupError) as fault:
                # The camera said what nobody expected: that is no reason to stop all.
                self._change(lost=True, reason=f"it cannot be understood: {fault!r}")
            if time.monotonic() - self._heard > FORGET:
                self._tell(self._said.abandon)
            self._stopping.wait(backoff.next())

    def stop(self) -> None:
        """End `run` soon; what goes on is told to be over, even if the camera hangs."""
        free = self._telling.acquire(timeout=GRACE)  # else the sink is full, and takes no more
        try:
            if free and not self._stopping.is_set():
                self._sink(self._said.abandon(self._clock()))
            self._stopping.set()
        finally:
            if free:
                self._telling.release()

    def _listen(self, backoff: Backoff) -> None:
        with PullPoint(Device(service(self._camera, TIMEOUT))) as point:
            while not self._stopping.is_set():
                asked = time.monotonic()
                found = point.pull()
                self._heard = time.monotonic()
                self._change(lost=False)
                backoff.reset()
                for each in found:
                    self._take(each, point.ahead)
                self._stopping.wait(LEAST - (time.monotonic() - asked))

    def _take(self, said: Notification, ahead: timedelta | None) -> None:
        self._tell(lambda now: self._said.take(said, captured(said.at, ahead, now)))

    def _tell(self, make: Callable[[int], Iterable[Event | Scalar]]) -> None:
        with self._telling:
            if not self._stopping.is_set():
                self._sink(make(self._clock()))

    def _change(self, *, lost: bool, reason: str = "") -> None:
        if lost and not self._lost and not self._stopping.is_set():
            log.warning("events of camera %s lost: %s", self._camera.shown, reason)
        elif self._lost and not lost:
            log.info("events of camera %s recovered", self._camera.shown)
        self._lost = lost


def captured(at: datetime | None, ahead: timedelta | None, now: int) -> int:
    """When something happened by our clock [us]; now if the camera cannot be believed.

    Parameters
    ----------
    at
        When it happened by the camera's clock.
    ahead
        How far that is ahead of ours.
    now
        What time it is. [us]
    """
    if at is None or ahead is None:
        return now
    told = to_micros(at) - ahead // timedelta(microseconds=1)
    # It keeps events for as long as the subscription lasts; older is when a state began.
    return told if now - LIFETIME * MICROSECONDS <= told <= now else now
