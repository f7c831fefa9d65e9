"""The frame that every stage of vision sees, and the array types they share."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint32]

Image = Bytes
"""(h, w, 3) blue, green, red."""

Boxes = Floats
"""(n, 4) left, top, right, bottom [px], origin at the image's top left, y downwards."""


class Planes(NamedTuple):
    """A picture as decoders give it; chroma may be smaller than luma."""

    y: Bytes  # (h, w) luma
    u: Bytes  # blue difference, 128 where grey
    v: Bytes  # red difference
    full: bool  # black is 0 and white 255; else 16 and 235


class Picture(Protocol):
    """A decoded picture that has not been converted."""

    width: int
    height: int

    def image(self) -> Image:
        """Convert it to colours, which costs time."""

    def planes(self) -> Planes | None:
        """Give its own planes; None if it has others than luma and chroma of 8 bits."""


class Frame:
    """One picture with the moment it was captured.

    Looking for motion needs few of its pixels and a detector or a viewer needs it seldom, so
    colours at full size are only made when somebody asks for `image`.

    Parameters
    ----------
    picture
        (h, w, 3) blue, green, red, or what gives that.
    captured
        Microseconds since the epoch, UTC.
    number
        Of the picture since its source was opened.
    masks
        Polygons (k, 2) [px] that nobody may see: black in all that is made of the picture.
    """

    def __init__(
        self,
        picture: Image | Picture,
        captured: int,
        number: int,
        masks: Sequence[Integers] = (),
    ) -> None:
        self.captured = captured
        self.number = number
        self.masks = masks
        self._picture = picture
        if isinstance(picture, np.ndarray):
            self.height, self.width = picture.shape[:2]
        else:
            self.height, self.width = picture.height, picture.width

    @cached_property
    def image(self) -> Image:
        """The picture (h, w, 3)."""
        given = self._picture
        if not isinstance(given, np.ndarray):
            given = given.image()
        elif self.masks:
            given = given.copy()
        if self.masks:
            import cv2  # noqa: PLC0415  # the agent, which knows arrays only, needs no OpenCV

            cv2.fillPoly(given, [np.asarray(mask, np.int32) for mask in self.masks], (0, 0, 0))
        return given

    def masked(self, masks: Sequence[Integers]) -> "Frame":
        """Give the same picture with these polygons (k, 2) [px] blacked out."""
        return Frame(self._picture, self.captured, self.number, masks)

    @cached_property
    def planes(self) -> Planes | None:
        """The picture as it was decoded, masks not applied; None if that is no luma and chroma."""
        given = self._picture
        return None if isinstance(given, np.ndarray) else given.planes()
