"""Kalman filter of boxes, all tracks at once.

Each axis of each box is one filter with the state centre, size, and their rates. Its measurements
are the two *edges*, so a box of which only one edge is seen (the other is hidden behind a
neighbour or outside the image) still moves with that edge and keeps its size.
"""

from typing import Final, NamedTuple

import numpy as np

from edge.vision.frames import Bools, Boxes, Floats

EDGE_NOISE: Final = 0.06
"""Standard deviation of a seen edge, as a share of the box's size."""
PIXEL_NOISE: Final = 1.0
"""What is added to it whatever the size. [px]"""
ACCELERATION: Final = 1.5
"""Spectral amplitude of the centre's acceleration. [box sizes / s^1.5]"""
STRETCH: Final = 0.4
"""The same of the size's."""
BIRTH_SPEED: Final = 2.0
"""Standard deviation of the unknown first velocity. [box sizes / s]"""
BIRTH_STRETCH: Final = 0.7
"""Standard deviation of the unknown first growth. [box sizes / s]"""
_CENTRE: Final = np.array([1.0, 0.0, 1.0, 0.0])  # centre and its rate


class BoxState(NamedTuple):
    """Estimate of n boxes."""

    mean: Floats  # (n, 2, 4): per axis centre, size [px], their rates [px/s]
    cov: Floats  # (n, 2, 4, 4)


def scale_of(mean: Floats) -> Floats:
    """Size (n,) [px] that noises are proportional to: geometric mean of width and height."""
    scale: Floats = np.sqrt(np.maximum(mean[:, 0, 1], 1.0) * np.maximum(mean[:, 1, 1], 1.0))
    return scale


def to_boxes(mean: Floats) -> Boxes:
    """Boxes (n, 4) of the means."""
    half = np.maximum(mean[:, :, 1], 1.0) / 2
    boxes = np.empty((len(mean), 4))
    boxes[:, :2], boxes[:, 2:] = mean[:, :, 0] - half, mean[:, :, 0] + half
    return boxes


def start(boxes: Boxes) -> BoxState:
    """State of boxes seen for the first time: standing, with a wide guess at their speed."""
    mean = np.zeros((len(boxes), 2, 4))
    mean[:, :, 0] = (boxes[:, :2] + boxes[:, 2:]) / 2
    mean[:, :, 1] = boxes[:, 2:] - boxes[:, :2]
    scale = scale_of(mean)
    noise = EDGE_NOISE * scale + PIXEL_NOISE
    cov = np.zeros((len(boxes), 2, 4, 4))
    cov[:, :, 0, 0] = (noise**2 / 2)[:, None]
    cov[:, :, 1, 1] = (noise**2 * 2)[:, None]
    cov[:, :, 2, 2] = ((BIRTH_SPEED * scale) ** 2)[:, None]
    cov[:, :, 3, 3] = ((BIRTH_STRETCH * scale) ** 2)[:, None]
    return BoxState(mean, cov)


def predict(state: BoxState, seconds: float) -> BoxState:
    """State after a time at constant velocity (white-noise acceleration)."""
    mean, cov = state.mean.copy(), state.cov.copy()
    mean[:, :, :2] += seconds * mean[:, :, 2:]
    np.maximum(mean[:, :, 1], 1.0, out=mean[:, :, 1])
    # in blocks of values and rates, with the step [[1, seconds], [0, 1]] from both sides
    cov[:, :, :2] += seconds * cov[:, :, 2:]
    cov[..., :2] += seconds * cov[..., 2:]
    square = (scale_of(state.mean) ** 2)[:, None]
    for value, rate, amplitude in ((0, 2, ACCELERATION), (1, 3, STRETCH)):
        q = amplitude**2 * square
        cov[:, :, value, value] += q * (seconds**3 / 3)
        mixed = q * (seconds**2 / 2)
        cov[:, :, value, rate] += mixed
        cov[:, :, rate, value] += mixed
        cov[:, :, rate, rate] += q * seconds
    return BoxState(mean, cov)


def update(state: BoxState, boxes: Boxes, seen: Bools) -> BoxState:
    """State after measuring boxes.

    Along an axis of which not both edges are seen, nothing is learnt of the size: it is kept, and
    stops changing, or the hidden edge would run away with it.

    Parameters
    ----------
    state : BoxState
        Predicted state of n boxes.
    boxes : (n, 4) float
        Measured edges. [px]
    seen : (n, 4) bool
        Edges that were really seen; the others are ignored.
    """
    mean, cov = state.mean.copy(), state.cov.copy()
    variance = ((EDGE_NOISE * scale_of(state.mean) + PIXEL_NOISE) ** 2)[:, None]
    whole = (seen[:, :2] & seen[:, 2:])[..., None]
    mean[..., 3:] *= whole
    teaches = np.where(whole, 1.0, _CENTRE)
    for half, columns in ((-0.5, slice(0, 2)), (0.5, slice(2, 4))):
        projected = cov[..., 0] + half * cov[..., 1]  # (n, 2, 4)
        spread = projected[..., 0] + half * projected[..., 1] + variance
        gain = projected / spread[..., None]
        gain *= seen[:, columns, None] * teaches
        off = boxes[:, columns] - mean[..., 0] - half * mean[..., 1]
        mean += gain * off[..., None]
        # Joseph's form multiplied out, as the gain is not optimal where it is masked
        rest = spread[..., None] * gain - projected
        cov += (
            gain[..., :, None] * rest[..., None, :] - projected[..., :, None] * gain[..., None, :]
        )
    np.maximum(mean[:, :, 1], 1.0, out=mean[:, :, 1])
    return BoxState(mean, cov)
