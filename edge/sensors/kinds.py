"""Finds the plugin of a sensor by its kind, and lets it check its settings."""

from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Final

from pydantic import PlainValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from edge.sensors.plugin import Sensor

GROUP: Final = "tepna.sensors"
"""Entry points of this group are the kinds; a package of anybody's adds one."""

DEFAULT: Final = "lines"


def kinds() -> list[str]:
    """Name every kind that is installed."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def plugins(*, foreign: bool) -> dict[str, type[Sensor]]:
    """Load the kinds by their names; those of other packages only if they are asked for.

    Raises
    ------
    ValidationError
        If one cannot be loaded.
    """
    found = sorted(entry_points(group=GROUP))
    own = __name__.partition(".")[0] + "."
    return {p.name: _load(p) for p in found if foreign or p.value.startswith(own)}


def read_sensor(table: Any) -> Sensor:
    """Make the sensor that a table of a configuration describes.

    Raises
    ------
    ValidationError
        If there is no such kind, or the kind refuses its settings.
    """
    if isinstance(table, Sensor):
        return table
    if not isinstance(table, dict):
        msg = "not a table; write its keys below modem, or below a dash of sensors"
        raise ValueError(msg)  # noqa: TRY004  # pydantic's way to say so
    kind = table.get("kind", DEFAULT)
    found = list(entry_points(group=GROUP, name=kind)) if isinstance(kind, str) else []
    if not found:
        raise _refused(kind, f"no such kind is installed; known are {', '.join(kinds())}")
    if len({point.value for point in found}) > 1:
        owners = ", ".join(point.dist.name for point in found if point.dist)
        raise _refused(kind, f"several packages bring it ({owners}); uninstall all but one")
    return _load(found[0]).model_validate(table | {"kind": kind})


def _load(point: EntryPoint) -> type[Sensor]:
    try:
        plugin = point.load()
    except (ImportError, AttributeError) as fault:
        reason = f"its plugin {point.value} cannot be loaded ({fault}); install what it needs"
        raise _refused(point.name, reason) from fault
    if not (isinstance(plugin, type) and issubclass(plugin, Sensor)):
        reason = f"its plugin {point.value} is no edge.sensors.plugin.Sensor; repair or remove it"
        raise _refused(point.name, reason)
    return plugin


def _refused(kind: Any, reason: str) -> ValidationError:
    error = PydanticCustomError("kind", "{reason}", {"reason": reason})
    return ValidationError.from_exception_data(
        "Sensor", [InitErrorDetails(type=error, loc=("kind",), input=kind)]
    )


AnySensor = Annotated[SerializeAsAny[Sensor], PlainValidator(read_sensor)]
