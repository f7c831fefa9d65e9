"""All incidents of one camera."""

from collections.abc import Sequence
from typing import Protocol

from edge.vision.counting import Line
from edge.vision.frames import Floats, Image
from edge.vision.incidents.cases import Incident
from edge.vision.incidents.health import Health
from edge.vision.incidents.scene import Scene
from edge.vision.incidents.settings import IncidentSettings
from edge.vision.incidents.stopped import Stopped
from edge.vision.incidents.way import WrongWay
from edge.vision.incidents.zone import Pedestrians, Queue


class Kind(Protocol):
    """One kind of incident at one place."""

    def step(self, scene: Scene) -> list[Incident]:
        """Advance by one frame."""
        ...


class Watch:
    """Looks for every incident that the settings ask for.

    Parameters
    ----------
    zones
        Corners (k, 2) of each zone. [px]
    lines
        Lines of the camera. [px]
    """

    def __init__(
        self, settings: IncidentSettings, zones: dict[str, Floats], lines: dict[str, Line]
    ) -> None:
        self._kinds: Sequence[Kind] = [
            *(Stopped(one, zones) for one in settings.stopped),
            *(WrongWay(one, zones, lines) for one in settings.wrong_way),
            *(Pedestrians(one, zones) for one in settings.pedestrian),
            *(Queue(one, zones, lines) for one in settings.queue),
        ]
        self._health = Health(settings.health) if settings.health.enabled else None

    def step(self, scene: Scene) -> list[Incident]:
        """Incidents of road users that begin or end with this frame."""
        return [incident for kind in self._kinds for incident in kind.step(scene)]

    def look(self, image: Image, captured: int) -> list[Incident]:
        """Incidents of the camera itself that begin or end with this frame, see `Health.look`."""
        return [] if self._health is None else self._health.look(image, captured)
