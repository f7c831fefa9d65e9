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
_LOW: Final = np.array([1.0, -0.5, 0.0, 0.0])
_HIGH: Final = np.array([1.0, 0.5, 0.0, 0.0])


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
    return np.hstack((mean[:, :, 0] - half, mean[:, :, 0] + half))


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
    step = np.eye(4)
    step[0, 2] = step[1, 3] = seconds
    mean = state.mean @ step.T
    mean[:, :, 1] = np.maximum(mean[:, :, 1], 1.0)
    cov = step @ state.cov @ step.T
    scale = scale_of(state.mean)
    for value, rate, amplitude in ((0, 2, ACCELERATION), (1, 3, STRETCH)):
        q = ((amplitude * scale) ** 2)[:, None]
        cov[:, :, value, value] += q * seconds**3 / 3
        cov[:, :, value, rate] += q * seconds**2 / 2
        cov[:, :, rate, value] += q * seconds**2 / 2
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
    teaches = np.where(whole, 1.0, np.array([1.0, 0.0, 1.0, 0.0]))
    for row, columns in ((_LOW, slice(0, 2)), (_HIGH, slice(2, 4))):
        projected = cov @ row  # (n, 2, 4)
        gain = projected / (projected @ row + variance)[..., None]
        gain *= seen[:, columns, None] * teaches
        mean += gain * (boxes[:, columns] - mean @ row)[..., None]
        keep = np.eye(4) - gain[..., :, None] * row  # Joseph's form, as the gain is not optimal
        noise = gain[..., :, None] * gain[..., None, :] * variance[..., None, None]
        cov = keep @ cov @ keep.swapaxes(2, 3) + noise
    mean[:, :, 1] = np.maximum(mean[:, :, 1], 1.0)
    return BoxState(mean, cov)
