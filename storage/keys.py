"""Whose a key is and what it opens, and who did what why."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Generic, LiteralString, NamedTuple, TypeVar

from storage.pool import AsyncConnection, Connection, Pool

Found = TypeVar("Found")

REMEMBERED: Final = 1000  # keys; full: the one that was used longest ago is forgotten
REMEMBERED_S: Final = 5.0  # a revoked key opens nothing after this time
WAIT_S: Final = 3.0  # for a connection

DEAD_LETTERS: Final = "dead-letters"
"""Scope of a key that may see, replay and drop them: they hold what devices sent, as it came."""
COMMANDS: Final = "commands"
"""Scope of a key that may ask devices to do something."""
SCOPES: Final = frozenset({DEAD_LETTERS, COMMANDS})

FIND: Final[LiteralString] = """
SELECT name, scopes, digest FROM api_key WHERE digest = %s AND revoked_at IS NULL
"""
AUDIT: Final[LiteralString] = """
INSERT INTO audit (actor, action, subject, purpose) VALUES (%s, %s, %s, %s)
"""
FIND_DEVICE: Final[LiteralString] = """
SELECT d.pilot || '/' || d.name, k.digest FROM device_key k JOIN device d USING (device)
WHERE k.digest = %s AND k.revoked_at IS NULL AND d.retired_at IS NULL
"""
ADD_DEVICE_KEY: Final[LiteralString] = """
INSERT INTO device_key (device, digest)
SELECT device, %(digest)s FROM device WHERE pilot || '/' || name = %(identity)s
RETURNING key
"""
REVOKE_DEVICE_KEYS: Final[LiteralString] = """
UPDATE device_key k SET revoked_at = now() FROM device d
WHERE k.device = d.device AND d.pilot || '/' || d.name = %s AND revoked_at IS NULL
"""


class ApiKey(NamedTuple):
    """Whose it is, and what it opens beside reading."""

    name: str
    scopes: frozenset[str]


def digest_of(key: str) -> bytes:
    """SHA-256 of a key; a random 256-bit key needs no salt and no slow hash."""
    return hashlib.sha256(key.encode()).digest()


class KeyRing(Generic[Found]):
    """Looks keys up by digest; remembers for some seconds, so that a page costs one query.

    Parameters
    ----------
    find
        What a digest opens, None if nothing.
    """

    def __init__(
        self,
        pool: Pool,
        find: Callable[[AsyncConnection, bytes], Awaitable[Found | None]],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._pool = pool
        self._find = find
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Found]] = OrderedDict()

    async def find(self, key: str) -> Found | None:
        """Say what the key opens, None if nothing."""
        digest = digest_of(key)
        known = self._known.get(digest)
        if known is not None and self._clock() < known[0]:
            self._known.move_to_end(digest)
            return known[1]
        async with self._pool.connection(timeout=WAIT_S) as connection:
            found = await self._find(connection, digest)
        if found is None:
            self._known.pop(digest, None)
            return None
        self._known[digest] = (self._clock() + REMEMBERED_S, found)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found


async def find_key(connection: AsyncConnection, digest: bytes) -> ApiKey | None:
    """Find the key with this digest; None if there is none or it was revoked."""
    row = await (await connection.execute(FIND, [digest])).fetchone()
    if row is None or not hmac.compare_digest(row[2], digest):
        return None
    return ApiKey(row[0], frozenset(row[1]))


async def find_device_key(connection: AsyncConnection, digest: bytes) -> str | None:
    """Identity of the device with this key; None if there is none or it was revoked."""
    row = await (await connection.execute(FIND_DEVICE, [digest])).fetchone()
    return row[0] if row is not None and hmac.compare_digest(row[1], digest) else None


def create_device_key(connection: Connection, identity: str) -> str | None:
    """Make a key for a device and return it, this once; None: there is no such device."""
    key = secrets.token_urlsafe(32)
    given = {"identity": identity, "digest": digest_of(key)}
    return key if connection.execute(ADD_DEVICE_KEY, given).rowcount else None


def revoke_device_keys(connection: Connection, identity: str) -> int:
    """Let no key of this device open anything any more; return how many did."""
    return connection.execute(REVOKE_DEVICE_KEYS, [identity]).rowcount


async def write_audit(
    connection: AsyncConnection, *, actor: str, action: str, subject: str, purpose: str | None
) -> None:
    """Put down who did what to what and why."""
    await connection.execute(AUDIT, [actor, action, subject, purpose])
