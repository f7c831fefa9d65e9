"""Whose an API key is, and who looked at a picture and why."""

import hashlib
import hmac
from typing import Final, LiteralString

from storage.pool import AsyncConnection

FIND: Final[LiteralString] = """
SELECT name, digest FROM api_key WHERE digest = %s AND revoked_at IS NULL
"""
AUDIT: Final[LiteralString] = """
INSERT INTO audit (actor, action, subject, purpose) VALUES (%s, %s, %s, %s)
"""


def digest_of(key: str) -> bytes:
    """SHA-256 of a key; a random 256-bit key needs no salt and no slow hash."""
    return hashlib.sha256(key.encode()).digest()


async def find_key(connection: AsyncConnection, digest: bytes) -> str | None:
    """Name of the key with this digest, None if there is none or it was revoked."""
    row = await (await connection.execute(FIND, [digest])).fetchone()
    return row[0] if row is not None and hmac.compare_digest(row[1], digest) else None


async def write_audit(
    connection: AsyncConnection, *, actor: str, action: str, subject: str, purpose: str | None
) -> None:
    """Put down who did what to what and why."""
    await connection.execute(AUDIT, [actor, action, subject, purpose])
