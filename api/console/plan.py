"""The site plan as SVG, and what the browser needs to draw the living on top of it."""

from math import atan2, degrees
from typing import Any, NamedTuple

from api.console.words import Words
from contracts.classes import SIZE, RoadUser
from contracts.site import Camera, LineRole, Point, Site

MARGIN = 6.0  # [m] around what matters
CYCLISTS = frozenset({RoadUser.BICYCLE, RoadUser.SCOOTER})


class View(NamedTuple):
    """Part of the ground that is always in view, in metres."""

    left: float
    top: float  # north
    width: float
    height: float

    @property
    def box(self) -> str:
        """As `viewBox`: SVG's y grows downwards, so north is negative."""
        return f"{self.left:g} {-self.top:g} {self.width:g} {self.height:g}"


def group_of(user: RoadUser) -> str:
    """Group that the console shows a road user in."""
    if user is RoadUser.PEDESTRIAN:
        return "pedestrians"
    return "cyclists" if user in CYCLISTS else "vehicles"


def view(site: Site) -> View:
    """Frame around everything that measures; around the drawing if nothing does."""
    points: list[Point] = [head.position for head in site.signals]
    points += [point for line in site.lines for point in (line.a, line.b)]
    points += [camera.position[:2] for camera in site.cameras]
    points += [point for crossing in site.crossings for point in crossing.area]
    if not points:
        points = [point for shape in site.shapes for point in shape.points] or [
            (-50, -50),
            (50, 50),
        ]
    east, north = [p[0] for p in points], [p[1] for p in points]
    left, right = min(east) - MARGIN, max(east) + MARGIN
    bottom, top = min(north) - MARGIN, max(north) + MARGIN
    return View(left, top, right - left, top - bottom)


def drawing(site: Site, words: Words) -> dict[str, Any]:
    """Shapes, lines, cameras and heads of the plan, for its template."""
    return {
        "shapes": [{"kind": each.kind, "points": _points(each.points)} for each in site.shapes],
        "lines": [
            {
                "id": line.id,
                "from": _flip(line.a),
                "to": _flip(line.b),
                "name": words.of(line.name.cs, line.name.en),
            }
            for line in site.lines
        ],
        "cameras": [
            {
                "at": _flip(camera.position[:2]),
                "turn": _turn(camera),
                "name": words.of(camera.name.cs, camera.name.en),
            }
            for camera in site.cameras
        ],
        "heads": [
            {
                "phase": head.phase,
                "kind": "pedestrian" if head.pedestrian else "vehicle",
                "at": _flip(head.position),
            }
            for head in site.signals
        ],
    }


def configuration(site: Site, words: Words) -> dict[str, Any]:
    """Tell the script in the browser what it needs."""
    return {
        "site": f"{site.pilot}/{site.id}",
        "counted": counted_lines(site),
        "groups": {user.name.lower(): group_of(user) for user in RoadUser},
        "sizes": {user.name.lower(): size for user, size in SIZE.items()},
        "words": {
            f"signal.{shows}": words(f"signal.{shows}")
            for shows in ("green", "yellow", "red", "walk", "change", "stop", "unknown")
        }
        | {f"page.{key}": words(f"page.{key}") for key in ("live", "connecting", "lost", "stale")},
        "no_line": words("live.no_line"),
        "purpose": words("camera.purpose"),
        "locale": "cs-CZ" if words.language == "cs" else "en-GB",
    }


def counted_lines(site: Site) -> dict[str, list[str]]:
    """Lines at which each group is counted, so chosen that nobody is counted twice.

    Who drives passes a stop or entry line and later an exit: only one role counts.
    """
    by_role = {role: [line.id for line in site.lines if line.role == role] for role in LineRole}
    driven = next(
        (by_role[r] for r in (LineRole.STOP, LineRole.ENTRY, LineRole.EXIT) if by_role[r]), []
    )
    crossed = by_role[LineRole.CROSSING]
    return {"vehicles": driven, "cyclists": driven + crossed, "pedestrians": crossed}


def _points(points: list[Point]) -> str:
    return " ".join(f"{x:g},{-y:g}" for x, y in points)


def _flip(point: Point) -> Point:
    return point[0], -point[1]


def _turn(camera: Camera) -> float:
    """Degrees clockwise from east, as SVG turns."""
    east = camera.target[0] - camera.position[0]
    north = camera.target[1] - camera.position[1]
    return round(-degrees(atan2(north, east)), 1)
