"""One-time codes of devices, and the certificates that they got."""

from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

from contracts.enrolment import new_code, read_code
from storage.keys import digest_of
from storage.pool import AsyncConnection, Connection

# The newest code holds: one that was lost on the way to the street opens nothing any more.
EXPIRE: Final[LiteralString] = """
UPDATE enrolment e SET expires_at = now() FROM device d
WHERE e.device = d.device AND d.pilot || '/' || d.name = %(identity)s
    AND used_at IS NULL AND expires_at > now()"""
ADD_CODE: Final[LiteralString] = """
INSERT INTO enrolment (device, digest, expires_at)
SELECT device, %(digest)s, now() + %(valid)s FROM device
WHERE pilot || '/' || name = %(identity)s AND retired_at IS NULL
RETURNING expires_at"""
# By the same key again, if the answer was lost: the same box asks.
SPEND: Final[LiteralString] = """
UPDATE enrolment e SET used_at = coalesce(used_at, now()), public_key = %(key)s FROM device d
WHERE e.device = d.device AND d.retired_at IS NULL AND digest = %(digest)s AND expires_at > now()
    AND (used_at IS NULL OR public_key = %(key)s)
RETURNING enrolment, d.pilot || '/' || d.name"""
FIND_GIVEN: Final[LiteralString] = """
SELECT pem FROM device_certificate WHERE enrolment = %s AND revoked_at IS NULL"""
IN_FORCE: Final[LiteralString] = """
SELECT d.pilot || '/' || d.name,
    (SELECT count(*) FROM device_certificate r
     WHERE r.device = d.device AND issued_at > now() - INTERVAL '1 day')
FROM device_certificate c JOIN device d USING (device)
WHERE serial = %s AND revoked_at IS NULL AND expires_at > now() AND d.retired_at IS NULL
FOR UPDATE OF d"""
ADD_CERTIFICATE: Final[LiteralString] = """
INSERT INTO device_certificate (serial, device, enrolment, pem, expires_at)
SELECT %(serial)s, device, %(enrolment)s, %(pem)s, %(expires)s
FROM device WHERE pilot || '/' || name = %(identity)s"""
LIST: Final[LiteralString] = """
SELECT d.pilot || '/' || d.name, serial, issued_at, c.expires_at, revoked_at
FROM device_certificate c JOIN device d USING (device)
WHERE %(identity)s::text IS NULL OR d.pilot || '/' || d.name = %(identity)s
ORDER BY 1, issued_at, serial"""
REVOKE: Final[LiteralString] = """
UPDATE device_certificate c SET revoked_at = now() FROM device d
WHERE c.device = d.device AND d.pilot || '/' || d.name = %s AND revoked_at IS NULL"""
REVOKED: Final[LiteralString] = """
SELECT serial, revoked_at FROM device_certificate
WHERE revoked_at IS NOT NULL AND expires_at > now() ORDER BY serial"""


class Code(NamedTuple):
    """A one-time code, and until when it opens something."""

    code: str
    expires_at: datetime


class Certified(NamedTuple):
    """A certificate that a device got."""

    device: str
    serial: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class Spent(NamedTuple):
    """What a code opened."""

    enrolment: int
    device: str
    given: str | None  # certificate that was given for it before


class Holder(NamedTuple):
    """Whose a certificate is."""

    device: str
    of_today: int  # certificates that it got within a day


def create_code(connection: Connection, identity: str, valid: timedelta) -> Code | None:
    """Make a code for a device, the only one that holds; None: there is no such device."""
    code = new_code()
    given = {"identity": identity, "valid": valid, "digest": digest_of(read_code(code))}
    with connection.transaction():
        connection.execute(EXPIRE, given)
        row = connection.execute(ADD_CODE, given).fetchone()
    return None if row is None else Code(code, row[0])


async def spend_code(connection: AsyncConnection, code: str, public_key: bytes) -> Spent | None:
    """Use a code for a key (SHA-256 of it); None: it opens nothing, or not for this key."""
    given = {"digest": digest_of(code), "key": public_key}
    row = await (await connection.execute(SPEND, given)).fetchone()
    if row is None:
        return None
    before = await (await connection.execute(FIND_GIVEN, [row[0]])).fetchone()
    return Spent(row[0], row[1], None if before is None else before[0])


async def find_holder(connection: AsyncConnection, serial: str) -> Holder | None:
    """Whose certificate this is; None if it is nobody's, or in force no more."""
    row = await (await connection.execute(IN_FORCE, [serial])).fetchone()
    return None if row is None else Holder(*row)


async def add_certificate(
    connection: AsyncConnection,
    *,
    identity: str,
    serial: str,
    pem: str,
    expires: datetime,
    enrolment: int | None,
) -> None:
    """Put down what a device got."""
    await connection.execute(
        ADD_CERTIFICATE,
        {
            "identity": identity, "serial": serial, "pem": pem, "expires": expires,
            "enrolment": enrolment,
        },
    )  # fmt: skip


def read_certificates(connection: Connection, identity: str | None = None) -> list[Certified]:
    """List certificates, of one device or of all."""
    return [Certified(*row) for row in connection.execute(LIST, {"identity": identity})]


def revoke_certificates(connection: Connection, identity: str) -> int:
    """Revoke every certificate of a device; return how many were in force."""
    return connection.execute(REVOKE, [identity]).rowcount


def read_revoked(connection: Connection) -> list[tuple[str, datetime]]:
    """List serials of what was revoked and has not run out, with the time of that."""
    return connection.execute(REVOKED).fetchall()
