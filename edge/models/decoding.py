"""Answers of networks become boxes [network px], scores and road users. Arrays in, arrays out.

What is too weak, or no road user, is left out; nothing else is.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import DetectorError
from edge.vision.frames import Boxes, Bytes, Floats, Integers

AnyFloats = npt.NDArray[np.floating[Any]]

LOWEST: Final = 0.2
"""Score below which an answer is not even looked at."""
FARTHEST: Final = 88.0
"""Exponent beyond which a single-precision number is none any more."""


class Columns(NamedTuple):
    """The road users among the classes of a network."""

    number: Integers  # (k,) of the class
    kind: Bytes  # (k,) RoadUser


class Found(NamedTuple):
    """Road users in one picture."""

    boxes: Boxes  # (n, 4) left, top, right, bottom [network px]
    score: Floats  # (n,)
    kind: Bytes  # (n,) RoadUser


def by_cell(answer: AnyFloats, cells: Floats, columns: Columns) -> Found:
    """YOLOX's own rows (m, 5 + c): middles relative to a cell, logarithms of sizes, objectness.

    Parameters
    ----------
    answer : (m, 5 + c) float
    cells : (m, 3) float
        Column and row of each cell, and its side. [px]
    columns : Columns
    """
    rows, score, kind = strongest(answer[:, 4, None] * answer[:, 5 + columns.number], columns.kind)
    raw, cell = answer[rows, :4].astype(float), cells[rows]
    middle = (raw[:, :2] + cell[:, :2]) * cell[:, 2:]
    size = np.exp(np.minimum(raw[:, 2:], FARTHEST)) * cell[:, 2:]
    return Found(corners(np.hstack((middle, size))), score, kind)


def with_objectness(answer: AnyFloats, columns: Columns) -> Found:
    """Rows (m, 5 + c) of middle and size [px], objectness, and a score for each class."""
    rows, score, kind = strongest(answer[:, 4, None] * answer[:, 5 + columns.number], columns.kind)
    return Found(corners(answer[rows, :4].astype(float)), score, kind)


def transposed(answer: AnyFloats, columns: Columns) -> Found:
    """Columns (4 + c, m) of middle and size [px], and a score for each class."""
    rows, score, kind = strongest(answer[4 + columns.number].T, columns.kind)
    return Found(corners(answer[:4, rows].T.astype(float)), score, kind)


def with_scores(answer: AnyFloats, scale: Floats, columns: Columns) -> Found:
    """Rows (m, 4 + c) of middle and size as shares of the picture, and a score for each class."""
    rows, score, kind = strongest(answer[:, 4 + columns.number], columns.kind)
    return Found(corners(answer[rows, :4].astype(float)) * scale, score, kind)


def with_logits(boxes: AnyFloats, logits: AnyFloats, scale: Floats, columns: Columns) -> Found:
    """Rows (m, 4) of middle and size as shares of the picture, and logits (m, c) of its classes."""
    wanted = np.clip(logits[:, columns.number].astype(float), -FARTHEST, FARTHEST)
    likely: Floats = 1 / (1 + np.exp(-wanted))
    rows, score, kind = strongest(likely, columns.kind)
    return Found(corners(boxes[rows].astype(float)) * scale, score, kind)


def with_labels(boxes: AnyFloats, score: AnyFloats, label: AnyFloats, columns: Columns) -> Found:
    """Rows of a box's corners (m, 4) [px], its score and the number of its class."""
    same = np.round(label.astype(float))[:, None] == columns.number[None, :]
    rows, score, kind = strongest(np.where(same, score.astype(float)[:, None], 0.0), columns.kind)
    return Found(boxes[rows].astype(float), score, kind)


def strongest(likely: AnyFloats, kind: Bytes) -> tuple[Integers, Floats, Bytes]:
    """Rows (n,) of what is strong enough, with the score and the class that each has at best.

    Parameters
    ----------
    likely : (m, k) float
        Score of each road user.
    kind : (k,) uint8
    """
    best = likely.argmax(axis=1)  # the first one that is no number, if there is any
    score = likely[np.arange(len(best)), best].astype(float)
    if np.isnan(score).any():
        msg = "it answers with what is no number; export it with single precision (float32)"
        raise DetectorError(msg)
    rows = np.flatnonzero(score >= LOWEST)
    return rows, score[rows], kind[best[rows]]


def corners(boxes: Floats) -> Boxes:
    """Left, top, right, bottom of boxes (n, 4) given by middle and size."""
    half = boxes[:, 2:] / 2
    return np.hstack((boxes[:, :2] - half, boxes[:, :2] + half))


def cells(width: int, height: int, strides: tuple[int, ...]) -> Floats:
    """Column, row and side of each cell (m, 3) of the grids of a network, finest first."""
    grids = []
    for stride in strides:
        y, x = np.mgrid[: height // stride, : width // stride]
        grids.append(np.column_stack((x.ravel(), y.ravel(), np.full(x.size, stride))))
    return np.concatenate(grids).astype(float)
