"""The small picture that motion is looked for in, straight from what the decoder gives."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.vision.frames import Bytes, Frame, Image, Integers

WORKING_WIDTH: Final = 480
"""Width that a picture is halved down to. [px]"""
BLACK: Final = (0, 128, 128)
_FULL: Final = (np.arange(256) - 16) * 255 / 219
_TO_FULL: Final[Bytes] = np.clip(np.round(_FULL), 0, 255).astype(np.uint8)


class Small(NamedTuple):
    """A picture at working size."""

    planes: Bytes  # (3, h, w) luma from 0 (black) to 255, blue and red difference (128: grey)
    scale: int  # image px per working px, a power of two

    @property
    def luma(self) -> Bytes:
        """Brightness (h, w)."""
        luma: Bytes = self.planes[0]
        return luma

    @property
    def pixels(self) -> Image:
        """Picture (h, w, 3) of luma and the two differences."""
        return np.ascontiguousarray(self.planes.transpose(1, 2, 0))


def working_scale(width: int) -> int:
    """Power of two by which pictures of a width [px] are made smaller.

    >>> [working_scale(width) for width in (320, 640, 768, 1280, 1920, 3840)]
    [1, 2, 2, 4, 4, 8]
    """
    scale = 1
    while width > WORKING_WIDTH * scale:
        scale *= 2
    return scale


def small(frame: Frame) -> Small:
    """Picture of a frame at working size; what does not fill a working pixel is cut off."""
    scale = working_scale(frame.width)
    width, height = frame.width // scale, frame.height // scale
    planes: Bytes = np.empty((3, height, width), np.uint8)
    given = frame.planes
    if given is None:
        colours = _shrunk(frame.image[: height * scale, : width * scale], width, height)
        y, v, u = cv2.split(cv2.cvtColor(colours, cv2.COLOR_BGR2YCrCb))
        planes[:] = y, u, v
        return _blackened(Small(planes, scale), frame.masks)
    luma = _shrunk(given.y[: height * scale, : width * scale], width, height)
    planes[0] = luma if given.full else cv2.LUT(luma, _TO_FULL)
    for row, chroma in enumerate((given.u, given.v), 1):
        high, wide = (s * n // whole for s, n, whole in zip(
            chroma.shape, (height * scale, width * scale), given.y.shape, strict=True
        ))  # fmt: skip
        planes[row] = _shrunk(chroma[:high, :wide], width, height)
    return _blackened(Small(planes, scale), frame.masks)


def _blackened(picture: Small, masks: Sequence[Integers]) -> Small:
    """Black out polygons (k, 2) [image px] of a small picture, in place."""
    corners = [np.round(mask / picture.scale).astype(np.int32) for mask in masks]
    for plane, black in zip(picture.planes, BLACK, strict=True):
        cv2.fillPoly(plane, corners, black)
    return picture


def _shrunk(plane: Bytes, width: int, height: int) -> Bytes:
    """Plane (h, w) or image (h, w, 3) at a size; halving twice is faster than quartering."""
    while plane.shape[0] >= 2 * height and plane.shape[1] >= 2 * width:
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = np.asarray(cv2.resize(plane, half, interpolation=cv2.INTER_AREA), np.uint8)
    if plane.shape[:2] != (height, width):
        plane = np.asarray(cv2.resize(plane, (width, height)), np.uint8)
    return plane
