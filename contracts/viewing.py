"""Permits to see a device's pictures for a while: the platform mints them, agents check them.

A permit is ``payload.mac``, both base64url: the JSON of `Permit`, and its HMAC-SHA256 under a key
that is derived from the secret that platform and agents share. So it is checked off line, and it
opens one device, until one moment.
"""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

LONGEST: Final = 3600.0
"""For how long a permit may be valid. [s]"""
_PURPOSE: Final = b"tepna permit/1"
_LARGEST: Final = 1000  # characters
_DIGEST: Final = 32  # bytes


class PermitError(ValueError):
    """The permit does not open that."""


class Permit(msgspec.Struct, frozen=True):
    """Who has it may see the pictures of a device."""

    id: str  # under which the platform has put down who it is
    device: str  # pilot/device
    until: int  # [us] since the epoch


def mint(secret: str, permit: Permit) -> str:
    """Token of a permit.

    >>> token = mint("a shared secret", Permit("7", "town/cam", 2_000_000))
    >>> check("a shared secret", token, "town/cam", 1_000_000).id
    '7'
    """
    payload = urlsafe_b64encode(msgspec.json.encode(permit))
    return f"{payload.decode()}.{urlsafe_b64encode(_mac(secret, payload)).decode()}"


def check(secret: str, token: str, device: str, now: int) -> Permit:
    """Read a token.

    Raises
    ------
    PermitError
        If it was not minted with this secret, is for another device, or is over. [us]
    """
    payload, _, mac = token.encode(errors="replace").partition(b".")
    if len(token) > _LARGEST or not hmac.compare_digest(_decoded(mac), _mac(secret, payload)):
        raise PermitError("it was not minted by the platform")
    try:
        permit = msgspec.json.decode(_decoded(payload), type=Permit)
    except msgspec.MsgspecError as fault:
        raise PermitError("it cannot be read") from fault
    if permit.device != device:
        raise PermitError("it is for another device")
    if not now < permit.until <= now + LONGEST * 1e6:
        raise PermitError("it is over")
    return permit


def _mac(secret: str, payload: bytes) -> bytes:
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    return hmac.digest(key, payload, hashlib.sha256)


def _decoded(text: bytes) -> bytes:
    try:
        return urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        return bytes(_DIGEST)
