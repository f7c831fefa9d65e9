"""`tepna edge cameras events`: what a camera offers and says, and what becomes of it."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from edge.configuration.camera import Camera
from edge.onvif.device import Device
from edge.onvif.events import Notification, PullPoint, offered
from edge.onvif.listen import TIMEOUT
from edge.onvif.meanings import meaning
from edge.onvif.resolve import service

UNKNOWN: Final = "not used"
LONGEST: Final = 200
"""Characters of a line; a camera may say anything."""


def show_events(camera: Camera, seconds: float, say: Callable[[str], None]) -> None:
    """Say which events a camera offers; then those that come within some seconds.

    Raises
    ------
    SourceError
        If it does not answer, refuses the account, or has no events.
    """
    device = Device(service(camera, TIMEOUT))
    topics = offered(device)
    say(f"{camera.shown} offers {len(topics)} events")
    for topic in topics:
        say(_line(f"    {topic}", _told(topic)))
    until = time.monotonic() + seconds
    with PullPoint(device) as point:
        if point.ahead is not None:
            say(f"its clock is {point.ahead.total_seconds():+.0f} s off this machine's")
        say(f"listening for {seconds:g} s: first how it is, then what happens")
        while time.monotonic() < until:
            for each in point.pull():
                say(_line(f"    {_shown(each)}", _told(each.topic)))


def _told(topic: str) -> str:
    known = meaning(topic)
    return UNKNOWN if known is None else known.kind


def _shown(said: Notification) -> str:
    at = "no time" if said.at is None else f"{said.at:%H:%M:%S}"
    items = (_items(each) for each in (said.source, said.data))
    return "  ".join(filter(None, (at, said.topic, said.operation, *items)))


def _items(found: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in found.items())


def _line(text: str, told: str) -> str:
    """Write a stranger's text, fit for a terminal, and what becomes of it."""
    plain = "".join(char for char in text if char.isprintable())
    return f"{plain[:LONGEST]}: {told}"
