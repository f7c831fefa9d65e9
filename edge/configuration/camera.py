"""Configuration of the camera: what its own process is told, too.

So nothing is imported here that only the agent needs.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    SecretStr,
    ValidationError,
    field_serializer,
    model_validator,
)

from edge.configuration.drawing import DrawnOn, in_pixels, misplaced
from edge.network_keys import check_network
from edge.vision.frames import Integers
from edge.vision.incidents.settings import IncidentSettings
from edge.vision.lens import LensSettings
from edge.vision.settings import (
    DetectorEvery,
    GroundPair,
    LineSettings,
    Pixel,
    VisionSettings,
    ZoneSettings,
)

Positive = Annotated[float, Field(gt=0)]

FOR_CHILD: Final = "child"
"""Context in which a password is written out."""


class Camera(BaseModel):
    """The one camera of the agent and what is to be seen on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1, description="file, folder of pictures, URL or usb:N")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="of RTSP: TCP loses no packets, UDP is a little faster"
    )
    ca: Path | None = Field(None, description="certificates to verify rtsps:// and https:// by")
    user: str | None = Field(None, min_length=1)
    password: SecretStr | None = None
    profile: str | None = Field(None, description="of an ONVIF camera: its name or token")
    events: bool = Field(False, description="of an ONVIF camera: what it says that happens, too")
    clock: Literal["pts", "arrival", "rtcp"] = "arrival"
    start: AwareDatetime | None = None
    pace: Literal["realtime", "fast"] = "realtime"
    pictures_per_s: Positive | None = Field(
        None, description="of a folder; else each picture has a time of its own"
    )
    grows: bool = Field(False, description="a folder: only what comes into it is looked at")
    lost_after_s: Positive = 10.0
    drawn_on: DrawnOn = None
    calibration: list[tuple[float, float, float, float]] = []
    lens: LensSettings | None = None
    detector: Path | None = None
    detector_sha256: str | None = None
    detector_every: DetectorEvery = "auto"
    detector_share: float = 0.5
    detector_threads: int = 1
    anchor: Literal["foot", "centre"] = "foot"
    masks: list[list[Pixel]] = []
    lines: list[LineSettings] = []
    zones: list[ZoneSettings] = []
    longest_stop_s: float = 300.0
    incidents: IncidentSettings = IncidentSettings()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.start and self.clock == "pts":
            msg = 'start: clock = "pts" needs none; remove one of them'
            raise ValueError(msg)
        check_network(self)  # ValueError
        if self.grows and (self.pictures_per_s or self.start):
            msg = "grows: pictures that come have times of their own; no pictures_per_s, no start"
            raise ValueError(msg)
        if errors := misplaced(self._drawn, self.drawn_on):
            raise ValidationError.from_exception_data("Camera", errors)
        return self

    def vision(self, width: int, height: int) -> VisionSettings:
        """Tell the vision what it needs for pictures of this size [px]."""
        return in_pixels(self._drawn, self.drawn_on, width, height)

    def masks_at(self, width: int, height: int) -> list[Integers]:
        """Polygons (k, 2) that nobody may see, in pictures of this size [px]."""
        masks = self.vision(width, height).masks
        return [np.round(mask).astype(np.int64) for mask in masks]

    def opened(self, width: int, height: int) -> Self:
        """Settle that the pixels of its stream are those of this size [px]."""
        if self.drawn_on != "stream":
            return self
        return self.model_copy(update={"drawn_on": (width, height)})

    @property
    def _drawn(self) -> VisionSettings:
        """What the vision is told, with coordinates as they are written."""
        return VisionSettings(
            detector=self.detector,
            detector_sha256=self.detector_sha256,
            detector_every=self.detector_every,
            detector_share=self.detector_share,
            detector_threads=self.detector_threads,
            anchor=self.anchor,
            lines=self.lines,
            zones=self.zones,
            masks=self.masks,
            ground=[GroundPair(image=(u, v), ground=(x, y)) for u, v, x, y in self.calibration],
            lens=self.lens,
            longest_stop=self.longest_stop_s,
            live=self.pace == "realtime" or not self.is_file,
            incidents=self.incidents,
        )

    @field_serializer("password", when_used="json-unless-none")
    def _hide(self, password: SecretStr, info: FieldSerializationInfo) -> str:
        """Tell the password to the camera's own process only."""
        return password.get_secret_value() if info.context == FOR_CHILD else str(password)

    def for_child(self) -> str:
        """Return the configuration as JSON, with the password: for the camera's own process."""
        return self.model_dump_json(context=FOR_CHILD)

    @property
    def shown(self) -> str:
        """The source without its password and its query: what may be logged."""
        scheme, mark, place = self.source.partition("://")
        if not mark:
            return self.source
        account, at, place = place.rpartition("@")
        user, colon, _ = account.partition(":")
        place, query, _ = place.partition("?")
        return f"{scheme}://{user}{colon and ':***'}{at}{place}{query and '?***'}"

    @property
    def is_file(self) -> bool:
        """Whether the source is a recording, not something live."""
        return self.is_path and not self.grows

    @property
    def is_path(self) -> bool:
        """Whether the source is a file or folder."""
        return "://" not in self.source and not self.source.startswith("usb:")
