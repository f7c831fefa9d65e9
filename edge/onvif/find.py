"""`tepna edge cameras find`: which cameras are there, and what to write down for each."""

import json
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.onvif.device import PATH, Device, Profile
from edge.onvif.discovery import Found, discover, interfaces
from edge.onvif.resolve import service

TIMEOUT = 5.0
"""How long each camera may take per answer. [s]"""


def find_cameras(
    say: Callable[[str], None],
    *,
    addresses: Sequence[str],
    seconds: float,
    user: str | None,
    password: str | None,
) -> int:
    """Say which ONVIF cameras answer, their profiles, and the lines of a configuration.

    Returns
    -------
    int
        How many there are.
    """
    found = discover(addresses or interfaces(), seconds)
    for device in found:
        _tell(device, user, password, say)
    if not found:
        say("no ONVIF camera answers; is discovery on in the camera, and is it in this network?")
    return len(found)


def _tell(
    device: Found, user: str | None, password: str | None, say: Callable[[str], None]
) -> None:
    source = source_of(device.address)
    say(f"{urlsplit(device.address).netloc}  {device.name or 'without a name'}  {device.hardware}")
    camera = Camera.model_validate({"source": source, "user": user, "password": password})
    try:
        profiles = Device(service(camera, TIMEOUT)).profiles()
    except SourceError as fault:
        say(f"    {fault}")
        profiles = []
    for profile in profiles:
        say(f"    {profile}")
    say("    camera:")
    for line in lines(source, user, profiles):
        say(f"      {line}")


def source_of(address: str) -> str:
    """Write the address of a device service as a camera's source."""
    parts = urlsplit(address)
    scheme = "onvifs" if parts.scheme == "https" else "onvif"
    return f"{scheme}://{parts.netloc}{'' if parts.path == PATH else parts.path}"


def lines(source: str, user: str | None, profiles: Sequence[Profile]) -> list[str]:
    """Lines of a configuration, to be pasted below ``camera:``."""
    found = [f"source: {source}"]
    if profiles:
        # Counting needs no more than some hundred pixels: the smallest saves the most.
        small = min(profiles, key=lambda p: (p.width * p.height or 1 << 40, p.token))
        found.append(f"profile: {json.dumps(small.token)}")
    if user is not None:
        found += [f"user: {json.dumps(user)}", "password: file:camera.password"]
    return found
