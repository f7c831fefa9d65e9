"""The folder of a box's identity: a key that never leaves it, the certificate, the broker.

Key and certificate are one file, so that they change together: a power cut leaves the old pair or
the new one.
"""

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.durable_file import write_durably
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


def certificate_of(folder: Path) -> x509.Certificate:
    """Certificate of the pair in a folder."""
    return x509.load_pem_x509_certificate((folder / PAIR).read_bytes())


def key_of(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Key of the pair in a folder.

    Raises
    ------
    IdentityError
        If there is none.
    """
    return _key((folder / PAIR).read_bytes())


def waiting_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Key that is to be certified next; made if there is none."""
    file = folder / WAITING
    if file.exists():
        return _key(file.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    write_durably(file, _pem(key), 0o600)
    return key


def keep(folder: Path, place: Place, certificate: str, authority: str) -> None:
    """Make the waiting key and its certificate the identity of this box.

    Raises
    ------
    IdentityError
        If the certificate is of another key or device.
    """
    key = waiting_key(folder)
    try:
        signed = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as fault:
        raise IdentityError(f"the door's answer holds no certificate: {fault}") from fault
    names = [str(n.value) for n in signed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if signed.public_key() != key.public_key() or names != [place.device]:
        raise IdentityError("the door's certificate is not for this key and device; ask again")
    if authority:
        write_durably(folder / AUTHORITY, authority.encode(), 0o644)
    else:
        (folder / AUTHORITY).unlink(missing_ok=True)
    write_durably(folder / PLACE, msgspec.json.encode(place), 0o644)
    write_durably(folder / PAIR, _pem(key) + certificate.encode(), 0o600)
    (folder / WAITING).unlink()


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError("its key is of another kind: enroll the box again with a new code")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
