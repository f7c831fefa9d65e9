"""From `onvif://host` in a configuration to the stream of a profile."""

from urllib.parse import urlsplit, urlunsplit

from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.onvif.device import PATH, Device, Profile
from edge.onvif.soap import Account, Service


def stream_address(camera: Camera, timeout: float) -> str:
    """Ask an ONVIF camera for the address of the stream that is configured.

    Raises
    ------
    SourceError
        If it does not answer, refuses the account, or has no such profile.
    """
    device = Device(service(camera, timeout))
    profiles = device.profiles()
    return device.stream_address(chosen(profiles, camera.profile, camera.shown))


def service(camera: Camera, timeout: float) -> Service:
    """Device service of a camera; `onvifs://` is by HTTPS."""
    parts = urlsplit(camera.source)
    scheme = "https" if parts.scheme == "onvifs" else "http"
    netloc = parts.netloc.rpartition("@")[2]
    address = urlunsplit((scheme, netloc, parts.path.rstrip("/") or PATH, "", ""))
    account = None
    if camera.user is not None:
        word = "" if camera.password is None else camera.password.get_secret_value()
        account = Account(camera.user, word)
    return Service(address, account, timeout, camera.ca)


def chosen(profiles: list[Profile], wanted: str | None, shown: str) -> Profile:
    """Choose a profile by name or token; without either the first, which is the main stream."""
    if not profiles:
        msg = f"{shown} has no profile with pictures"
        raise SourceError(msg)
    if wanted is None:
        return profiles[0]
    for profile in profiles:
        if wanted in {profile.name, profile.token}:
            return profile
    msg = f"{shown} has no profile {wanted!r}, but {', '.join(p.name for p in profiles)}"
    raise SourceError(msg)
