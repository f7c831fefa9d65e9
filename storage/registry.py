"""Who measures where, what metrics are called, and who may read: sites, devices, metrics, keys."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Final, NamedTuple

from contracts.metrics import explain
from contracts.site import Site
from storage.errors import StorageError
from storage.pool import Connection

MAX_METRICS: Final = 30_000
"""Names that may wait or be known; a device that invents more is not followed."""

UPSERT_SITE: Final = """
INSERT INTO site (pilot, name, plan) VALUES (%(pilot)s, %(name)s, %(plan)s)
ON CONFLICT (pilot, name) DO UPDATE SET plan = EXCLUDED.plan, updated_at = now()
RETURNING site"""
# What is not said stays as it was.
UPSERT_DEVICES: Final = """
INSERT INTO device AS present (pilot, name, site, kind, streams)
SELECT %(pilot)s, name, %(site)s, coalesce(kind, ''), nullif(%(streams)s::text[], '{}')
FROM unnest(%(names)s::text[], %(kinds)s::text[]) AS i(name, kind) ORDER BY name
ON CONFLICT (pilot, name) DO UPDATE SET site = EXCLUDED.site,
    retired_at = CASE WHEN %(revive)s THEN NULL ELSE present.retired_at END,
    kind = CASE WHEN EXCLUDED.kind = '' THEN present.kind ELSE EXCLUDED.kind END,
    streams = CASE WHEN %(streams)s::text[] IS NULL THEN present.streams ELSE EXCLUDED.streams END
RETURNING name, device"""
RETIRE_DEVICE: Final = """
UPDATE device SET retired_at = coalesce(retired_at, now()) WHERE pilot = %s AND name = %s
RETURNING device"""
FIND_SITE: Final = "SELECT site FROM site WHERE pilot = %s AND name = %s"
FIND_DEVICES: Final = """
SELECT pilot || '/' || name, device, site, streams FROM device
WHERE (pilot, name) IN (SELECT * FROM unnest(%s::text[], %s::text[])) AND retired_at IS NULL"""
INSERT_KEY: Final = "INSERT INTO api_key (name, digest, scopes) VALUES (%s, %s, %s)"
FIND_METRICS: Final = "SELECT name, metric FROM metric WHERE name = ANY(%s)"
ADD_METRICS: Final = """
INSERT INTO metric (name, unit, low, high, pending)
SELECT name, unit, low, high, unit IS NULL
FROM unnest(%(names)s::text[], %(units)s::text[], %(lows)s::float8[], %(highs)s::float8[])
    AS i(name, unit, low, high)
ORDER BY name
LIMIT greatest(0, %(most)s - (SELECT count(*) FROM metric))
ON CONFLICT (name) DO NOTHING"""
# Of a unit that nobody has given the metric yet, what a sender states is what we believe.
AGREE_UNITS: Final = """
WITH stated AS (
    SELECT name, unit FROM unnest(%(names)s::text[], %(units)s::text[]) AS i(name, unit)
), put AS (
    UPDATE metric m SET unit = stated.unit FROM stated
    WHERE m.name = stated.name AND m.unit IS NULL RETURNING m.name, m.unit
)
SELECT m.name, coalesce(put.unit, m.unit) FROM metric m LEFT JOIN put USING (name)
WHERE m.name = ANY(%(names)s)"""
READ_RANGES: Final = """
SELECT metric, low, high FROM metric WHERE low IS NOT NULL OR high IS NOT NULL ORDER BY metric"""


class UnknownSiteError(StorageError):
    """A device cannot stand where no site is registered."""


class Device(NamedTuple):
    """A registered device: its number and its site's."""

    device: int
    site: int
    streams: frozenset[str] | None = None  # that it may send; None: all


def register_site(connection: Connection, plan: Site) -> int:
    """Write a site and the devices that its plan names, or bring them up to date.

    A device that was retired stays retired.
    """
    document = json.dumps(plan.model_dump(mode="json"), ensure_ascii=False)
    with connection.transaction():
        row = connection.execute(
            UPSERT_SITE, {"pilot": plan.pilot, "name": plan.id, "plan": document}
        ).fetchone()
        assert row is not None  # noqa: S101  # RETURNING of an upsert gives a row
        site = int(row[0])
        _upsert_devices(connection, plan.pilot, site, _kinds(plan), revive=False)
    return site


def register_device(
    connection: Connection,
    *,
    pilot: str,
    site: str,
    name: str,
    kind: str | None = None,
    streams: Iterable[str] | None = None,
) -> int:
    """Write one device, or move it to this site, and put it in service; return its number.

    Parameters
    ----------
    kind, streams
        What it is, and which streams it may send, empty for all; None leaves what was said before.

    Raises
    ------
    UnknownSiteError
        If the pilot has no such site.
    """
    found = connection.execute(FIND_SITE, [pilot, site]).fetchone()
    if found is None:
        msg = f"{pilot} has no site {site!r}: register its site.toml first"
        raise UnknownSiteError(msg)
    kinds = {name: kind}
    return _upsert_devices(connection, pilot, found[0], kinds, streams, revive=True)[name]


def retire_device(connection: Connection, *, pilot: str, name: str) -> bool:
    """Take a device out of service, until it is registered again; False: there is none."""
    return connection.execute(RETIRE_DEVICE, [pilot, name]).fetchone() is not None


def _upsert_devices(
    connection: Connection,
    pilot: str,
    site: int,
    kinds: Mapping[str, str | None],
    streams: Iterable[str] | None = None,
    *,
    revive: bool,
) -> dict[str, int]:
    given = {
        "revive": revive,
        "pilot": pilot,
        "site": site,
        "names": list(kinds),
        "kinds": list(kinds.values()),
        "streams": None if streams is None else sorted(set(streams)),
    }
    return dict(connection.execute(UPSERT_DEVICES, given).fetchall())


def _kinds(plan: Site) -> dict[str, str | None]:
    """Devices of a plan, and what the plan says that they are."""
    kinds: dict[str, str | None] = dict.fromkeys(plan.devices)
    if plan.signal_device:
        kinds[plan.signal_device] = "controller"
    return kinds | {camera.device: "camera" for camera in plan.cameras}


def find_devices(connection: Connection, identities: Iterable[str]) -> dict[str, Device]:
    """Find the devices in service among these identities (`pilot/device`)."""
    pairs = [identity.split("/", 1) for identity in identities]
    pilots, names = [p for p, _ in pairs], [n for _, n in pairs]
    rows = connection.execute(FIND_DEVICES, [pilots, names]).fetchall()
    return {
        identity: Device(device, site, None if streams is None else frozenset(streams))
        for identity, device, site, streams in rows
    }


def metric_numbers(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Numbers of these metrics; a new name becomes one, unless there are too many.

    What the platform itself sends is explained at once, any other name is pending.
    """
    wanted = sorted(set(names))
    found: dict[str, int] = dict(connection.execute(FIND_METRICS, [wanted]).fetchall())
    missing = [name for name in wanted if name not in found]
    if missing:
        explained = [explain(name) for name in missing]
        given = {
            "names": missing,
            "units": [metric and metric.unit for metric in explained],
            "lows": [metric and _bound(metric.low) for metric in explained],
            "highs": [metric and _bound(metric.high) for metric in explained],
            "most": MAX_METRICS,
        }
        connection.execute(ADD_METRICS, given)
        found |= dict(connection.execute(FIND_METRICS, [missing]).fetchall())
    return found


def metric_ranges(connection: Connection) -> list[tuple[int, float | None, float | None]]:
    """Read the metrics that have a plausible range: number, low, high; None is no bound."""
    rows = connection.execute(READ_RANGES).fetchall()
    return [(metric, low, high) for metric, low, high in rows]


def _bound(value: float) -> float | None:
    return value if isfinite(value) else None


def agree_units(connection: Connection, stated: Mapping[str, str]) -> dict[str, str]:
    """Give metrics without a unit the one that is stated; return the units of all of these."""
    if not stated:
        return {}
    given = {"names": list(stated), "units": list(stated.values())}
    return dict(connection.execute(AGREE_UNITS, given).fetchall())


def create_api_key(connection: Connection, name: str, scopes: Iterable[str] = ()) -> str:
    """Make a key and return it; the database has only its digest, so it cannot be shown again."""
    key = secrets.token_urlsafe(32)
    connection.execute(INSERT_KEY, [name, hashlib.sha256(key.encode()).digest(), sorted(scopes)])
    return key
