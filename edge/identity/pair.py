"""Key and certificate of a box, in the folder of its identity."""

from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.durable_file import write_durably
from edge.identity.folder import AUTHORITY, PAIR, PLACE, WAITING, IdentityError, Place


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
