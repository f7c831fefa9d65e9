"""Detector and motion as the agent tells of them: a schedule each second, changes as they come."""

import logging
from collections import deque
from math import isnan
from typing import Final

from contracts.clock import MICROSECONDS, milliseconds
from contracts.events import DETECTOR_LOST, DETECTOR_READY, MOTION_BACK, MOTION_LOST
from contracts.metrics import DETECTOR_RATE, DETECTOR_TIME
from edge.batches import Event, Scalar
from edge.wire import Detecting, Seen

log = logging.getLogger(__name__)

BLIND_FOR: Final = 3 * MICROSECONDS
"""Motion is judged by the frames of so long. [us]"""
BLIND: Final = 0.25
"""Share of them in which all of the picture seems to move, from which that is told."""
MOST: Final = 1000
"""Frames of that time that are remembered; more than so many stand for it."""
UNKNOWN: Final = "unknown"
"""Stands for the checksum of a file that could not be read."""


class DetectorWatch:
    """Accounts for the detector of one camera, over all of its processes."""

    def __init__(self) -> None:
        self._state: Detecting | None = None
        self._lost: int | None = None  # when [us]
        self._second: int | None = None  # the one that is not over
        self._asked = 0
        self._spent = 0.0  # [s]

    def opened(self) -> list[Scalar]:
        """Note that the camera's process begins anew; give the metrics of its last second."""
        scalars = self._close()
        self._second = None
        return scalars

    def change(self, state: Detecting) -> list[Event]:
        """Take in how the detector is; give the events of it."""
        old, self._state = self._state, state
        name = state.sha256 or UNKNOWN
        if state.fault:
            if old is not None and old.fault:
                return []
            log.warning("detector lost, motion goes on alone: %s", state.fault)
            self._lost = state.captured
            return [Event(DETECTOR_LOST, state.captured, name)]
        known = old is not None and old.sha256 == state.sha256
        if known and self._lost is None:
            log.info("detector: asked %s", _often(state))
            return []
        log.info("detector %s ready: sha256 %s, asked %s", state.head, name, _often(state))
        away = float("nan") if self._lost is None else (state.captured - self._lost) / MICROSECONDS
        self._lost = None
        return [Event(DETECTOR_READY, state.captured, name, value=away)]

    def add(self, seen: Seen) -> list[Scalar]:
        """Take in a frame; give the metrics of the second that it closes."""
        if self._state is None:
            return []
        second = seen.captured // MICROSECONDS
        scalars = [] if second == self._second else self._close()
        self._second = second
        if seen.detector is not None:
            self._asked += 1
            self._spent += seen.detector
        return scalars

    def _close(self) -> list[Scalar]:
        if self._second is None:
            return []
        t = (self._second + 1) * MICROSECONDS - 1  # the second's last, as of all that is observed
        scalars = [Scalar(t, DETECTOR_RATE, self._asked)]
        if self._asked:
            scalars.append(Scalar(t, DETECTOR_TIME, milliseconds(self._spent / self._asked)))
        self._asked, self._spent = 0, 0.0
        return scalars


class MotionWatch:
    """Tells when motion says nothing in many frames, and when it does in all of them again."""

    def __init__(self) -> None:
        self._lost: int | None = None  # when [us]
        self._recent: deque[tuple[int, bool]] = deque(maxlen=MOST)  # frames, when and whether blind

    def add(self, seen: Seen) -> list[Event]:
        """Take in a frame; give the event that it makes certain."""
        now, recent = seen.captured, self._recent
        if recent and now < recent[-1][0]:  # the clock was set back
            recent.clear()
        recent.append((now, seen.blind))
        while len(recent) > 1 and now - recent[1][0] >= BLIND_FOR:
            recent.popleft()
        if now - recent[0][0] < BLIND_FOR and len(recent) < MOST:
            return []
        blind = sum(was for _, was in recent)
        if self._lost is None and blind >= BLIND * len(recent):
            self._lost = now
            log.warning("motion lost: all of the picture seems to move")
            return [Event(MOTION_LOST, now, "camera")]
        if self._lost is not None and not blind:
            away, self._lost = (now - self._lost) / MICROSECONDS, None
            log.info("motion is back after %.0f s", away)
            return [Event(MOTION_BACK, now, "camera", value=away)]
        return []


def _often(state: Detecting) -> str:
    rate = "" if isnan(state.rate) else f", {state.rate:.1f} times a second"
    return f"every {state.every} frames{rate}" if state.every > 1 else f"each frame{rate}"
