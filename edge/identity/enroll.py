"""Ask the platform's door for a certificate: with a one-time code, or with the one of now."""

import ssl
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.enrolment import PATH, RENEWAL_PATH, Enrolled, Enrolment, Renewal, to_sign
from edge.identity.folder import Identity, IdentityError, Place, read_identity
from edge.identity.pair import certificate_of, keep, key_of, waiting_key

PATIENCE: Final = 30.0
"""For the door's answer. [s]"""
LARGEST: Final = 1 << 16
"""Bytes of an answer."""
RENEW_AT: Final = 2 / 3
"""Share of its life at which a certificate is renewed."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Problem(msgspec.Struct):
    """What the door says when it refuses (RFC 9457)."""

    title: str = ""
    detail: str = ""


def enroll(door: str, code: str, folder: Path, authority: Path | None = None) -> Identity:
    """Make a key here, have it certified, and keep both.

    Parameters
    ----------
    door
        ``https://host[:port]``; without TLS on this machine only.
    code
        One-time code of the operator; whoever asks again after a lost answer uses the same.
    folder
        Where the identity is kept; made, for its owner only.
    authority
        Who signs the door's certificate, if it is no public one (PEM).

    Raises
    ------
    IdentityError
        If the door cannot be reached or refuses; what was there before stays.
    """
    door = _checked(door)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        trusted = "" if authority is None else authority.read_text(encoding="ascii")
        request = request_for(waiting_key(folder))
        body = Enrolment(code, request)
        answer = _ask(door + PATH, msgspec.json.encode(body), trusted)
        place = Place(answer.device, answer.broker, door, trusted)
        keep(folder, place, answer.certificate, answer.broker_authority)
    except (OSError, UnicodeDecodeError) as fault:
        raise IdentityError(f"{fault}; nothing was changed, the code still holds") from fault
    return read_identity(folder)


def renew(folder: Path) -> Identity:
    """Have a new key certified, which the old one vouches for.

    Raises
    ------
    IdentityError
        If the door cannot be reached or refuses; the old identity stays.
    """
    place = read_identity(folder).place
    request = request_for(waiting_key(folder))
    old, certificate = key_of(folder), certificate_of(folder)
    body = Renewal(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        request,
        old.sign(to_sign(request), ec.ECDSA(hashes.SHA256())),
    )
    answer = _ask(place.door + RENEWAL_PATH, msgspec.json.encode(body), place.door_authority)
    fresh = Place(answer.device, answer.broker, place.door, place.door_authority)
    keep(folder, fresh, answer.certificate, answer.broker_authority)
    return read_identity(folder)


def renewal_is_due(folder: Path, now: datetime) -> bool:
    """Whether most of the certificate's life is over."""
    certificate = certificate_of(folder)
    begun, over = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    life: timedelta = over - begun
    return now >= begun + RENEW_AT * life


def request_for(key: ec.EllipticCurvePrivateKey) -> str:
    """Make what the door is asked to sign (PKCS #10, PEM)."""
    name = x509.Name([])  # the door knows whose code it was
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def _checked(door: str) -> str:
    parts = urlsplit(door)
    here = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (here or parts.scheme == "https"):
        raise IdentityError(f"{door} is no address of a door; write https://host")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _ask(url: str, body: bytes, trusted: str) -> Enrolled:
    context = ssl.create_default_context(cadata=trusted or None)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # `_checked` saw the scheme
    try:
        with opener.open(request, timeout=PATIENCE) as response:
            answer = response.read(LARGEST)
        return msgspec.json.decode(answer, type=Enrolled)
    except urllib.error.HTTPError as fault:
        raise IdentityError(f"{url} refuses: {_reason(fault)}") from fault
    except (OSError, ValueError, msgspec.DecodeError) as fault:
        reason = getattr(fault, "reason", fault)
        raise IdentityError(f"{url} gives no answer that can be used: {reason}") from fault


def _reason(fault: urllib.error.HTTPError) -> str:
    try:
        problem = msgspec.json.decode(fault.read(LARGEST), type=Problem)
    except (OSError, msgspec.DecodeError):
        return f"{fault.code} {fault.reason}"
    return f"{problem.title} {problem.detail}".strip()
