"""The file of the outbox: made, opened, owned by one agent, set aside when it is broken.

SQLite in WAL mode with ``synchronous=FULL``: each commit is on the disk before anybody may
publish what it holds. With NORMAL a power cut could take back batches that were sent already, and
their numbers with them; another batch would then bear a number that ingest has seen.

The log is copied into the file after every `LOG_PAGES`, and when the disk is full: it then begins
anew in the room that it has already, so that what is durable can make room for what comes.
"""

import logging
import sqlite3
from pathlib import Path
from typing import Final
from uuid import UUID

from edge.errors import OutboxError

log = logging.getLogger(__name__)

FORMAT: Final = 1
LOG_PAGES: Final = 250
"""Pages of 4 KiB after which the log begins anew: a full disk must not be full of the log."""

SCHEMA: Final = """
BEGIN;
CREATE TABLE owner (device TEXT NOT NULL);
CREATE TABLE boot (boot BLOB PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,     -- the order of their age
    boot BLOB NOT NULL,
    seq INTEGER NOT NULL,
    stream TEXT NOT NULL,
    priority INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created INTEGER NOT NULL,                 -- [us] since the epoch
    payload BLOB NOT NULL,
    UNIQUE (boot, seq)
);
CREATE INDEX batch_drop ON batch (priority, id);
-- Numbers [first, until) were dropped; carrier is the batch of the same boot that reports it.
CREATE TABLE gone (
    boot BLOB NOT NULL,
    first INTEGER NOT NULL,
    until INTEGER NOT NULL,
    reason TEXT NOT NULL,
    carrier INTEGER,
    PRIMARY KEY (boot, first)
) WITHOUT ROWID;
CREATE INDEX gone_carrier ON gone (boot, carrier);
CREATE TABLE dropped (stream TEXT PRIMARY KEY, batches INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
COMMIT;
"""


def open_file(path: Path, device: str, boot: UUID, max_pages: int | None) -> sqlite3.Connection:
    """Open the outbox's file for this boot of this device.

    A file that is broken is set aside as ``*.corrupt``, in the place of an older such file, and a
    new one is begun.

    Raises
    ------
    OutboxError
        If another agent uses it, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            db = _connect(path)
        except sqlite3.DatabaseError as fault:
            if _code(fault) not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise
            _set_aside(path, fault)
            db = _connect(path)
    except (OSError, sqlite3.OperationalError) as fault:
        busy = isinstance(fault, sqlite3.Error) and _code(fault) == sqlite3.SQLITE_BUSY
        why = "another agent uses it; give each its own outbox.path" if busy else f"{fault}"
        msg = f"outbox {path}: {why}"
        raise OutboxError(msg) from fault
    if max_pages is not None:
        db.execute(f"PRAGMA max_page_count={max_pages:d}")
    try:
        _own(db, path, device, boot)
    except BaseException:
        db.close()
        raise
    return db


def is_full(fault: sqlite3.OperationalError) -> bool:
    """Whether the disk, or the bound of the file, has no room; or the disk fails."""
    return _code(fault) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def begin_log_anew(db: sqlite3.Connection) -> bool:
    """Copy the log into the file, so that it is written from its beginning; False: no room."""
    try:
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    except sqlite3.OperationalError as fault:
        if not is_full(fault):
            raise
        return False
    return not busy


def _code(fault: sqlite3.Error) -> int:
    return fault.sqlite_errorcode & 0xFF  # without the extension


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        db.execute("BEGIN IMMEDIATE")  # takes the lock and keeps it
        db.execute("COMMIT")
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        fault = sqlite3.DatabaseError(found)
        fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise fault
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in {0, FORMAT}:
        msg = f"outbox {path} has format {version}, this agent knows {FORMAT}; move it away"
        raise OutboxError(msg)
    if version == 0:
        db.executescript(SCHEMA)


def _set_aside(path: Path, fault: sqlite3.DatabaseError) -> None:
    aside = path.with_name(f"{path.name}.corrupt")
    log.error("outbox %s is broken (%s): set aside as %s, begun anew", path, fault, aside)
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(f"{aside}{suffix}")


def _own(db: sqlite3.Connection, path: Path, device: str, boot: UUID) -> None:
    owner = db.execute("SELECT device FROM owner").fetchone()
    if owner is None:
        db.execute("INSERT INTO owner VALUES (?)", (device,))
    elif owner[0] != device:
        msg = f"outbox {path} is that of {owner[0]}, not of {device}; give another outbox.path"
        raise OutboxError(msg)
    db.execute(
        "DELETE FROM boot WHERE boot NOT IN (SELECT boot FROM batch)"
        " AND boot NOT IN (SELECT boot FROM gone)"
    )
    db.execute("INSERT OR IGNORE INTO boot VALUES (?, 0)", (boot.bytes,))
