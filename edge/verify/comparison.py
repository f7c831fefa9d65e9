"""What the agent saw in a clip against what was true of it."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from contracts.classes import SIZE, RoadUser
from contracts.clock import MICROSECONDS
from edge.errors import TruthError
from edge.verify.passing import passed
from edge.verify.replay import Replay
from edge.verify.scoring import (
    Boxed,
    BoxScores,
    GateScores,
    Overall,
    Passages,
    PlaceScores,
    Totals,
    by_class,
    overall,
    score_boxes,
    score_passages,
    score_places,
)
from edge.verify.truth import Annotations, Counted, kind_of
from edge.vision.boxes import centre, clip, foot, size
from edge.vision.counting import Line
from edge.vision.frames import Floats

KM_H: Final = 3.6
"""One metre a second. [km/h]"""
DIRECTIONS: Final = ("in", "out")
WHOLE: Final = 0.95
"""Share of its stated time, less a second, from which a clip is whole: some only estimate it. The
same share of its frames must be annotated."""
PEDESTRIAN_DEPTH: Final = SIZE[RoadUser.PEDESTRIAN][1]
"""Of what is annotated. [m]"""
Place = tuple[str, str]
"""Line and direction."""


class Comparison(NamedTuple):
    """Everything that can be said of a clip and its truth."""

    gates: list[Place]
    totals: Totals
    scores: GateScores
    by_class: Floats  # (G, classes) as counted
    overall: Overall
    boxes: BoxScores | None
    places: PlaceScores | None
    notes: list[str]  # what is unknown or not judged, and why


class _Truth(NamedTuple):
    passages: Passages
    totals: Totals


def compare(
    truth: Counted | Annotations, seen: Replay, path: Path, *, anchor: str, tolerance: float
) -> Comparison:
    """Score what the agent saw.

    Parameters
    ----------
    truth, path
        What is true of the clip, and the file that says so.
    seen
        What the agent saw.
    anchor
        Point of a box that passes a line: `foot` or `centre`.
    tolerance
        Difference of moments up to which two passages may be the same one. [s]

    Raises
    ------
    TruthError
        If the truth is of another clip: it goes on after this one's end.
    """
    gates = list(product((line.id for line in seen.lines), DIRECTIONS))
    notes, boxes, places = _ending(seen), None, None
    if isinstance(truth, Counted):
        _check_moments(truth, seen, path)
        true = _counted(truth, gates, seen)
    else:
        _check_frames(truth, seen, path)
        true = _annotated(truth.boxes, gates, seen, anchor)
        judged = {RoadUser.UNKNOWN, *truth.kinds}
        annotated = np.isin(seen.kind, list(judged))
        boxes = score_boxes(truth.boxes, seen.boxes.pick(annotated), truth.ignored)
        if truth.place is not None and np.isfinite(seen.place).any():
            # annotated are feet; the agent says where the middle is
            foot_point = seen.place - PEDESTRIAN_DEPTH / 2 * seen.away * (anchor == "foot")
            places = score_places(
                truth.boxes, truth.place,
                seen.boxes.pick(annotated), foot_point[annotated],
            )  # fmt: skip
        if others := int((~annotated).sum()):
            names = ", ".join(kind.name.lower() for kind in sorted(truth.kinds))
            notes += [f"{others} boxes of other classes are not judged: annotated are {names}"]
        notes += _unannotated(truth, seen)
        seen = seen._replace(crossings=[c for c in seen.crossings if c.kind in judged])
    found = _found(seen, gates)
    scores = score_passages(true.passages, found, true.totals, tolerance=tolerance)
    table = by_class(found, len(gates))
    notes += _unknown(gates, true, scores, table, found)
    return Comparison(
        gates, true.totals, scores, table, overall(scores, true.totals), boxes, places, notes
    )


def _ending(seen: Replay) -> list[str]:
    """Say that a clip breaks off: what would come after is not seen, which is not nobody."""
    if seen.lasted > WHOLE * seen.stated - 1:
        return []
    said, end = f"{seen.stated:.1f} s", f"{seen.lasted:.1f} s"
    return [f"the clip says it lasts {said}, its last picture is at {end}; is the file whole?"]


def _unannotated(truth: Annotations, seen: Replay) -> list[str]:
    """Say that a clip goes on after what was annotated: whoever comes then seems to be invented."""
    end, last = int(seen.number[-1]), truth.last[0]
    if last >= WHOLE * end:
        return []
    return [
        f"annotated are frames up to {last + 1} of {end + 1}; who is found later counts as invented"
    ]


def _check_moments(truth: Counted, seen: Replay, path: Path) -> None:
    last = int(seen.number[-1])
    end = float(seen.moment(np.array([last]))[0])
    for number, passage in enumerate(truth.passages):
        for key, value, most in (("frame", passage.frame, last), ("time_s", passage.time_s, end)):
            if value is not None and value > most:
                msg = (
                    f"{path}: passages.{number}.{key} is {value:g}: the clip's last is {most:g}; "
                    "correct it, or give the clip that was counted"
                )
                raise TruthError(msg)


def _check_frames(truth: Annotations, seen: Replay, path: Path) -> None:
    frame, row = truth.last
    if frame > seen.number[-1]:
        msg = (
            f"{path}:{row}: frame {frame + 1}: the clip has {seen.number[-1] + 1}; "
            "give the clip that was annotated"
        )
        raise TruthError(msg)


def _found(seen: Replay, gates: Sequence[Place]) -> Passages:
    index = {gate: number for number, gate in enumerate(gates)}
    moments = [(c.captured - int(seen.captured[0])) / MICROSECONDS for c in seen.crossings]
    return Passages(
        np.array([index[c.line, c.direction] for c in seen.crossings], np.int64),
        np.array(moments, float),
        np.array([c.kind for c in seen.crossings], np.uint8),
        np.array([c.speed for c in seen.crossings], float),
    )


def _counted(truth: Counted, gates: Sequence[Place], seen: Replay) -> _Truth:
    index = {gate: number for number, gate in enumerate(gates)}
    rows = truth.passages
    frames = seen.moment(np.array([np.nan if p.frame is None else p.frame for p in rows]))
    times = np.array([np.nan if p.time_s is None else p.time_s for p in rows])
    speeds = [np.nan if p.speed_km_h is None else p.speed_km_h for p in rows]
    passages = Passages(
        np.array([index[p.line, p.direction] for p in rows], np.int64),
        np.where(np.isnan(times), frames, times),
        np.array([kind_of(p.kind) for p in rows], np.uint8),
        np.array(speeds, float) / KM_H,
    )
    totals = _listed(passages, [line in {p.line for p in rows} for line, _ in gates])
    for total in truth.totals:
        gate = index[total.line, total.direction]
        totals.total[gate] = total.count
        if total.classes is not None:
            totals.by_class[gate] = 0
            for name, count in total.classes.items():
                totals.by_class[gate, kind_of(name)] = count
    return _Truth(passages, totals)


def _listed(passages: Passages, listed: list[bool]) -> Totals:
    """Totals of gates whose passages are all listed; of the others nothing is known."""
    timed = np.array(listed, bool)
    table = by_class(passages, len(timed))
    count = np.where(timed, table.sum(axis=1), np.nan)
    named = timed & (table[:, RoadUser.UNKNOWN] == 0)
    return Totals(count, np.where(named[:, None], table, np.nan), timed)


def _annotated(boxes: Boxed, gates: Sequence[Place], seen: Replay, anchor: str) -> _Truth:
    """Passages of annotated boxes, at the lines and by the points that the agent counts at."""
    point = foot(boxes.box) if anchor == "foot" else centre(boxes.box)
    extent = size(clip(boxes.box, seen.width, seen.height))
    moments = seen.moment(boxes.frame.astype(float))
    gate, moment = [np.zeros(0, np.int64)], [np.zeros(0)]
    for line in seen.lines:
        whole = Line(line.id, line.a, line.b).beyond_borders(seen.width, seen.height)
        found = passed(boxes.id, moments, point, extent, whole)
        inward, outward = (gates.index((line.id, way)) for way in DIRECTIONS)
        gate.append(np.where(found.inward, inward, outward))
        moment.append(found.moment)
    n = sum(map(len, gate))
    passages = Passages(
        np.concatenate(gate), np.concatenate(moment), np.zeros(n, np.uint8), np.full(n, np.nan)
    )
    return _Truth(passages, _listed(passages, [True] * len(gates)))


def _unknown(
    gates: Sequence[Place], true: _Truth, scores: GateScores, table: Floats, found: Passages
) -> list[str]:
    """Say what is unknown, and what would help."""
    if not gates:
        return ["passages are unknown: there is no line; give --config with [[camera.lines]]"]
    notes = []
    totals = true.totals
    silent = [" ".join(gates[i]) for i in np.flatnonzero(np.isnan(totals.total)).tolist()]
    if silent:
        notes.append(f"count error of {', '.join(silent)} is unknown: the truth does not say")
    if (np.isfinite(totals.total) & ~totals.timed).any():
        notes.append("precision and recall are unknown where totals alone are given: list passages")
    if (nameless := int(table[:, RoadUser.UNKNOWN].sum())) and np.isfinite(totals.by_class).any():
        notes.append(
            f"error by class is unknown: {nameless} of {len(found.gate)} counted have no class; "
            "a --model or a calibrated camera gives one"
        )
    elif np.isnan(totals.by_class).any():
        notes.append("error by class is unknown where the truth gives no classes")
    if not np.isfinite(true.passages.speed).any():
        notes.append("speed error is unknown: the truth has no speeds")
    elif not np.isfinite(found.speed).any():
        notes.append("speed error is unknown: that takes --config with camera.calibration")
    elif not scores.speeds.any():
        notes.append("speed error is unknown: no passage that was matched has both speeds")
    return notes
