"""The detector beside motion: asked as its schedule says, and done without where it fails.

A detector that cannot be used, or fails in mid-run, costs the names of road users and the parting
of those who merge, never the counting itself. It is tried again after a while.
"""

import time
from typing import Final, NamedTuple

from contracts.clock import MICROSECONDS
from edge.errors import DetectorError
from edge.vision.detections import Detections
from edge.vision.detector import Detector
from edge.vision.frames import Frame
from edge.vision.schedule import Schedule
from edge.vision.settings import VisionSettings

RETRY: Final = 60 * MICROSECONDS
"""Time after which a detector that failed is tried again. [us]"""


class NamingState(NamedTuple):
    """How the detector is."""

    head: str  # empty: it cannot be used
    sha256: str
    every: int  # frames
    fault: str  # empty: it works


class Naming:
    """The detector of one camera, if it has one.

    Parameters
    ----------
    settings : VisionSettings
    must : bool
        Whether a detector that cannot be used is an error, not a loss to be lived with.

    Raises
    ------
    DetectorError
        If it cannot be used and must; from `step`, too.
    """

    def __init__(self, settings: VisionSettings, *, must: bool = True) -> None:
        self._settings, self._must = settings, must
        self._schedule = Schedule(
            settings.detector_every,
            settings.detector_share,
            live=settings.live,
            threads=settings.detector_threads,
        )
        self._detector: Detector | None = None
        self._fault = ""
        self._failed: int | None = None  # when [us]
        self._head = self._sha256 = ""
        self._before = time.process_time()
        self._used = 0.0  # processor time of the detector since then [s]
        self.spent: float | None = None
        """Time that the detector took for the last frame [s]; None: it was not asked."""
        self._load()

    @property
    def state(self) -> NamingState | None:
        """How the detector is; None if there is to be none."""
        if self._settings.detector is None:
            return None
        return NamingState(self._head, self._sha256, self._schedule.every, self._fault)

    @property
    def able(self) -> bool:
        """Whether there is a detector that can be asked."""
        return self._detector is not None

    @property
    def rate(self) -> float:
        """How often the detector is asked. [1/s]."""
        return 0.0 if self._fault else self._schedule.rate

    def step(self, frame: Frame) -> Detections | None:
        """Ask the detector about a frame if it is due; None if it is not, or fails."""
        self.spent = None
        if self._settings.detector is None:
            return None
        if self._failed is None and self._fault:
            self._failed = frame.captured
        if self._failed is not None and abs(frame.captured - self._failed) >= RETRY:
            self._failed = None
            self._load()
        if self._detector is None or not self._schedule.due(frame.captured, self._rest()):
            return None
        began, core = time.perf_counter(), time.process_time()
        try:
            found = self._detector(frame.image)
        except DetectorError as fault:
            self._fail(fault)
            return None
        self._fault = ""  # now that it answers, and not when it can be loaded
        self.spent, self._used = time.perf_counter() - began, time.process_time() - core
        self._schedule.took(self.spent, self._used)
        return found

    def _rest(self) -> float:
        """Processor time since the frame before, without the detector's. [s]."""
        now = time.process_time()
        rest = now - self._before - self._used
        self._before, self._used = now, 0.0
        return rest

    def _load(self) -> None:
        path, threads = self._settings.detector, self._settings.detector_threads
        if path is None:
            return
        try:
            self._detector = Detector(path, threads, self._settings.detector_sha256)
        except DetectorError as fault:
            self._fail(fault)
            return
        self._head, self._sha256 = self._detector.head.name, self._detector.sha256

    def _fail(self, fault: DetectorError) -> None:
        if self._must:
            raise fault
        self._detector = None
        self._head, self._fault = "", str(fault)
