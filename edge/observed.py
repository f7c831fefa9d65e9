"""How much of each second of capture time was really observed.

No road user on a working camera is zero; no camera is missing. Only this tells them apart.
"""

from typing import Final, NamedTuple

from contracts.clock import MICROSECONDS, milliseconds
from contracts.metrics import CAMERA_DROPPED, CAMERA_FRAMES, CAMERA_OBSERVED, CAMERA_PROCESSING
from edge.batches import Scalar

GAP: Final = 1_500_000
"""Between two frames that are further apart nothing was observed. [us]"""

FROZEN: Final = 30_000_000
"""A picture that does not change at all for so long shows nothing any more. [us]"""


class _Second(NamedTuple):
    observed: int = 0  # [us]
    frames: int = 0
    dropped: int = 0
    processing: float = 0.0  # [s], sum


class Observed:
    """Accounts for the frames of one opened source."""

    def __init__(self) -> None:
        self._seconds: dict[int, _Second] = {}  # those that are not over: two or three
        self._last: int | None = None
        self._dropped = 0
        self._changed: int | None = None  # when the picture last did [us]

    def frozen(self) -> float | None:
        """For how long the picture has not changed [s]; None while it is alive."""
        if self._last is None or self._changed is None or self._last - self._changed < FROZEN:
            return None
        return (self._last - self._changed) / MICROSECONDS

    def add(
        self,
        captured: int,
        processing: float,
        dropped: int,
        *,
        same: bool = False,
        blind: bool = False,
    ) -> list[Scalar]:
        """Take in a frame; give the metrics of the seconds that it closes.

        Parameters
        ----------
        captured
            Later than the frame before. [us]
        processing
            Time that the frame took. [s]
        dropped
            Frames that were left out so far.
        same
            Whether it equals the frame before in every bit.
        blind
            Whether the camera is known to be dark or covered.
        """
        if self._changed is None or not same:
            self._changed = captured
        last = captured if self._last is None or captured - self._last > GAP else self._last
        shows_nothing = blind or captured - self._changed >= FROZEN
        while last < captured:  # the time since the last frame, second by second
            second = last // MICROSECONDS
            end = min(captured, (second + 1) * MICROSECONDS)
            self._put(second, observed=0 if shows_nothing else end - last)
            last = end
        now = captured // MICROSECONDS
        self._put(now, frames=1, dropped=dropped - self._dropped, processing=processing)
        self._last, self._dropped = captured, dropped
        return self._close(now)

    def finish(self) -> list[Scalar]:
        """Give the metrics of the second that the last frame began."""
        return [] if self._last is None else self._close(None)

    def _put(
        self,
        second: int,
        *,
        observed: int = 0,
        frames: int = 0,
        dropped: int = 0,
        processing: float = 0.0,
    ) -> None:
        old = self._seconds.get(second, _Second())
        self._seconds[second] = _Second(
            old.observed + observed,
            old.frames + frames,
            old.dropped + dropped,
            old.processing + processing,
        )

    def _close(self, before: int | None) -> list[Scalar]:
        scalars = []
        for second in sorted(self._seconds):
            if before is not None and second >= before:
                break
            part = self._seconds.pop(second)
            # The last microsecond is still of the same second, and of the same minute.
            t = (second + 1) * MICROSECONDS - 1
            if before is None and self._last is not None:
                t = min(t, self._last)
            scalars += [
                Scalar(t, CAMERA_OBSERVED, part.observed / MICROSECONDS),
                Scalar(t, CAMERA_FRAMES, part.frames),
                Scalar(t, CAMERA_DROPPED, part.dropped),
            ]
            if part.frames:
                mean = part.processing / part.frames
                scalars.append(Scalar(t, CAMERA_PROCESSING, milliseconds(mean)))
        return scalars
