"""Laying one configuration over another."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts.errors import SettingsError

BY_KEY: Final = ("batches", "camera")
"""Tables whose keys are laid over one by one; others are taken whole."""
DRAWN: Final = frozenset({"calibration", "lines", "masks", "zones"})
"""Keys of a camera with coordinates."""


def lay_over(table: dict[str, Any], overlay: Mapping[str, Any]) -> Iterator[str]:
    """Lay tables over those of a file; yield the key of each value that is not the file's any more.

    A value that is None takes the file's away.

    Raises
    ------
    SettingsError
        If coordinates of different pictures would meet.
    """
    for name, given in overlay.items():
        own = table.get(name)
        if name not in BY_KEY or not isinstance(given, dict):
            table[name] = given
            yield name
            continue
        merged = dict(own) if isinstance(own, dict) else {}
        if name == "camera":
            _check_size(merged, given)
        for key, value in given.items():
            merged[key] = value
            if value is None:
                del merged[key]
            yield f"{name}.{key}"
        table[name] = merged


def _check_size(own: dict[str, Any], given: dict[str, Any]) -> None:
    """One camera has one `drawn_on`, for the coordinates of both."""
    if not (DRAWN | {"drawn_on"}) & given.keys():
        return
    if DRAWN & own.keys() - given.keys() and given.get("drawn_on") != own.get("drawn_on"):
        msg = f"camera.drawn_on is {own.get('drawn_on')} on the box and {given.get('drawn_on')} in "
        msg += "what is desired: say the same, or give all of its coordinates anew"
        raise SettingsError(msg)
    own.pop("drawn_on", None)
