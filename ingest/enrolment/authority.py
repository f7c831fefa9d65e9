"""The authority that signs the keys of devices, and says which are revoked."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.enrolment import to_sign
from ingest.errors import IngestError

DEVICE_LIFE: Final = timedelta(days=730)
"""A device renews its certificate itself, long before it runs out."""
AUTHORITY_LIFE: Final = timedelta(days=7300)
BACKDATED: Final = timedelta(days=1)
"""A box that has no time yet is not told that its certificate is of tomorrow."""
LIST_LIFE: Final = timedelta(days=3650)
"""A broker whose list of revoked certificates ran out would let nobody in."""
MOST: Final = 10_000
"""Bytes of a request or a certificate; more is neither."""


class AuthorityError(IngestError):
    """The authority of the devices cannot be used."""


class RequestError(IngestError):
    """What is to be signed cannot be signed."""


class Signed(NamedTuple):
    """A certificate of a device."""

    pem: str
    serial: str
    expires: datetime


class Authority:
    """Signs for devices.

    Parameters
    ----------
    certificate, key
        Its own; elliptic, on P-256.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def read(cls, certificate: Path, key: Path) -> Self:
        """Read the authority from two PEM files.

        Raises
        ------
        AuthorityError
            If they cannot be read, or do not belong together.
        """
        try:
            own = x509.load_pem_x509_certificate(certificate.read_bytes())
            secret = serialization.load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as fault:
            msg = f"{certificate} with {key} cannot be used: {fault}. Make both: tepna secrets"
            raise AuthorityError(msg) from fault
        if not isinstance(secret, ec.EllipticCurvePrivateKey):
            msg = f"{key} is no key on an elliptic curve. Make it anew: tepna secrets"
            raise AuthorityError(msg)
        if secret.public_key() != own.public_key():
            msg = f"{key} is not the key of {certificate}. Give the two that were made together."
            raise AuthorityError(msg)
        return cls(own, secret)

    @property
    def pem(self) -> bytes:
        """Certificate of the authority, what a broker trusts."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, request: x509.CertificateSigningRequest, identity: str, now: datetime) -> Signed:
        """Certify that this key is the device's, whatever name the request gives."""
        serial = x509.random_serial_number()
        expires = min(now + DEVICE_LIFE, self._certificate.not_valid_after_utc)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        key = request.public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(identity))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(max(now - BACKDATED, self._certificate.not_valid_before_utc))
            .not_valid_after(expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return Signed(pem, f"{serial:x}", expires)

    def renewable(self, certificate: str, request: str, signature: bytes) -> str:
        """Return the serial of a certificate of ours, if its key has signed this request.

        Raises
        ------
        RequestError
            If it is not ours, or the signature is another's.
        """
        try:
            old = x509.load_pem_x509_certificate(_bounded(certificate))
            old.verify_directly_issued_by(self._certificate)
            key = old.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise RequestError("The certificate's key is of another kind.")
            key.verify(signature, to_sign(request), ec.ECDSA(hashes.SHA256()))
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as fault:
            raise RequestError("It is not signed by a key that we have certified.") from fault
        return f"{old.serial_number:x}"

    def revocations(self, revoked: Iterable[tuple[str, datetime]], now: datetime) -> bytes:
        """List of revoked certificates (PEM), for the broker's `crlfile`."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - BACKDATED)
            .next_update(now + LIST_LIFE)
        )
        for serial, when in revoked:
            entry = x509.RevokedCertificateBuilder(int(serial, 16), when)
            builder = builder.add_revoked_certificate(entry.build())
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def create_authority(now: datetime) -> tuple[bytes, bytes]:
    """Make an authority: its certificate and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Tepna devices")
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), secret


def read_request(pem: str) -> x509.CertificateSigningRequest:
    """Read what is to be signed.

    Raises
    ------
    RequestError
        If it is no request, not signed by its own key, or the key is of a kind not taken.
    """
    try:
        request = x509.load_pem_x509_csr(_bounded(pem))
        signed = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as fault:
        raise RequestError("It is no certificate request (PKCS #10, PEM).") from fault
    if not signed:
        raise RequestError("It is not signed by the key that it names.")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise RequestError("Its key must be elliptic, on P-256.")
    return request


def key_digest(request: x509.CertificateSigningRequest) -> bytes:
    """SHA-256 of the key that is to be certified."""
    der = request.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).digest()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _bounded(pem: str) -> bytes:
    if len(pem) > MOST:
        raise RequestError(f"At most {MOST} letters are read.")
    return pem.encode()
