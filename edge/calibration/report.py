"""What a calibration is worth: errors of each pair, where it is vague, what to do about it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from edge.calibration.fit import JUDGED, Calibrated, Pairs, uncertainty
from edge.configuration.camera import Camera
from edge.vision.frames import Floats
from edge.vision.ground import CLICK, SURVEY, slender

SLENDER: Final = 0.12
"""Clouds of points more slender than this are nearly a line."""
VAGUE: Final = 0.5
"""Standard deviation on the ground from which a place is called vague. [m]"""
COARSE: Final = 4.0
"""Scale of errors from which the pairs themselves are called inexact."""
MANY: Final = 8


class Place(NamedTuple):
    """A point of the picture at which something is measured."""

    name: str
    image: tuple[float, float]  # [px]


class Located(NamedTuple):
    """How well it is known where a place is on the ground."""

    name: str
    sd: float  # [m], inf: at the horizon or beyond
    inside: bool  # between the points that were given


class Finding(NamedTuple):
    """Something to be warned of."""

    code: str
    values: dict[str, Any]

    @property
    def text(self) -> str:
        """In English; the page says it in its own language by the code."""
        return _TEXTS[self.code].format(**self.values)


_TEXTS: Final = {
    "exact": "four pairs fit whatever they are: their errors are unknown; give six or more",
    "unjudged": f"with fewer than {JUDGED} pairs a wrong one cannot be told; give more",
    "wrong": "pairs {pairs} do not agree with the others and are left out; measure them again",
    "coarse": "the pairs agree to {scale:.0f} times what is usual ({click} px, {survey} m) only; "
    "measure more exactly",
    "line": "the points lie nearly on a line: across it places are vague; give some beside it",
    "outside": "{names}: not between the points that were given; give some there",
    "vague": "{names}: known to {sd:.1f} m only; give points near",
    "bent": "the lens bends lines (k1 = {k1:+.2f}); without it the errors would be larger",
}


class Report(NamedTuple):
    """All of it."""

    pairs: Pairs
    found: Calibrated
    located: list[Located]
    findings: list[Finding]


def places_of(camera: Camera, size: tuple[int, int]) -> list[Place]:
    """Places of a camera, in pictures of this size [px], at which something is measured."""
    vision = camera.opened(*size).vision(*size)
    ends = [(f"line {line.id}", point) for line in vision.lines for point in (line.a, line.b)]
    corners = [(f"zone {zone.id}", corner) for zone in vision.zones for corner in zone.corners]
    return [Place(name, point) for name, point in ends + corners]


def report(
    pairs: Pairs, found: Calibrated, places: Sequence[Place], size: tuple[int, int]
) -> Report:
    """Judge a calibration for the places at which something is measured."""
    located = _locate(pairs, found, places, size)
    return Report(pairs, found, located, list(_findings(pairs, found, located)))


def _locate(
    pairs: Pairs, found: Calibrated, places: Sequence[Place], size: tuple[int, int]
) -> list[Located]:
    if not places:
        return []
    points = np.array([place.image for place in places], float)
    sd = uncertainty(found, pairs, points, size)
    hull = cv2.convexHull(pairs.image[found.kept].astype(np.float32))
    margin = 0.1 * float(np.hypot(*np.ptp(pairs.image[found.kept], axis=0)))
    worst: dict[str, Located] = {}
    for place, error in zip(places, sd, strict=True):
        away = cv2.pointPolygonTest(hull, (float(place.image[0]), float(place.image[1])), True)
        one = Located(place.name, float(error), away > -margin)
        before = worst.get(place.name, one)
        worst[place.name] = Located(
            place.name, max(one.sd, before.sd), one.inside and before.inside
        )
    return list(worst.values())


def _findings(pairs: Pairs, found: Calibrated, located: list[Located]) -> Iterator[Finding]:
    kept = int(found.kept.sum())
    if kept == 4:  # noqa: PLR2004  # as many numbers as a homography has
        yield Finding("exact", {})
    elif kept < JUDGED:
        yield Finding("unjudged", {})
    if kept < len(found.kept):
        wrong = ", ".join(str(row + 1) for row in np.flatnonzero(~found.kept))
        yield Finding("wrong", {"pairs": wrong})
    if found.scale >= COARSE:
        yield Finding("coarse", {"scale": found.scale, "click": CLICK, "survey": SURVEY})
    used = pairs.pick(found.kept)
    if min(slender(used.image), slender(used.ground)) < SLENDER:
        yield Finding("line", {})
    if found.bent and found.lens is not None:
        yield Finding("bent", {"k1": found.lens.k1})
    outside = [one for one in located if not one.inside]
    if outside:
        yield Finding("outside", {"names": _listed(one.name for one in outside)})
    vague = [one for one in located if one.sd > VAGUE]
    if vague:
        worst = max(one.sd for one in vague)
        yield Finding("vague", {"names": _listed(one.name for one in vague), "sd": worst})


def _listed(names: Iterator[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MANY} more" if len(every) > MANY else ""
    return ", ".join(every[:MANY]) + more


def lines(given: Report, image: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yield what to print; `image` has the points of the picture as the configuration has them."""
    pairs, found = given.pairs, given.found
    yield f"{len(found.kept)} pairs, {int(found.kept.sum())} of them used"
    yield "  pair        u        v          x          y   error m  error px   left out m  px"
    rows = zip(
        image, pairs.ground, _length(found.error), _length(found.error_px),
        found.left_out, found.left_out_px, found.kept, strict=True,
    )  # fmt: skip
    for number, ((u, v), (x, y), error, px, out, out_px, kept) in enumerate(rows, start=1):
        mark = "" if kept else "  does not agree"
        yield (
            f"{number:6d} {u:8g} {v:8g} {x:10.2f} {y:10.2f}  {_shown(error):>8}"
            f"  {_shown(px, 1):>8}     {_shown(out):>8}  {_shown(out_px, 1)}{mark}"
        )
    out = found.left_out[found.kept & np.isfinite(found.left_out)]
    if len(out):
        middle = f"{np.median(out):.2f} m (median), {out.max():.2f} m at worst"
        yield f"a point that is left out is found to {middle}"
    for place in given.located:
        where = "" if place.inside else ", outside the points"
        known = f"{place.sd:.2f} m" if np.isfinite(place.sd) else "not at all"
        yield f"{place.name}: known to {known}{where}"
    for finding in given.findings:
        yield f"note: {finding.text}"


def _length(error: Floats) -> Floats:
    return np.hypot(error[:, 0], error[:, 1])


def _shown(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "unknown"


def as_document(given: Report) -> dict[str, Any]:
    """Give the same for programs: null is unknown."""
    found = given.found
    columns = {
        "error_m": _length(found.error),
        "error_px": _length(found.error_px),
        "left_out_m": found.left_out,
        "left_out_px": found.left_out_px,
    }
    return {
        "pairs": [
            {
                "used": bool(found.kept[row]),
                **{name: _number(column[row]) for name, column in columns.items()},
            }
            for row in range(len(found.kept))
        ],
        "scale": _number(found.scale),
        "lens": None if found.lens is None else {"k1": found.lens.k1, "k2": found.lens.k2},
        "lens_found": found.bent,
        "places": [
            {"name": one.name, "sd_m": _number(one.sd), "inside": one.inside}
            for one in given.located
        ],
        "findings": [
            {"code": one.code, "values": one.values, "text": one.text} for one in given.findings
        ],
    }


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
