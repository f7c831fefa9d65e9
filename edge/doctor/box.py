"""The box itself: processor, memory, clock, disk, outbox."""

import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psutil

from contracts.chrony import clock_quality
from contracts.clock import MICROSECONDS, from_micros, utc_now
from edge.config import AgentConfig
from edge.doctor.finding import Finding, bad, good, note

MEMORY: Final = 350 << 20
"""What an agent with a detector may need. [bytes]"""
HOT: Final = 85.0
"""Temperature at which processors slow down, about. [°C]"""
OFFSET: Final = 0.1
"""Offset of the clock beyond which times of capture are visibly wrong. [s]"""
LONG_AGO: Final = 1_700_000_000 * MICROSECONDS
"""A clock that shows less was never set. [us]"""
_WORK_PER_FILE: Final = 2.0  # the file and its log together may take so much of its bound


def machine(config: AgentConfig) -> Iterator[Finding]:
    """Processor, memory and temperature."""
    del config  # is the same for all
    cores, free = os.cpu_count() or 1, psutil.virtual_memory().available
    detail = f"{platform.machine()}, {cores} cores, {free >> 20} MiB free, load {_load():.1f}"
    if free < MEMORY:
        yield bad("machine", detail, f"End what needs memory; {MEMORY >> 20} MiB must be free.")
    elif _load() > cores:
        yield note("machine", detail, "Something needs more than there is; look with `top`.")
    else:
        yield good("machine", detail)
    hottest = max(
        (one.current for group in psutil.sensors_temperatures().values() for one in group),
        default=None,
    )
    if hottest is not None and hottest >= HOT:
        fix = "Shade the cabinet, clean its filters, or let it look at fewer frames."
        yield note("heat", f"{hottest:.0f} °C", fix)


def clock(config: AgentConfig) -> Iterator[Finding]:
    """Whether the times of capture can be believed."""
    del config
    now = utc_now()
    shown = f"{from_micros(now):%Y-%m-%d %H:%M:%S} UTC"
    quality = clock_quality()
    if now < LONG_AGO:
        yield bad("clock", shown, "It was never set: give the box NTP, or a GNSS receiver.")
    elif quality.offset is None or quality.error is None:
        fix = "Install and start chrony; without it nobody knows how wrong the times are."
        yield note("clock", f"{shown}, of unknown error", fix)
    elif abs(quality.offset) + quality.error > OFFSET:
        detail = f"{shown}, {quality.offset:+.3f} s off, error up to {quality.error:.3f} s"
        yield bad("clock", detail, "See `chronyc sources`; a server nearer to the box helps.")
    else:
        yield good("clock", f"{shown}, error up to {1e3 * quality.error:.0f} ms")


def disk(config: AgentConfig) -> Iterator[Finding]:
    """Whether the outbox may grow as far as it is allowed to."""
    folder = _nearest(config.outbox.path.absolute().parent)
    free = shutil.disk_usage(folder).free
    size = config.outbox.path.stat().st_size if config.outbox.path.exists() else 0
    needed = _WORK_PER_FILE * config.outbox.max_bytes - size
    detail = f"{free >> 20} MiB free in {folder}"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        fix = f"Let {_user()} write there, or set outbox.path to another folder."
        yield bad("disk", f"{folder}: {fault.strerror}", fix)
        return
    if free < needed:
        fix = f"Free {int(needed - free) >> 20} MiB, or lower outbox.max_bytes."
        yield note("disk", f"{detail}, a full outbox needs {int(needed) >> 20} MiB more", fix)
    else:
        yield good("disk", detail)


def outbox(config: AgentConfig) -> Iterator[Finding]:
    """Count what waits to be sent."""
    path = config.outbox.path
    if not path.exists():
        yield good("outbox", f"{path} is made at the first start")
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", 0.2, uri=True)) as db:
            count, oldest = db.execute("SELECT count(*), min(created) FROM batch").fetchone()
            (owner,) = db.execute("SELECT device FROM owner").fetchone() or (config.device,)
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            yield good("outbox", f"{path} is in use: an agent runs")
        else:
            fix = "See that the agent's user may read it; a broken one is set aside at the start."
            yield bad("outbox", f"{path}: {fault}", fix)
        return
    except sqlite3.DatabaseError as fault:
        fix = "The agent sets it aside at its start and begins a new one."
        yield note("outbox", f"{path} is broken: {fault}", fix)
        return
    if owner != config.device:
        yield bad("outbox", f"{path} is of {owner}", "Give each device an outbox.path of its own.")
    elif count:
        age = (utc_now() - oldest) / MICROSECONDS / 3600
        yield note("outbox", f"{count} batches wait, for up to {age:.1f} h", "Start the agent.")
    else:
        yield good("outbox", f"{path}: nothing waits")


def _load() -> float:
    return os.getloadavg()[0]


def _user() -> str:
    return psutil.Process().username()


def _nearest(folder: Path) -> Path:
    """Give the folder, or the nearest one above that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())
