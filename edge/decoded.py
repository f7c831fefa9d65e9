"""A picture of FFmpeg's as vision sees it: without a copy where it looks at small pictures only."""

from typing import Any, Final

import numpy as np

from edge.vision.frames import Bytes, Image, Planes

_LIMITED: Final = ("yuv420p", "yuv422p", "yuv444p")
_FULL: Final = ("yuvj420p", "yuvj422p", "yuvj444p")
_JPEG: Final = 2  # FFmpeg's number of the range from 0 to 255


class Decoded:
    """One decoded picture.

    Parameters
    ----------
    frame
        An `av.VideoFrame`.
    """

    def __init__(self, frame: Any) -> None:
        self.width: int = frame.width
        self.height: int = frame.height
        self._frame = frame

    def image(self) -> Image:
        """Convert it to blue, green, red."""
        image: Image = self._frame.to_ndarray(format="bgr24")
        return image

    def planes(self) -> Planes | None:
        """Its luma and chroma where it is; they are valid as long as it exists."""
        name = self._frame.format.name
        if name not in _LIMITED + _FULL:
            return None
        y, u, v = (_plane(plane) for plane in self._frame.planes)
        return Planes(y, u, v, full=name in _FULL or self._frame.color_range == _JPEG)


def _plane(plane: Any) -> Bytes:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
