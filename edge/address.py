"""What FFmpeg is told of a source: its address with the account in it, and its options."""

from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from edge.configuration.camera import Camera
from edge.errors import SourceError

SECURE: Final = ("rtsps", "https", "tls")
"""Schemes whose server shows a certificate, which is verified."""


def full_address(address: str, camera: Camera) -> str:
    """Put the camera's account into an address, as FFmpeg wants it; it is told to nobody else."""
    if camera.is_path and Path(address).exists():  # its name may look like another protocol's
        return f"file:{address}"
    if camera.user is None:
        return address
    scheme, mark, place = address.partition("://")
    password = "" if camera.password is None else camera.password.get_secret_value()
    account = f"{quote(camera.user, safe='')}:{quote(password, safe='')}"
    return f"{scheme}{mark}{account}@{place}"


def options(address: str, camera: Camera) -> dict[str, str]:
    """Options of FFmpeg for an address.

    Raises
    ------
    SourceError
        If a certificate is to be verified, and there is nothing to verify it by.
    """
    if camera.is_path:
        return {}
    scheme = urlsplit(address).scheme
    found = _certificates(camera) if scheme in SECURE else {}
    if scheme.startswith("rtsp"):
        # Nobody listens to the sound: it stays in the camera. A sender's report on another stream
        # would also let FFmpeg move the stamps of this one.
        # Three frames tell the rate as well as twenty, and twenty make a camera that comes back
        # blind for two seconds more.
        return found | {
            "rtsp_transport": camera.transport,
            "allowed_media_types": "video",
            "fpsprobesize": "3",
        }
    # Live pictures wait for nothing: a short look is enough to know the format.
    return found | {"analyzeduration": "200000", "fflags": "nobuffer"}


def _certificates(camera: Camera) -> dict[str, str]:
    """Let FFmpeg verify, which by itself it does not: who stands in between would see and alter."""
    import ssl  # noqa: PLC0415  # 1 MB that other cameras do not need

    known = camera.ca or ssl.get_default_verify_paths().cafile
    if known is None:
        msg = (
            f"{camera.shown} has a certificate, and this system has none to verify it by; "
            "set camera.ca, or install ca-certificates"
        )
        raise SourceError(msg)
    return {"tls_verify": "1", "ca_file": str(known)}
