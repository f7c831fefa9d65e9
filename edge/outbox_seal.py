"""Payloads of the outbox at rest: sealed with a key, so that a stolen disk says little.

A sealed payload is a mark that no batch begins with, the name of its key, a random nonce, and the
payload under ChaCha20-Poly1305 (RFC 8439), which is fast on a box without instructions for AES. It
is bound to its boot, number and stream: moved to another row it does not open. What the file says
beside it stays legible: device, boots, numbers, streams, sizes and times.
"""

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from edge.errors import OutboxError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import aead

MARK: Final = b"\xc1"
"""The one byte that MessagePack never uses."""

KEY_BYTES: Final = 32
_NAME: Final = 4  # bytes of a key's name
_NONCE: Final = 12
_HEAD: Final = len(MARK) + _NAME


class BrokenSealError(ValueError):
    """The payload is not what was sealed for this boot, number and stream."""


class Seal:
    """Seals with the first key, opens with any.

    Parameters
    ----------
    keys
        Of `KEY_BYTES` bytes each; none: payloads are kept as they are.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_name(key): _cipher(key) for key in reversed(keys)}
        self._own = _name(keys[0]) if keys else None

    def close(self, payload: bytes, boot: UUID, seq: int, stream: str) -> bytes:
        """Give what rests in the file."""
        if self._own is None:
            return payload
        nonce = os.urandom(_NONCE)
        bound = _bound(boot, seq, stream)
        return MARK + self._own + nonce + self._keys[self._own].encrypt(nonce, payload, bound)

    def open(self, kept: bytes, boot: UUID, seq: int, stream: str) -> bytes:
        """Give the payload again; what was never sealed is one already.

        Raises
        ------
        BrokenSealError
            If somebody or something changed it.
        """
        if not kept.startswith(MARK):
            return kept
        key = self._keys.get(kept[len(MARK) : _HEAD])
        if key is None:
            raise BrokenSealError
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # came with the key

        nonce, sealed = kept[_HEAD : _HEAD + _NONCE], kept[_HEAD + _NONCE :]
        try:
            return key.decrypt(nonce, sealed, _bound(boot, seq, stream))
        except (InvalidTag, ValueError) as fault:
            raise BrokenSealError from fault

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """Refuse a file that holds what no key here opens; nothing of it is changed.

        Raises
        ------
        OutboxError
            With the names of the keys that are missing.
        """
        if self._own is not None:
            db.execute("PRAGMA secure_delete = ON")  # what was not sealed yet is to go for good
        heads = db.execute(
            "SELECT substr(payload, 1, ?) AS head, count(*) FROM batch GROUP BY head", (_HEAD,)
        ).fetchall()
        missing = {
            head[len(MARK) :].hex(): count
            for head, count in heads
            if head.startswith(MARK) and head[len(MARK) :] not in self._keys
        }
        if missing:
            named = ", ".join(f"{name} ({count} batches)" for name, count in missing.items())
            given = ", ".join(name.hex() for name in self._keys) or "none"
            msg = (
                f"outbox {path} is sealed with the key {named}, given: {given}. Set outbox.key, or"
                " outbox.former_key after a change, to that key; without it move the file away"
            )
            raise OutboxError(msg)


def _cipher(key: bytes) -> "aead.ChaCha20Poly1305":
    from cryptography.hazmat.primitives.ciphers import aead  # noqa: PLC0415  # 8 MB, and few seal

    return aead.ChaCha20Poly1305(key)


def _bound(boot: UUID, seq: int, stream: str) -> bytes:
    return boot.bytes + seq.to_bytes(8, "big") + stream.encode()


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"tepna outbox key" + key).digest()[:_NAME]
