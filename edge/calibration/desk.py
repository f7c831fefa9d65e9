"""What the page asks for, in numbers: fits while somebody clicks, and the block in the end."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from contracts.site import Site
from edge.calibration.block import Drawn, block_of, pasted, write
from edge.calibration.command import fitted, own_pairs
from edge.calibration.coordinates import in_pixels, written
from edge.calibration.edit import SHAPES
from edge.calibration.fit import Calibrated, Pairs
from edge.calibration.places import metres
from edge.calibration.read import MOST, CalibrationError
from edge.calibration.report import Place, as_document, report
from edge.configuration.camera import Camera
from edge.vision.frames import Bools, Floats
from edge.vision.ground import FEWEST_PAIRS

GRID_LINES: Final = 24
"""At most so many lines each way."""
STEPS: Final = 60  # points of a line: lenses bend it
Number = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Number, Number]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mark(_Table):
    """A pair, as clicked."""

    image: Point  # [px]
    ground: Point | None = None  # [m]
    lonlat: Point | None = None  # [deg]


class Shape(_Table):
    """A line, zone or mask, as drawn."""

    kind: Literal["line", "zone", "mask"]
    id: str = Field(max_length=63)
    points: list[Point] = Field(min_length=2, max_length=100)


class Work(_Table):
    """What was clicked so far."""

    pairs: list[Mark] = Field([], max_length=MOST)
    drawn: list[Shape] = Field([], max_length=MOST)
    thorough: bool = True  # look for the lens, too


class Desk:
    """Answers of one camera's page."""

    def __init__(
        self, path: Path, camera: Camera, size: tuple[int, int], *,
        origin: tuple[float, float] | None, plan: Site | None, save: bool,
    ) -> None:  # fmt: skip
        self._path, self._camera, self.size = path, camera, size
        self._origin, self._plan, self._save = origin, plan, save
        self._shown = {
            *(("lines", line.id) for line in camera.lines),
            *(("zones", zone.id) for zone in camera.zones),
            *(("masks", "") for _ in camera.masks),
        }  # what the page had or has got, and may delete: the rest of the file is not its own
        self._one = threading.Lock()  # fits are heavy; a phone that asks twice waits

    def begin(self) -> dict[str, Any]:
        """Say what the configuration has."""
        own = own_pairs(self._camera, self.size)
        vision = self._camera.opened(*self.size).vision(*self.size)
        shapes = [
            *(("line", line.id, [line.a, line.b]) for line in vision.lines),
            *(("zone", zone.id, zone.corners) for zone in vision.zones),
            *(("mask", "", mask) for mask in vision.masks),
        ]
        return {
            "size": self.size,
            "pairs": [
                {"image": image, "ground": ground}
                for image, ground in zip(own.image.tolist(), own.ground.tolist(), strict=True)
            ],
            "drawn": [{"kind": kind, "id": name, "points": p} for kind, name, p in shapes],
            "geographic": self._origin is not None,
            "plan": [] if self._plan is None else [s.model_dump() for s in self._plan.shapes],
            "save": self._save,
        }

    def fit(self, work: Work) -> dict[str, Any]:
        """Fit what was clicked so far; null where that is not enough."""
        rows = [row for row, mark in enumerate(work.pairs) if mark.ground or mark.lonlat]
        if len(rows) < FEWEST_PAIRS:
            return {"rows": rows, "missing": FEWEST_PAIRS - len(rows)}
        with self._one:
            pairs = self._pairs(work)
            found = fitted(pairs, self.size, self._camera, seek=work.thorough)
            places = [
                Place(f"{shape.kind} {shape.id}", point)
                for shape in work.drawn
                if shape.kind != "mask"
                for point in shape.points
            ]
            said = as_document(report(pairs, found, places, self.size))
        return said | {"rows": rows, "missing": 0, "grid": grid(found, pairs, self.size)}

    def finish(self, work: Work) -> dict[str, Any]:
        """Give the block, and write it if that was allowed."""
        pairs = found = None
        if len([mark for mark in work.pairs if mark.ground or mark.lonlat]) >= FEWEST_PAIRS:
            with self._one:
                pairs = self._pairs(work)
                found = fitted(pairs, self.size, self._camera)
        names = [(shape.kind, shape.id) for shape in work.drawn if shape.kind != "mask"]
        if twice := [name for name in names if names.count(name) > 1]:
            msg = f"there is more than one {' '.join(twice[0])}: give each a name of its own"
            raise CalibrationError(msg)
        drawn = [Drawn(shape.kind, shape.id, shape.points) for shape in work.drawn]
        block = block_of(pairs, found, drawn, self.size, self._camera.drawn_on)
        shown = {(f"{shape.kind}s", shape.id) for shape in work.drawn}
        lines, zones = ({id_ for key, id_ in shown if key == kind} for kind in SHAPES)
        if unknown := self._camera.incidents.unknown(zones, lines):
            msg = f"{self._path}: {unknown}: draw it, or take it out of camera.incidents"
            raise CalibrationError(msg)
        gone = self._shown - shown
        said = write(self._path, block, self._camera.drawn_on, gone) if self._save else ""
        self._shown |= shown
        return {"block": pasted(self._path, block, gone), "said": said}

    def _pairs(self, work: Work) -> Pairs:
        image, ground = [], []
        for mark in work.pairs:
            if mark.ground is not None:
                image.append(mark.image)
                ground.append(mark.ground)
            elif mark.lonlat is not None:
                if self._origin is None:
                    msg = "lon, lat: metres from where? start with --origin or --site"
                    raise CalibrationError(msg)
                image.append(mark.image)
                east, north = metres(np.array([mark.lonlat]), self._origin)[0]
                ground.append((float(east), float(north)))
        drawn_on = self._camera.drawn_on
        # as the configuration will have them, so that what is shown is what comes of it
        rounded = in_pixels(written(image, self.size, drawn_on), self.size, drawn_on)
        return Pairs(rounded, np.array(ground, float))


def grid(found: Calibrated, pairs: Pairs, size: tuple[int, int]) -> dict[str, Any]:
    """Lines on the ground, whole metres apart, as the picture shows them.

    They reach half as far again as the points that were given.
    """
    ground = pairs.ground[found.kept]
    low, high = ground.min(axis=0), ground.max(axis=0)
    low, high = low - (high - low) / 2, high + (high - low) / 2
    wide = float((high - low).max()) / GRID_LINES
    apart = next((m for m in (1, 2, 5, 10, 20, 50, 100, 200, 500) if m >= wide), 1000)
    first, last = np.ceil(low / apart) * apart, np.floor(high / apart) * apart
    lines = []
    for axis in (0, 1):
        along = np.linspace(low[1 - axis], high[1 - axis], STEPS)
        for place in np.arange(first[axis], last[axis] + apart / 2, apart):
            points = np.empty((STEPS, 2))
            points[:, axis], points[:, 1 - axis] = place, along
            lines += list(_seen(found.ground.image(points), size))
    return {"apart_m": apart, "lines": lines}


def _seen(points: Floats, size: tuple[int, int]) -> Iterator[list[list[float]]]:
    """Parts of a line (n, 2) [px] that are in the picture, or nearly."""
    limit = np.array(size, float)
    with np.errstate(invalid="ignore"):
        inside: Bools = np.all((points > -limit / 4) & (points < limit * 1.25), axis=1)
    part: list[list[float]] = []
    for point, shown in zip(points, inside, strict=True):
        if shown:
            part.append([round(float(point[0]), 1), round(float(point[1]), 1)])
        elif len(part) > 1:
            yield part
            part = []
        else:
            part = []
    if len(part) > 1:
        yield part
