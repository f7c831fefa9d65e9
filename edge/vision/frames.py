"""The frame that every stage of vision sees, and the array types they share."""

from typing import NamedTuple

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


class Frame(NamedTuple):
    """One picture with the moment it was captured."""

    image: Image  # (h, w, 3)
    captured: int  # [µs] since the epoch, UTC
    number: int  # of the picture since its source was opened
