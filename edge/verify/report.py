"""What was found as a table, and as one JSON object. What is unknown says so, and is never 0."""

import math
from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

from contracts.classes import RoadUser
from edge.tables import empty_table
from edge.verify.command import Verified
from edge.verify.comparison import KM_H, Comparison
from edge.verify.scoring import BoxScores
from edge.vision.frames import Floats

UNKNOWN: Final = "unknown"


def tables(found: Verified) -> Iterator[str | Table]:
    """Yield what to print."""
    seen, c = found.replay, found.comparison
    dropped = f", {seen.dropped} of them dropped" if seen.dropped else ""
    frames = len(seen.number) + seen.dropped
    model = "no model" if found.camera.detector is None else f"model {found.camera.detector.name}"
    yield f"{found.clip.name}: {frames} frames{dropped}, {model}, {found.truth.name}"
    if c.gates:
        yield f"passages are matched if they are at most {found.tolerance:g} s apart"
        yield gate_table(c)
    if c.overall.speeds:
        yield speed_table(c)
    if c.boxes is not None:
        yield box_table(c.boxes)
    if c.places is not None:
        p = c.places
        yield f"position error of {p.pairs} boxes: {p.median:.2f} m median, {p.p95:.2f} m p95"
    yield from c.notes


def gate_table(c: Comparison) -> Table:
    """Show what was counted at each line and way, and all together."""
    names = ("true", "counted", "error", "by class", "matched", "precision", "recall")
    table = empty_table(("line", "way"), names)
    s, t, o = c.scores, c.totals, c.overall
    for i, gate in enumerate(c.gates):
        table.add_row(
            *gate, _whole(t.total[i]), _whole(s.counted[i]), _whole(s.error[i], "+"),
            _whole(s.class_error[i]), _whole(s.matched[i]),
            _share(s.precision[i]), _share(s.recall[i]),
        )  # fmt: skip
    table.add_row(
        "all", "", _whole(o.true), _whole(o.counted), _whole(o.error),
        _whole(o.class_error), _whole(o.matched), _share(o.precision), _share(o.recall),
    )  # fmt: skip
    return table


def speed_table(c: Comparison) -> Table:
    """Show how far measured speeds are off, on average with and without their signs."""
    table = empty_table(("line", "way"), ("speeds", "bias km/h", "error km/h"))
    s, o = c.scores, c.overall
    for gate, pairs, bias, error in zip(
        c.gates, s.speeds, s.speed_bias, s.speed_error, strict=True
    ):
        table.add_row(*gate, str(pairs), _speed(bias, "+"), _speed(error))
    table.add_row("all", "", str(o.speeds), _speed(o.speed_bias, "+"), _speed(o.speed_error))
    return table


def box_table(b: BoxScores) -> Table:
    """Show how well annotated boxes were found, and as tracks."""
    table = empty_table(("",), ("true", "found", "matched", "precision", "recall"))
    table.add_row("boxes", *map(str, b[:3]), _share(b.precision), _share(b.recall))
    table.add_row("tracks", "", "", "", _share(b.track_precision), _share(b.track_recall))
    return table


def as_document(found: Verified) -> dict[str, Any]:
    """Give the same for programs: null is unknown, and `notes` say why."""
    c = found.comparison
    o, boxes = c.overall, c.boxes
    return {
        "clip": str(found.clip),
        "truth": str(found.truth),
        "model": None if found.camera.detector is None else str(found.camera.detector),
        "frames": len(found.replay.number),
        "dropped": found.replay.dropped,
        "tolerance_s": found.tolerance,
        "true": _number(o.true),
        "counted": _number(o.counted),
        "count_error": _number(o.error),
        "class_error": _number(o.class_error),
        "matched": _number(o.matched),
        "precision": _number(o.precision),
        "recall": _number(o.recall),
        "speed": _speeds(o.speeds, o.speed_bias, o.speed_error),
        "gates": [_gate(c, i) for i in range(len(c.gates))],
        "boxes": None if boxes is None else {k: _number(v) for k, v in boxes._asdict().items()},
        "places": None
        if c.places is None
        else {
            "pairs": c.places.pairs,
            "median_error_m": _number(c.places.median),
            "p95_error_m": _number(c.places.p95),
        },
        "notes": c.notes,
    }


def _gate(c: Comparison, i: int) -> dict[str, Any]:
    s, t = c.scores, c.totals
    return {
        "line": c.gates[i][0],
        "direction": c.gates[i][1],
        "true": _number(t.total[i]),
        "counted": int(s.counted[i]),
        "count_error": _number(s.error[i]),
        "true_by_class": _classes(t.by_class[i]),
        "counted_by_class": _classes(c.by_class[i]),
        "class_error": _number(s.class_error[i]),
        "matched": _number(s.matched[i]),
        "precision": _number(s.precision[i]),
        "recall": _number(s.recall[i]),
        "speed": _speeds(s.speeds[i], s.speed_bias[i], s.speed_error[i]),
    }


def _speeds(pairs: int, bias: float, error: float) -> dict[str, Any]:
    return {
        "pairs": int(pairs),
        "bias_km_h": _number(bias * KM_H),
        "mean_absolute_error_km_h": _number(error * KM_H),
    }


def _classes(row: Floats) -> dict[str, int] | None:
    if math.isnan(row[0]):
        return None
    return {RoadUser(kind).name.lower(): int(n) for kind, n in enumerate(row) if n}


def _number(value: float) -> float | None:
    if math.isnan(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


def _whole(value: float, sign: str = "") -> str:
    return UNKNOWN if math.isnan(value) else format(int(value), f"{sign}d" if value else "d")


def _share(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:.3f}"


def _speed(value: float, sign: str = "") -> str:
    return UNKNOWN if math.isnan(value) else f"{value * KM_H:{sign}.1f}"
