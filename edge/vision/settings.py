"""What an installer may set of one camera's vision. Everything else follows from size and time."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from edge.vision.incidents.settings import IncidentSettings
from edge.vision.lens import LensSettings

Pixel = tuple[float, float]
"""x to the right, y down, from the image's top left. [px]"""


def _read_every(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and 1 <= value <= 100:  # noqa: PLR2004
        return value
    msg = 'not "auto", and no number of frames from 1 to 100'
    raise ValueError(msg)


DetectorEvery = Annotated[
    int | Literal["auto"],
    PlainValidator(
        _read_every, json_schema_input_type=Annotated[int, Field(ge=1, le=100)] | Literal["auto"]
    ),
]
"""One frame in so many, or as many as a budget allows: one message, not one for each kind."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LineSettings(_Part):
    """A line to count at. Looking from a to b on the picture, "in" is from left to right.

    An end on the border of the picture goes on beyond it.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    a: Pixel
    b: Pixel
    enters: Literal["in", "out"] | None = Field(
        None, description="a gate: passing it this way comes in, the other way goes out"
    )

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.a == self.b:
            msg = f"line {self.id!r}: a and b are both {self.a}; give two different points"
            raise ValueError(msg)
        return self


class ZoneSettings(_Part):
    """A polygon in which road users are counted while they stand there, and timed."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    corners: Annotated[list[Pixel], Field(min_length=3, max_length=100)]

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        x, y = zip(*self.corners, strict=True)
        after = [*self.corners[1:], self.corners[0]]
        if sum(a * w - b * v for a, b, (v, w) in zip(x, y, after, strict=True)) == 0:
            msg = f"zone {self.id!r}: its corners enclose nothing; give the corners in order"
            raise ValueError(msg)
        return self


class GroundPair(_Part):
    """A point of the picture and where it is on the ground."""

    image: Pixel
    ground: tuple[float, float]  # east and north of the site's origin [m]


class VisionSettings(_Part):
    """Vision of one camera."""

    detector: Path | None = Field(None, description="ONNX file; none: motion only")
    detector_sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="checksum that the detector's file must have"
    )
    detector_every: DetectorEvery = Field(
        "auto", description="ask the detector every n-th frame, or as often as the budget allows"
    )
    detector_share: float = Field(
        0.5, gt=0, le=16, description="share of a core that the detector may use on average"
    )
    detector_threads: int = Field(1, ge=1, le=16, description="threads of the detector")
    anchor: Literal["foot", "centre"] = Field(
        "foot", description="point of the box that is on the ground: foot, or centre from above"
    )
    lines: list[LineSettings] = []
    zones: list[ZoneSettings] = Field([], max_length=50)
    masks: list[Annotated[list[Pixel], Field(min_length=3)]] = Field(
        [], description="polygons that are never looked at and never shown"
    )
    ground: list[GroundPair] = Field([], description="none, or at least four, no three on a line")
    live: bool = Field(False, description="frames come in their own time, and must be kept up with")
    lens: LensSettings | None = Field(None, description="its distortion; none: it has none")
    longest_stop: float = Field(
        300.0, gt=0, le=3600, description="how long a standing road user is kept apart [s]"
    )
    incidents: IncidentSettings = IncidentSettings()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name, parts in (("line", self.lines), ("zone", self.zones)):
            ids = sorted(part.id for part in parts)
            if twice := [one for one, other in pairwise(ids) if one == other]:
                msg = f"{name}s: ids {twice} are used twice; give each {name} its own"
                raise ValueError(msg)
        zones, lines = {zone.id for zone in self.zones}, {line.id for line in self.lines}
        if unknown := self.incidents.unknown(zones, lines):
            raise ValueError(unknown)
        if 0 < len(self.ground) < 4:  # noqa: PLR2004
            msg = f"ground has {len(self.ground)} pairs; give at least four, or none"
            raise ValueError(msg)
        return self
