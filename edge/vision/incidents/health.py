"""A camera that is dark, covered, out of focus, or looks elsewhere than it did.

A frozen one is told apart by `edge.observed`: that takes every bit of two frames.
"""

from typing import Final

from contracts.events import CAMERA_COVERED, CAMERA_DARK, CAMERA_MOVED
from contracts.incidents import Reason
from edge.vision.frames import Image
from edge.vision.incidents.cases import Cases, Incident, one_subject
from edge.vision.incidents.settings import HealthSettings
from edge.vision.incidents.view import TREMBLE, Comparison, Glance, Turn, View, glance

PERIOD: Final = 500_000
"""Time between two glances. [µs]"""
LAPSE: Final = 2.0
"""A fault that is gone for less, before it is certain, is not gone. [s]"""
PLACE: Final = "camera"
ALIKE: Final = 0.9
"""Share of the learnt number of edges from which a picture that nothing explains is one of
somewhere else; one with fewer is of what covers the camera."""


class Health:
    """Faults of one camera's picture."""

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        timing = settings.timing._replace(lapse=LAPSE)
        self._dark, self._covered, self._moved = (
            Cases(kind, PLACE, timing, one=True)
            for kind in (CAMERA_DARK, CAMERA_COVERED, CAMERA_MOVED)
        )
        self._view: View | None = None
        self._looked: int | None = None  # [µs]
        self._seen = 0.0  # time for which the view was learnt [s]
        self._elsewhere = 0.0  # for how long the camera is known to be moved [s]

    def look(self, image: Image, captured: int) -> list[Incident]:
        """Faults that begin or end with this frame.

        Parameters
        ----------
        image : (h, w, 3) or (h, w)
            Colours, or luma alone.
        captured
            Moment of it. [µs]
        """
        since = None if self._looked is None else captured - self._looked
        if since is not None and 0 <= since < PERIOD:
            return []
        self._looked = captured
        seconds = min(max(since or 0, 0), 2 * PERIOD) / 1e6
        return self._judge(glance(image), captured, seconds)

    def _judge(self, seen: Glance, captured: int, seconds: float) -> list[Incident]:
        limits = self._settings
        dark = seen.mean < limits.dark_mean and seen.spread < limits.dark_spread
        told = self._step(self._dark, captured, dark, _dark_reasons(seen, limits))
        how = turn = None
        if not dark:
            how = self._compare(seen, seconds)
            suspect = how is not None and self._is_bad(how)
            turn = self._turn(seen) if suspect and self._view is not None else None
        bad = how is not None and self._is_bad(how)
        moved = bad and how is not None and (turn is not None or how.edges >= ALIKE)
        reasons = [] if how is None else _view_reasons(how, turn, limits)
        told += self._step(self._covered, captured, bad and not moved, reasons)
        told += self._step(self._moved, captured, moved, reasons)
        if not dark and not bad and self._view is not None:
            self._view.learn(seen, seconds)
        self._accept(seen, seconds, moved=moved, told=told)
        return told

    def _compare(self, seen: Glance, seconds: float) -> Comparison | None:
        """How it differs from the view; None while that is not known well enough."""
        if self._view is None:
            self._view = View(seen)
        self._seen += seconds
        if self._seen < self._settings.learn_s or not self._view.has_edges:
            return None
        return self._view.compare(seen)

    def _is_bad(self, how: Comparison) -> bool:
        limits = self._settings
        return how.kept < limits.kept or how.sharpness < limits.sharpness

    def _turn(self, seen: Glance) -> Turn | None:
        turn = self._view.turned(seen) if self._view is not None else None
        if turn is None or (turn.far < max(self._settings.shift, TREMBLE) and not turn.rotation):
            return None
        return turn

    def _accept(self, seen: Glance, seconds: float, *, moved: bool, told: list[Incident]) -> None:
        """Learn the view anew when it was said for long enough that the camera was moved."""
        if any(i.kind == CAMERA_MOVED and i.phase == "begins" for i in told):
            self._elsewhere = seconds
        elif self._elsewhere:
            self._elsewhere = self._elsewhere + seconds if moved else 0.0
        if self._elsewhere and self._elsewhere >= self._settings.relearn_s:
            self._view, self._seen, self._elsewhere = View(seen), 0.0, 0.0

    def _step(
        self, cases: Cases, captured: int, holds: bool, reasons: list[Reason]
    ) -> list[Incident]:
        told = cases.step(one_subject(captured, holds=holds), lambda _: reasons)
        return [incident._replace(tracks=[]) for incident in told]


def _dark_reasons(seen: Glance, limits: HealthSettings) -> list[Reason]:
    return [
        Reason("mean", round(seen.mean, 1), limits.dark_mean),
        Reason("spread", round(seen.spread, 1), limits.dark_spread),
    ]


def _view_reasons(how: Comparison, turn: Turn | None, limits: HealthSettings) -> list[Reason]:
    reasons = [
        Reason("kept", round(how.kept, 3), limits.kept),
        Reason("sharpness", round(how.sharpness, 3), limits.sharpness),
        Reason("edges", round(how.edges, 2), ALIKE),
    ]
    if turn is not None:
        reasons.insert(0, Reason("shift", round(turn.far, 3), limits.shift))
        if turn.rotation:
            reasons.insert(1, Reason("rotation_deg", turn.rotation, 0.0))
    return reasons
