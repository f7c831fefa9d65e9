"""Who measures where, what metrics are called, and who may read: sites, devices, metrics, keys."""

import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import Final, NamedTuple

from contracts.site import Site
from storage.errors import StorageError
from storage.pool import Connection

MAX_METRICS: Final = 30_000
"""Names that may wait or be known; a device that invents more is not followed."""

UPSERT_SITE: Final = """
INSERT INTO site (pilot, name, plan) VALUES (%(pilot)s, %(name)s, %(plan)s)
ON CONFLICT (pilot, name) DO UPDATE SET plan = EXCLUDED.plan, updated_at = now()
RETURNING site"""
UPSERT_DEVICES: Final = """
INSERT INTO device (pilot, name, site)
SELECT %(pilot)s, name, %(site)s FROM unnest(%(names)s::text[]) AS name ORDER BY name
ON CONFLICT (pilot, name) DO UPDATE SET site = EXCLUDED.site
RETURNING name, device"""
FIND_SITE: Final = "SELECT site FROM site WHERE pilot = %s AND name = %s"
FIND_DEVICES: Final = """
SELECT pilot || '/' || name, device, site FROM device
WHERE (pilot, name) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"""
INSERT_KEY: Final = "INSERT INTO api_key (name, digest) VALUES (%s, %s)"
FIND_METRICS: Final = "SELECT name, metric FROM metric WHERE name = ANY(%s)"
ADD_METRICS: Final = """
INSERT INTO metric (name)
SELECT name FROM unnest(%(names)s::text[]) AS name ORDER BY name
LIMIT greatest(0, %(most)s - (SELECT count(*) FROM metric))
ON CONFLICT (name) DO NOTHING"""


class UnknownSiteError(StorageError):
    """A device cannot stand where no site is registered."""


class Device(NamedTuple):
    """A registered device: its number and its site's."""

    device: int
    site: int


def register_site(connection: Connection, plan: Site) -> int:
    """Write a site and the devices that its plan names, or bring them up to date."""
    document = json.dumps(plan.model_dump(mode="json"), ensure_ascii=False)
    with connection.transaction():
        row = connection.execute(
            UPSERT_SITE, {"pilot": plan.pilot, "name": plan.id, "plan": document}
        ).fetchone()
        assert row is not None  # noqa: S101  # RETURNING of an upsert gives a row
        site = int(row[0])
        devices = {"pilot": plan.pilot, "site": site, "names": plan.devices}
        connection.execute(UPSERT_DEVICES, devices)
    return site


def register_device(connection: Connection, *, pilot: str, site: str, name: str) -> int:
    """Write one device, or move it to this site; return its number.

    Raises
    ------
    UnknownSiteError
        If the pilot has no such site.
    """
    found = connection.execute(FIND_SITE, [pilot, site]).fetchone()
    if found is None:
        msg = f"{pilot} has no site {site!r}: register its site.toml first"
        raise UnknownSiteError(msg)
    row = connection.execute(
        UPSERT_DEVICES, {"pilot": pilot, "site": found[0], "names": [name]}
    ).fetchone()
    assert row is not None  # noqa: S101  # as above
    return int(row[1])


def find_devices(connection: Connection, identities: Iterable[str]) -> dict[str, Device]:
    """Find the registered devices among these identities (`pilot/device`)."""
    pairs = [identity.split("/", 1) for identity in identities]
    pilots, names = [p for p, _ in pairs], [n for _, n in pairs]
    rows = connection.execute(FIND_DEVICES, [pilots, names]).fetchall()
    return {identity: Device(device, site) for identity, device, site in rows}


def metric_numbers(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Numbers of these metrics; a new name becomes a pending metric, unless there are too many."""
    wanted = sorted(set(names))
    found: dict[str, int] = dict(connection.execute(FIND_METRICS, [wanted]).fetchall())
    missing = [name for name in wanted if name not in found]
    if missing:
        connection.execute(ADD_METRICS, {"names": missing, "most": MAX_METRICS})
        found |= dict(connection.execute(FIND_METRICS, [missing]).fetchall())
    return found


def create_api_key(connection: Connection, name: str) -> str:
    """Make a key and return it; the database has only its digest, so it cannot be shown again."""
    key = secrets.token_urlsafe(32)
    connection.execute(INSERT_KEY, [name, hashlib.sha256(key.encode()).digest()])
    return key
