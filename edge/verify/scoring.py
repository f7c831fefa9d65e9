"""Scores of what was found against what was true. Arrays in, arrays out; unknown is nan.

A *gate* is one line in one direction. Totals alone flatter, as an invented passage makes up for a
missed one; therefore passages are paired in time, and both are given.
"""

from typing import Final, NamedTuple, Self

import numpy as np
from scipy.optimize import linear_sum_assignment

from contracts.classes import RoadUser
from edge.vision.boxes import iou
from edge.vision.frames import Bools, Boxes, Bytes, Floats, Integers

LEAST_IOU: Final = 0.5
"""Overlap from which a box is the one that was annotated."""


class Passages(NamedTuple):
    """Passages of any gates, in any order."""

    gate: Integers  # (n,)
    moment: Floats  # (n,) [s]
    kind: Bytes  # (n,) RoadUser, 0 unknown
    speed: Floats  # (n,) [m/s], nan unknown


class Totals(NamedTuple):
    """What is known to have passed each of G gates."""

    total: Floats  # (G,) nan unknown
    by_class: Floats  # (G, classes) a row of nan where classes are not known
    timed: Bools  # (G,) each passage is known with its moment


class Pairs(NamedTuple):
    """What belongs together: row i of one side and of the other."""

    true: Integers  # (k,)
    found: Integers  # (k,)


class GateScores(NamedTuple):
    """How well the passages of G gates were counted."""

    counted: Integers  # (G,)
    error: Floats  # (G,) counted minus true
    class_error: Floats  # (G,) sum over the classes of |counted minus true|
    matched: Floats  # (G,)
    precision: Floats  # (G,)
    recall: Floats  # (G,)
    speeds: Integers  # (G,) pairs with both speeds
    speed_bias: Floats  # (G,) mean of measured minus true [m/s]
    speed_error: Floats  # (G,) mean of |measured minus true| [m/s]


def best_pairs(cost: Floats) -> Pairs:
    """Pair rows and columns one to one: as many as possible, then at the least cost.

    Parameters
    ----------
    cost : (n, m) float
        Cost of each pair in [0, 1]; inf where the two cannot belong together.
    """
    allowed = np.isfinite(cost)
    # one pair more always outweighs what it costs all others
    worth = np.where(allowed, min(cost.shape) + 1 - np.where(allowed, cost, 0.0), 0.0)
    row, column = linear_sum_assignment(worth, maximize=True)
    good = allowed[row, column]
    return Pairs(row[good], column[good])


def match(true: Passages, found: Passages, tolerance: float) -> Pairs:
    """Pair passages of the same gate whose moments differ by at most the tolerance [s]."""
    pairs = [Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for gate in np.intersect1d(true.gate, found.gate):
        row, column = np.flatnonzero(true.gate == gate), np.flatnonzero(found.gate == gate)
        apart = np.abs(true.moment[row, None] - found.moment[None, column])
        pair = best_pairs(np.where(apart <= tolerance, apart / max(tolerance, 1e-9), np.inf))
        pairs.append(Pairs(row[pair.true], column[pair.found]))
    return Pairs(*(np.concatenate(side) for side in zip(*pairs, strict=True)))


def by_class(passages: Passages, gates: int) -> Floats:
    """How many of each class (gates, classes) passed."""
    table = np.zeros((gates, len(RoadUser)))
    np.add.at(table, (passages.gate, passages.kind), 1)
    return table


def score_passages(
    true: Passages, found: Passages, totals: Totals, *, tolerance: float
) -> GateScores:
    """Score what was counted at each gate.

    Parameters
    ----------
    true, found : Passages
        Those of gates that are not timed are not looked at in `true`.
    totals : Totals
        What is known of each gate.
    tolerance : float
        Difference of moments up to which two passages may be the same one. [s]
    """
    gates = len(totals.total)
    pairs = match(true, found, tolerance)
    gate = true.gate[pairs.true]
    table = by_class(found, gates)
    counted = table.sum(axis=1).astype(np.int64)
    matched = np.where(totals.timed, np.bincount(gate, minlength=gates), np.nan)
    apart = np.abs(table - totals.by_class).sum(axis=1)
    off = found.speed[pairs.found] - true.speed[pairs.true]
    both = np.isfinite(off)
    speeds = np.bincount(gate[both], minlength=gates)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0 is nan: nobody to be right about
        return GateScores(
            counted=counted,
            error=counted - totals.total,
            class_error=np.where(table[:, RoadUser.UNKNOWN] == 0, apart, np.nan),
            matched=matched,
            precision=matched / counted,
            recall=matched / totals.total,
            speeds=speeds,
            speed_bias=np.bincount(gate[both], off[both], gates) / speeds,
            speed_error=np.bincount(gate[both], np.abs(off[both]), gates) / speeds,
        )


class Overall(NamedTuple):
    """All gates together, as far as each is known."""

    true: float
    counted: float
    error: float  # sum over the gates of |counted minus true|: no gate makes up for another
    class_error: float
    matched: float
    precision: float
    recall: float
    speeds: int
    speed_bias: float  # [m/s]
    speed_error: float  # [m/s]


def overall(scores: GateScores, totals: Totals) -> Overall:
    """Sum up gates; nan where none is known, and for classes unless all are."""
    known, timed = np.isfinite(totals.total), totals.timed
    sure, met = scores.class_error[known], scores.speeds > 0
    matched = scores.matched[timed].sum() if timed.any() else np.nan
    speeds = int(scores.speeds.sum())
    weight = scores.speeds[met]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Overall(
            true=totals.total[known].sum() if known.any() else np.nan,
            counted=float(scores.counted[known].sum()) if known.any() else np.nan,
            error=np.abs(scores.error[known]).sum() if known.any() else np.nan,
            class_error=sure.sum() if known.any() else np.nan,
            matched=matched,
            precision=matched / scores.counted[timed].sum(),
            recall=matched / totals.total[timed].sum(),
            speeds=speeds,
            speed_bias=np.divide((weight * scores.speed_bias[met]).sum(), speeds),
            speed_error=np.divide((weight * scores.speed_error[met]).sum(), speeds),
        )


class Boxed(NamedTuple):
    """Boxes with the picture they are in and whose they are, in any order."""

    frame: Integers  # (n,)
    id: Integers  # (n,)
    box: Boxes  # (n, 4) [px]

    def ordered(self) -> Self:
        """Sort them by picture."""
        return self.pick(np.argsort(self.frame, kind="stable"))

    def pick(self, rows: Bools | Integers) -> Self:
        """Rows of it."""
        return type(self)(self.frame[rows], self.id[rows], self.box[rows])


class BoxScores(NamedTuple):
    """How well n annotated boxes were found, in each picture for itself and as tracks."""

    true: int
    found: int
    matched: int
    precision: float
    recall: float
    track_precision: float
    track_recall: float


def score_boxes(true: Boxed, found: Boxed, ignored: Boxed) -> BoxScores:
    """Score boxes one to one at an IoU of 0.5, and the tracks they make by identity [1]_.

    Each annotated identity is paired with at most one track, so that together they share the most
    boxes; those are what `track_precision` and `track_recall` (IDP and IDR) are shares of.

    Parameters
    ----------
    true, found : Boxed
        What was annotated; what the agent says.
    ignored : Boxed
        Whatever lies there is neither right nor wrong.

    References
    ----------
    .. [1] E. Ristani et al., "Performance measures and a data set for multi-target, multi-camera
       tracking," ECCV Workshops, 2016, pp. 17-35.
    """
    true, found, ignored = true.ordered(), found.ordered(), ignored.ordered()
    kept = np.ones(len(found.frame), bool)
    shared, matched = [np.zeros((0, 2), np.int64)], 0
    for frame in np.union1d(true.frame, found.frame):
        t, f, i = (_rows(side, frame) for side in (true, found, ignored))
        alike = iou(true.box[t], found.box[f])
        good = alike >= LEAST_IOU
        pairs = best_pairs(np.where(good, 1 - alike, np.inf))
        matched += len(pairs.true)
        beside: Bools = np.any(iou(found.box[f], ignored.box[i]) >= LEAST_IOU, axis=1)
        beside[pairs.found] = False
        kept[f] = ~beside
        row, column = np.nonzero(good & ~beside)
        shared.append(np.column_stack((true.id[t][row], found.id[f][column])))
    n, m = len(true.frame), int(kept.sum())
    together = _identified(np.concatenate(shared))
    return BoxScores(
        n, m, matched, _share(matched, m), _share(matched, n),
        _share(together, m), _share(together, n),
    )  # fmt: skip


class PlaceScores(NamedTuple):
    """How far places on the ground are from where they truly were."""

    pairs: int
    median: float  # [m]
    p95: float  # [m]


def score_places(true: Boxed, place: Floats, found: Boxed, seen: Floats) -> PlaceScores:
    """Score places of boxes that are paired in each picture at an IoU of 0.5.

    Parameters
    ----------
    true, place : Boxed, (n, 2) float
        What was annotated, and where it stood. [m]
    found, seen : Boxed, (m, 2) float
        What the agent says.
    """
    apart = [np.zeros(0)]
    for frame in np.intersect1d(true.frame, found.frame):
        t, f = np.flatnonzero(true.frame == frame), np.flatnonzero(found.frame == frame)
        alike = iou(true.box[t], found.box[f])
        pairs = best_pairs(np.where(alike >= LEAST_IOU, 1 - alike, np.inf))
        apart.append(np.hypot(*(seen[f[pairs.found]] - place[t[pairs.true]]).T))
    far = np.concatenate(apart)
    far = far[np.isfinite(far)]
    if not len(far):
        return PlaceScores(0, np.nan, np.nan)
    return PlaceScores(len(far), float(np.median(far)), float(np.percentile(far, 95)))


def _rows(boxed: Boxed, frame: int) -> slice:
    """Rows of one picture."""
    return slice(*np.searchsorted(boxed.frame, [frame, frame + 1]))


def _identified(shared: Integers) -> int:
    """Most boxes (k, 2: whose, which track) that one-to-one identities explain."""
    who, row = np.unique(shared[:, 0], return_inverse=True)
    track, column = np.unique(shared[:, 1], return_inverse=True)
    boxes = np.zeros((len(who), len(track)))
    np.add.at(boxes, (row, column), 1)
    pair = linear_sum_assignment(boxes, maximize=True)
    return int(boxes[pair].sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
