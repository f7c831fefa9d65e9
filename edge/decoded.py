"""A picture of FFmpeg's as vision sees it: without a copy where it looks at small pictures only."""

from typing import Any, Final

import cv2
import numpy as np

from edge.vision.frames import Bytes, Image, Planes

_LIMITED: Final = ("yuv420p", "yuv422p", "yuv444p")
_FULL: Final = ("yuvj420p", "yuvj422p", "yuvj444p")
_JPEG: Final = 2  # FFmpeg's number of the range from 0 to 255
_TURNS: Final = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
"""What quarter turns clockwise are to OpenCV."""


class Decoded:
    """One decoded picture, upright as its display matrix or its EXIF says.

    Parameters
    ----------
    frame
        An `av.VideoFrame`.
    """

    def __init__(self, frame: Any) -> None:
        quarters = round(-frame.rotation / 90) % 4
        size = (frame.width, frame.height)
        self.width, self.height = size[::-1] if quarters % 2 else size
        self.is_turned = quarters % 2 == 1  # by a quarter
        self._turn = _TURNS[quarters]
        self._frame = frame

    def image(self) -> Image:
        """Convert it to blue, green, red."""
        return self._upright(self._frame.to_ndarray(format="bgr24"))

    def planes(self) -> Planes | None:
        """Its luma and chroma where it is; they are valid as long as it exists."""
        name = self._frame.format.name
        if name not in _LIMITED + _FULL:
            return None
        y, u, v = (self._upright(_plane(plane)) for plane in self._frame.planes)
        return Planes(y, u, v, full=name in _FULL or self._frame.color_range == _JPEG)

    def _upright(self, given: Bytes) -> Bytes:
        return given if self._turn is None else np.asarray(cv2.rotate(given, self._turn), np.uint8)


def _plane(plane: Any) -> Bytes:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
