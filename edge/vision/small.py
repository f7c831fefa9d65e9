"""The small picture that motion is looked for in, straight from what the decoder gives."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.vision.frames import Bytes, Frame, Image, Integers

WORKING_WIDTH: Final = 480
"""Width that motion is looked for at; a smaller picture is taken as it is. [px]"""
BLACK: Final = (0, 128, 128)
_FULL: Final = (np.arange(256) - 16) * 255 / 219
_TO_FULL: Final[Bytes] = np.clip(np.round(_FULL), 0, 255).astype(np.uint8)
_VIVID: Final = (np.arange(256) - 128) * 255 / 224 + 128
_TO_VIVID: Final[Bytes] = np.clip(np.round(_VIVID), 0, 255).astype(np.uint8)


class Small(NamedTuple):
    """A picture at working size."""

    planes: Bytes  # (3, h, w) luma from 0 (black) to 255, blue and red difference (128: grey)
    scale: float  # image px per working px

    @property
    def luma(self) -> Bytes:
        """Brightness (h, w)."""
        luma: Bytes = self.planes[0]
        return luma

    @property
    def pixels(self) -> Image:
        """Picture (h, w, 3) of luma and the two differences."""
        return np.ascontiguousarray(self.planes.transpose(1, 2, 0))


def small(frame: Frame) -> Small:
    """Picture of a frame at working size."""
    scale = max(frame.width / WORKING_WIDTH, 1.0)
    width, height = round(frame.width / scale), max(round(frame.height / scale), 1)
    planes: Bytes = np.empty((3, height, width), np.uint8)
    given = frame.planes
    if given is None:
        colours = _shrunk(frame.image, width, height)
        y, v, u = cv2.split(cv2.cvtColor(colours, cv2.COLOR_BGR2YCrCb))
        planes[:] = y, u, v
    else:
        luma = _shrunk(given.y, width, height)
        planes[0] = luma if given.full else cv2.LUT(luma, _TO_FULL)
        for row, plane in enumerate((given.u, given.v), 1):
            chroma = _shrunk(plane, width, height)
            planes[row] = chroma if given.full else cv2.LUT(chroma, _TO_VIVID)
    return _blackened(Small(planes, scale), frame.masks)


def _blackened(picture: Small, masks: Sequence[Integers]) -> Small:
    """Black out polygons (k, 2) [image px] of a small picture, in place."""
    corners = [np.round(mask / picture.scale).astype(np.int32) for mask in masks]
    for plane, black in zip(picture.planes, BLACK, strict=True):
        cv2.fillPoly(plane, corners, black)
    return picture


def _shrunk(plane: Bytes, width: int, height: int) -> Bytes:
    """Plane (h, w) or image (h, w, 3) at a size: halved while it can be, then interpolated."""
    while plane.shape[0] >= 2 * height and plane.shape[1] >= 2 * width:
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = np.asarray(cv2.resize(plane, half, interpolation=cv2.INTER_AREA), np.uint8)
    if plane.shape[:2] != (height, width):
        plane = np.asarray(cv2.resize(plane, (width, height)), np.uint8)
    return plane
