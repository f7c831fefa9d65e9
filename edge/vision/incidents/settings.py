"""What an installer may set of each kind of incident. Zones and lines are those of the camera."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.vision.incidents.machine import Timing

Seconds = Annotated[float, Field(ge=0, le=3600)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    after_s: Seconds
    clear_s: Seconds
    cool_down_s: Seconds

    @property
    def timing(self) -> Timing:
        """How long conditions must hold, or not hold."""
        return Timing(after=self.after_s, clear=self.clear_s, cool=self.cool_down_s)


class StoppedSettings(_Kind):
    """A vehicle that came by itself and stands on a carriageway, not in a queue, not parked."""

    zone: Id = Field(description="the carriageway")
    parking: list[Id] = Field([], description="zones in which vehicles may stand")
    after_s: Seconds = Field(10.0, description="it stands for so long")
    clear_s: Seconds = Field(2.0, description="it is over when it has not stood for so long")
    cool_down_s: Seconds = Field(30.0, description="in the same place nothing is said for so long")
    pace: float = Field(0.15, gt=0, le=1, description="slower is standing [own sizes / s]")
    queue_gap: float = Field(
        1.5, gt=0, description="with another that stands so near it is a queue [own sizes]"
    )
    queue_s: Seconds = Field(180.0, description="which explains it no longer than this")
    parked_s: Seconds = Field(300.0, description="who stood for so long was parked, not stopped")
    parked_twice: int = Field(
        2, ge=1, le=100, description="a place where so many were parked is a parking place"
    )


class WrongWaySettings(_Kind):
    """A road user that goes against the way that a line states."""

    line: Id = Field(description="its direction is the way, or not")
    way: Literal["in", "out"] = Field(description="direction of the line that is right")
    zone: Id | None = Field(None, description="where it holds; everywhere if not given")
    after_s: Seconds = Field(0.5, description="it goes against the way for so long")
    clear_s: Seconds = Field(2.0, description="it is over when nobody has for so long")
    cool_down_s: Seconds = Field(10.0, description="of the same road user nothing is said")
    sizes: float = Field(1.0, ge=0.2, le=20, description="way made against [own sizes]")
    metres: float = Field(2.0, ge=0, description="and, where the ground is known [m]")


class PedestrianSettings(_Kind):
    """A pedestrian on a carriageway, not on a crossing."""

    zone: Id = Field(description="the carriageway")
    crossings: list[Id] = Field([], description="zones in which pedestrians may be")
    after_s: Seconds = Field(1.0, description="for so long")
    clear_s: Seconds = Field(3.0, description="it is over when nobody has been for so long")
    cool_down_s: Seconds = Field(10.0, description="nothing is said of the same zone")


class QueueSettings(_Kind):
    """A queue that reaches the upstream end of its zone."""

    zone: Id = Field(description="where the queue stands")
    upstream: Id = Field(description="line at the end where vehicles come in")
    after_s: Seconds = Field(10.0, description="it reaches the line for so long")
    clear_s: Seconds = Field(5.0, description="it is over when it has not for so long")
    cool_down_s: Seconds = Field(60.0, description="nothing is said of the same zone")
    pace: float = Field(0.3, gt=0, le=2, description="slower is queued [own sizes / s]")
    vehicles: int = Field(3, ge=2, le=100, description="that are queued, at least")
    reach: float = Field(1.0, gt=0, le=5, description="distance to the line [own sizes]")


class HealthSettings(_Kind):
    """A camera that is dark, covered, out of focus, or moved."""

    enabled: bool = True
    after_s: Seconds = Field(10.0, description="for so long")
    clear_s: Seconds = Field(5.0, description="it is over when it has not been for so long")
    cool_down_s: Seconds = Field(60.0, description="nothing is said of the same fault")
    dark_mean: float = Field(25.0, ge=0, le=255, description="a dark picture's mean [grey levels]")
    dark_spread: float = Field(
        8.0, ge=0, le=128, description="and its standard deviation: a lamp makes more [grey levels]"
    )
    kept: float = Field(
        0.35, gt=0, lt=1, description="share of the learnt edges below which the view is lost"
    )
    sharpness: float = Field(
        0.4, gt=0, lt=1, description="of the learnt sharpness below which it is out of focus"
    )
    shift: float = Field(0.03, gt=0, lt=0.5, description="of the picture's width: it was moved")
    learn_s: Seconds = Field(5.0, description="time in which the view is learnt at the start")
    relearn_s: Seconds = Field(60.0, description="a moved view is the new one after this")


class IncidentSettings(BaseModel):
    """Incidents of one camera; none but its own health where no zone is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stopped: list[StoppedSettings] = Field([], max_length=20)
    wrong_way: list[WrongWaySettings] = Field([], max_length=20)
    pedestrian: list[PedestrianSettings] = Field([], max_length=20)
    queue: list[QueueSettings] = Field([], max_length=20)
    health: HealthSettings = HealthSettings()

    def unknown(self, zones: set[str], lines: set[str]) -> str:
        """Say which zone or line is named and not there; empty if all are."""
        named_zones = [
            *(id_ for s in self.stopped for id_ in (s.zone, *s.parking)),
            *(s.zone for s in self.wrong_way if s.zone is not None),
            *(id_ for s in self.pedestrian for id_ in (s.zone, *s.crossings)),
            *(s.zone for s in self.queue),
        ]
        named_lines = [*(s.line for s in self.wrong_way), *(s.upstream for s in self.queue)]
        for what, named, known in (("zone", named_zones, zones), ("line", named_lines, lines)):
            if missing := sorted(set(named) - known):
                return f"incidents: no {what} {missing[0]!r}, only {sorted(known)}"
        return ""
