"""What is drawn on a camera's picture: from the configuration's coordinates to pixels.

In a configuration coordinates are shares of the picture, 0 to 1, x of its width and y of its
height, or pixels of a picture of a stated size; so the stream may come in any size. Vision knows
the pixels of the picture at hand only.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic_core import InitErrorDetails, PydanticCustomError

from edge.vision.settings import Pixel, VisionSettings

Size = Annotated[int, Field(ge=1, le=1 << 15)]
DrawnOn = tuple[Size, Size] | Literal["stream"] | None
"""Width and height of the picture whose pixels coordinates are [px]; None: they are shares.

`stream` means the pixels of the stream as it is opened, as TOML files of older agents do.
"""

LEAST: Final = -0.5
MOST: Final = 1.5
"""A point beyond these shares is no point of this picture."""

Place = tuple[str | int, ...]


def points(settings: VisionSettings) -> Iterator[tuple[Place, Pixel]]:
    """Each point that is drawn, with the key that it has in the configuration of the camera."""
    for n, line in enumerate(settings.lines):
        yield ("lines", n, "a"), line.a
        yield ("lines", n, "b"), line.b
    for n, zone in enumerate(settings.zones):
        yield from ((("zones", n, "corners", m), point) for m, point in enumerate(zone.corners))
    for n, mask in enumerate(settings.masks):
        yield from ((("masks", n, m), point) for m, point in enumerate(mask))
    for n, pair in enumerate(settings.ground):
        yield ("calibration", n), pair.image


def misplaced(settings: VisionSettings, drawn_on: DrawnOn) -> list[InitErrorDetails]:
    """Find coordinates that cannot be what they are said to be."""
    if drawn_on == "stream":
        return []
    width, height = drawn_on or (1, 1)
    reason = f"far beyond the picture of {width}x{height}; correct it or drawn_on"
    if drawn_on is None:
        reason = "coordinates are shares of the picture, 0 to 1; or say on which size it was drawn"
        reason += ", for instance drawn_on: [768, 576]"
    errors = []
    for place, (x, y) in points(settings):
        for axis, name, value, whole in ((0, "x", x, width), (1, "y", y, height)):
            if LEAST <= value / whole <= MOST:
                continue
            text = f"{name} is {value:g}: {reason}"
            error = PydanticCustomError("point", "{text}", {"text": text})
            errors.append(InitErrorDetails(type=error, loc=(*place, axis), input=value))
    return errors


def in_pixels(
    settings: VisionSettings, drawn_on: DrawnOn, width: int, height: int
) -> VisionSettings:
    """Coordinates as pixels of a picture of this size [px]."""
    if drawn_on == "stream":
        return settings
    whole_width, whole_height = drawn_on or (1, 1)

    def pixel(point: Pixel) -> Pixel:
        return point[0] * width / whole_width, point[1] * height / whole_height

    return settings.model_copy(
        update={
            "lines": [
                line.model_copy(update={"a": pixel(line.a), "b": pixel(line.b)})
                for line in settings.lines
            ],
            "zones": [
                zone.model_copy(update={"corners": [pixel(point) for point in zone.corners]})
                for zone in settings.zones
            ],
            "masks": [[pixel(point) for point in mask] for mask in settings.masks],
            "ground": [
                pair.model_copy(update={"image": pixel(pair.image)}) for pair in settings.ground
            ],
        }
    )
