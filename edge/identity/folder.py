"""The folder of a box's identity: a key that never leaves it, the certificate, the broker.

Key and certificate are one file, so that they change together: a power cut leaves the old pair or
the new one.
"""

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from edge.errors import EdgeError

PAIR: Final = "device.pem"
"""Key and certificate."""
AUTHORITY: Final = "broker.pem"
"""Who signs the broker's certificate."""
PLACE: Final = "identity.json"
WAITING: Final = "waiting.key"
"""A key that is not certified yet: who asks again asks with the same."""


class IdentityError(EdgeError):
    """The box is no device, or its identity cannot be used."""


class Place(msgspec.Struct, frozen=True):
    """What is no secret."""

    device: str
    broker: str  # mqtts://host:port
    door: str  # where it was enrolled, and renews
    door_authority: str = ""  # PEM of who signs the door's certificate; empty: a public one


class Identity(NamedTuple):
    """A box that is a device."""

    place: Place
    pair: Path
    authority: Path | None  # None: a public one
    expires: datetime


def read_identity(folder: Path) -> Identity:
    """Read who this box is.

    Raises
    ------
    IdentityError
        If it was never enrolled, or what is there is broken.
    """
    from edge.identity.pair import certificate_of  # noqa: PLC0415  # 8 MB, for who has an identity

    try:
        place = msgspec.json.decode((folder / PLACE).read_bytes(), type=Place)
        certificate = certificate_of(folder)
    except FileNotFoundError as fault:
        msg = f"{folder} holds no identity: run tepna edge enroll, or give another folder"
        raise IdentityError(msg) from fault
    except (OSError, ValueError, msgspec.DecodeError) as fault:
        msg = f"{folder} cannot be used: {fault}. Enroll the box again with a new code."
        raise IdentityError(msg) from fault
    authority = folder / AUTHORITY
    return Identity(
        place,
        folder / PAIR,
        authority if authority.exists() else None,
        certificate.not_valid_after_utc,
    )
