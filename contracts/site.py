"""Site plan: what stands where. A pilot's `site.toml`, read by simulators, analytics and API."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

Point = tuple[FiniteFloat, FiniteFloat]
"""East and north of the site's origin. [m]"""

Polygon = Annotated[list[Point], Field(min_length=3)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class SiteError(ValueError):
    """A site plan cannot be used; the text names file, key and fault."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Name(_Part):
    """What people call it."""

    cs: str
    en: str


class LineRole(StrEnum):
    """What passing the line means."""

    STOP = "stop"  # at a signalised approach: passing it on red is red-light running
    ENTRY = "entry"
    EXIT = "exit"
    CROSSING = "crossing"  # across a pedestrian crossing or a cycle path


class Approach(_Part):
    """One arm of the junction, towards it."""

    id: Slug
    name: Name
    area: Polygon  # the lanes upstream of the stop line: where queues stand
    stop_line: tuple[Point, Point]
    phase: int | None = None  # signal phase that lets it go
    lanes: int = 1


class Crossing(_Part):
    """Where pedestrians cross the carriageway."""

    id: Slug
    name: Name
    area: Polygon
    phase: int | None = None


class CountLine(_Part):
    """Line at which one device counts; `in` is from the left of a->b to its right."""

    id: Slug
    name: Name
    device: Slug
    role: LineRole
    a: Point
    b: Point
    approach: Slug | None = None


class Camera(_Part):
    """Pose of a camera: where it hangs and what it looks at."""

    device: Slug
    name: Name
    position: tuple[FiniteFloat, FiniteFloat, FiniteFloat]  # [m]
    target: tuple[FiniteFloat, FiniteFloat, FiniteFloat]  # [m]
    fov_deg: float = Field(gt=1, lt=170)  # horizontal
    width: int = Field(gt=0)  # [px]
    height: int = Field(gt=0)  # [px]
    fps: float = Field(gt=0)


class SignalHead(_Part):
    """A head to show on the plan."""

    phase: int
    position: Point
    pedestrian: bool = False


class Shape(_Part):
    """What the plan draws, in the order of the file."""

    kind: str = Field(pattern="^(ground|sidewalk|carriageway|crossing|marking|cycleway|building)$")
    points: Polygon


class Site(_Part):
    """One place with its devices."""

    id: Slug
    pilot: Slug
    name: Name
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    speed_limit_km_h: float = Field(gt=0)
    approaches: list[Approach] = []
    crossings: list[Crossing] = []
    lines: list[CountLine] = []
    cameras: list[Camera] = []
    signals: list[SignalHead] = []
    signal_device: Slug | None = None  # the device that reports the controller's events
    shapes: list[Shape] = []

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for parts in (self.approaches, self.crossings, self.lines):
            ids = [part.id for part in parts]
            if twice := sorted({i for i in ids if ids.count(i) > 1}):
                msg = f"ids are used twice: {twice}"
                raise ValueError(msg)
        approaches = {approach.id for approach in self.approaches}
        for line in self.lines:
            if line.approach is not None and line.approach not in approaches:
                msg = f"line {line.id!r}: no approach {line.approach!r}, only {sorted(approaches)}"
                raise ValueError(msg)
            if line.a == line.b:
                msg = f"line {line.id!r} begins and ends at {line.a}: nothing can pass it"
                raise ValueError(msg)
        return self

    @property
    def devices(self) -> list[str]:
        """Every device that the plan names, sorted."""
        named = {c.device for c in self.cameras} | {x.device for x in self.lines}
        return sorted(named | ({self.signal_device} if self.signal_device else set()))


def read_site(path: Path) -> Site:
    """Read a site plan.

    Raises
    ------
    SiteError
        If the file is missing, is no TOML or does not say what a plan must say.
    """
    try:
        return Site.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as fault:
        msg = f"{path}: cannot be read ({fault.strerror}); give the path of a site.toml"
        raise SiteError(msg) from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as fault:
        msg = f"{path}: {fault}"
        raise SiteError(msg) from fault
