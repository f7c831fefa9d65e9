"""Pictures that say when they were taken, as `rtsp_server.py` draws them."""

from typing import NamedTuple

import numpy as np

from edge.vision.frames import Image

NUMBERS = 4096


class Taken(NamedTuple):
    """What a picture says of itself."""

    number: int
    at: int  # by the camera's clock [us]


def read_picture(image: Image) -> Taken:
    """Read number and time from the cells of a picture."""
    height, width = image.shape[:2]
    cells = image.reshape(8, height // 8, 8, width // 8, -1).mean((1, 3, 4))
    bits = int("".join("1" if cell > 128 else "0" for cell in cells.ravel()), 2)
    return Taken(bits >> 52, bits & (1 << 52) - 1)


def missing(numbers: list[int]) -> int:
    """How many pictures between the first and the last did not come."""
    steps = np.diff(numbers) % NUMBERS
    return int((steps - 1).sum())
