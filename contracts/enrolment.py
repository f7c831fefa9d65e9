"""How a box becomes a device: a one-time code and a key of its own against a certificate."""

import re
import secrets
from typing import Final

import msgspec

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: nobody mistakes one letter for another, on paper or on the telephone."""
LENGTH: Final = 16
"""Letters of a code, 80 random bits."""
LONGEST_IDENTITY: Final = 64
"""Letters of a name that a certificate can carry (RFC 5280, ub-common-name)."""

PATH: Final = "/v1/enrolments"
RENEWAL_PATH: Final = "/v1/enrolments/renewal"
_CODE: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_LIKE: Final = str.maketrans("OIL", "011", " -")


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Device to door: the code that the operator gave, and what is to be signed."""

    code: str
    request: str  # PKCS #10, PEM


class Renewal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Device to door: a new key, vouched for by the old one."""

    certificate: str  # PEM, still valid
    request: str  # PKCS #10, PEM
    signature: bytes  # by the key of the certificate, over `to_sign(request)`


class Enrolled(msgspec.Struct, frozen=True):
    """Door to device: who it is now, and where its broker is."""

    device: str  # pilot/device
    certificate: str  # PEM
    broker: str  # mqtts://host:port
    broker_authority: str  # PEM of who signs the broker's certificate; empty: a public one


def new_code() -> str:
    """Make a code, as it is shown.

    >>> len(new_code())
    19
    """
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(letters[n : n + 4] for n in range(0, LENGTH, 4))


def read_code(text: str) -> str:
    """Read a code as somebody typed it.

    >>> read_code("k7q2-9zxm 4pwd h3to")
    'K7Q29ZXM4PWDH3T0'

    Raises
    ------
    ValueError
        If it is no code; the text does not quote it.
    """
    code = text.strip().upper().translate(_LIKE)
    if _CODE.fullmatch(code) is None:
        msg = f"not {LENGTH} letters and digits, as in K7Q2-9ZXM-4PWD-H3TN"
        raise ValueError(msg)
    return code


def to_sign(request: str) -> bytes:
    """Bytes that the old key signs in a renewal."""
    return b"tepna renewal 1\n" + request.encode()
