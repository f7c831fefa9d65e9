"""Certificate of the picture server: a given one, or one that is made once and kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts.clock import Clock, from_micros
from edge.durable_file import write_durably
from edge.errors import EdgeError

VALID: Final = timedelta(days=3650)
"""Nobody drives to a cabinet for a certificate; it is known by its fingerprint."""
RENEW: Final = timedelta(days=365)
"""A made one that is valid for less than that is made anew when the agent starts."""


class CertificateError(EdgeError):
    """The certificate of the picture server cannot be used."""


class Certificate(NamedTuple):
    """Where certificate and key lie, and how the first is known."""

    certificate: Path
    key: Path
    fingerprint: str  # SHA-256 of the DER, hexadecimal


def given(certificate: Path, key: Path) -> Certificate:
    """Take a certificate (PEM, its own first) and its key as they are.

    Raises
    ------
    CertificateError
        If the file holds none.
    """
    return Certificate(certificate, key, _fingerprint(_read(certificate)))


def own(beside: Path, device: str, clock: Clock) -> Certificate:
    """Certificate that lies beside a file, made if there is none that is valid for a year."""
    files = beside.with_suffix(".pictures.pem"), beside.with_suffix(".pictures.key")
    certificate, key = files
    now = from_micros(clock())
    if key.exists() and certificate.exists():
        found = _read(certificate)
        if found.not_valid_before_utc <= now <= found.not_valid_after_utc - RENEW:
            return Certificate(certificate, key, _fingerprint(found))
    made, secret = _make(device, now)
    write_durably(key, secret, 0o600)
    write_durably(certificate, made.public_bytes(serialization.Encoding.PEM), 0o600)
    return Certificate(certificate, key, _fingerprint(made))


def _make(device: str, now: datetime) -> tuple[x509.Certificate, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device[-64:])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A box whose clock was never set makes one that is valid by everybody else's clock, too.
        .not_valid_before(min(now, datetime(2026, 1, 1, tzinfo=UTC)))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(device.replace("/", "."))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made, secret


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as fault:
        msg = f"pictures.certificate {path}: {fault}; name a readable PEM file"
        raise CertificateError(msg) from fault


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()
