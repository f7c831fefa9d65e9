"""How a picture is put before a network, as the network was trained; and how boxes come back."""

from enum import Enum
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from edge.vision.boxes import clip
from edge.vision.frames import Boxes, Image

PADDING: Final = 114
"""Grey around a picture of another shape."""
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
_SD: Final = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


class Fit(Enum):
    """What is done about a picture that has not the network's shape."""

    CORNER = "top left, grey beside it"
    MIDDLE = "in the middle, grey around it"
    STRETCH = "stretched"


class Numbers(Enum):
    """What the network is given for a pixel's brightness."""

    BYTE = "0 to 255"
    SHARE = "0 to 1"
    IMAGENET = "0 to 1, less ImageNet's mean, over its standard deviation"


class Placing(NamedTuple):
    """How a network was trained to look at a picture."""

    fit: Fit
    numbers: Numbers
    rgb: bool  # red first; else blue


class Placed(NamedTuple):
    """A picture as a network is given it."""

    picture: Any  # (1, 3, h, w)
    scale: tuple[float, float]  # network px per px, across and down
    offset: tuple[int, int]  # of the picture in the network's [network px]

    def back(self, boxes: Boxes, image: Image) -> Boxes:
        """Boxes [px] in the picture that this was made of, as far as they are in it."""
        found = (boxes - np.tile(self.offset, 2)) / np.tile(self.scale, 2)
        return clip(found, image.shape[1], image.shape[0])


def place(image: Image, width: int, height: int, dtype: str, how: Placing) -> Placed:
    """Make what a network looks at.

    Parameters
    ----------
    image : (h, w, 3) uint8
        Blue, green, red.
    width, height : int
        Of the network's picture. [px]
    dtype : str
        Of its numbers. Bytes are given as they are: the network scales them.
    how : Placing
    """
    boxed, scale, offset = _fitted(image, width, height, how.fit)
    pixels = np.ascontiguousarray((boxed[..., ::-1] if how.rgb else boxed).transpose(2, 0, 1))
    if dtype != "uint8":
        pixels = _numbers(pixels.astype(np.float32), how.numbers).astype(dtype, copy=False)
    return Placed(pixels[None], scale, offset)


def _numbers(pixels: Any, numbers: Numbers) -> Any:
    if numbers is Numbers.BYTE:
        return pixels
    pixels *= np.float32(1 / 255)
    return (pixels - _MEAN) / _SD if numbers is Numbers.IMAGENET else pixels


def _fitted(
    image: Image, width: int, height: int, fit: Fit
) -> tuple[Image, tuple[float, float], tuple[int, int]]:
    if fit is Fit.STRETCH:
        scale = width / image.shape[1], height / image.shape[0]
        return _resized(image, width, height), scale, (0, 0)
    ratio = min(height / image.shape[0], width / image.shape[1])
    across, down = round(image.shape[1] * ratio), round(image.shape[0] * ratio)
    left, top = ((width - across) // 2, (height - down) // 2) if fit is Fit.MIDDLE else (0, 0)
    padded: Image = np.full((height, width, 3), PADDING, np.uint8)
    padded[top : top + down, left : left + across] = _resized(image, across, down)
    return padded, (ratio, ratio), (left, top)


def _resized(image: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
