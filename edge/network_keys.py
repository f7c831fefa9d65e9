"""Which keys of a camera of the network make sense together."""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit


class NetworkKeys(Protocol):
    """The keys of a camera that have to do with the network."""

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def transport(self) -> str: ...  # noqa: D102
    @property
    def clock(self) -> str: ...  # noqa: D102
    @property
    def ca(self) -> Path | None: ...  # noqa: D102
    @property
    def user(self) -> str | None: ...  # noqa: D102
    @property
    def password(self) -> object | None: ...  # noqa: D102
    @property
    def profile(self) -> str | None: ...  # noqa: D102
    @property
    def events(self) -> bool: ...  # noqa: D102


def check_network(camera: NetworkKeys) -> None:
    """Refuse what cannot be meant.

    Raises
    ------
    ValueError
        It names the key, and says what to do.
    """
    scheme = camera.source.partition("://")[0] if "://" in camera.source else ""
    rtsp = scheme in {"rtsp", "rtsps", "onvif", "onvifs"}
    if camera.clock == "rtcp" and not rtsp:
        msg = 'clock: "rtcp" is for rtsp://, rtsps:// and onvif://; remove it'
    elif camera.transport == "udp" and not rtsp:
        msg = "transport: is for rtsp:// and onvif://; remove it"
    elif camera.transport == "udp" and scheme == "rtsps":
        msg = 'transport: with rtsps:// the pictures would go by UDP unencrypted; take "tcp"'
    elif camera.ca is not None and scheme not in {"rtsps", "https", "onvif", "onvifs"}:
        msg = "ca: only rtsps://, https:// and onvifs:// have a certificate to verify; remove it"
    elif camera.user is not None and not scheme:
        msg = "user: only a camera with an address has an account; remove it"
    elif camera.password is not None and camera.user is None:
        msg = "password: whose? set user, too"
    elif camera.user is not None and _has_account(camera.source):
        msg = "user: source has an account in it already; take it out there"
    elif camera.profile is not None and not scheme.startswith("onvif"):
        msg = "profile: is for onvif://; remove it"
    elif camera.events and not scheme.startswith("onvif"):
        msg = "events: only a camera with onvif:// tells any; remove it"
    else:
        return
    raise ValueError(msg)


def _has_account(source: str) -> bool:
    return "@" in urlsplit(source).netloc
