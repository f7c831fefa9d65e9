"""Pixelated pictures of what happened: a bounded folder beside the outbox."""

import logging
import re
import threading
from pathlib import Path
from typing import Final, NamedTuple

from contracts.clock import MICROSECONDS, Clock
from edge.durable_file import write_durably

log = logging.getLogger(__name__)

DAY: Final = 86_400 * MICROSECONDS
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_FILE: Final = re.compile(r"(\d{1,17})_([A-Za-z0-9-]{1,64})\.jpg")


class Snapshot(NamedTuple):
    """One picture that is kept."""

    id: str
    captured: int  # [us]
    size: int  # [B]


class Snapshots:
    """Keeps pictures by id; the oldest go when there are too many bytes, or when they are too old.

    Parameters
    ----------
    folder
        Of nothing else; made when the first picture comes.
    max_bytes
        Of all pictures together.
    days
        For which a picture is kept, by when it was captured.
    """

    def __init__(self, folder: Path, *, max_bytes: int, days: float, clock: Clock) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._days = days
        self._clock = clock
        self._lock = threading.Condition()

    def put(self, name: str, captured: int, jpeg: bytes) -> bool:
        """Keep a picture; a second one with the same id is not taken. Whether it is kept."""
        if not _NAME.fullmatch(name) or len(jpeg) > self._max_bytes:
            return False
        with self._lock:
            if self._find(name) is not None:
                return False
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(self._folder / f"{captured}_{name}.jpg", jpeg, 0o600)
            self._prune()
            self._lock.notify_all()
            return self._find(name) is not None

    def wait(self, name: str, patience: float) -> Snapshot | None:
        """Give a picture that is to come, waiting for it for so long [s]."""

        def found() -> Snapshot | None:
            return next((each for each, _ in self._list() if each.id == name), None)

        with self._lock:
            return self._lock.wait_for(found, patience)

    def all(self) -> list[Snapshot]:
        """Give what is kept, newest first."""
        with self._lock:
            self._prune()
            return [snapshot for snapshot, _ in reversed(self._list())]

    def read(self, name: str) -> bytes | None:
        """Picture with an id; None if there is none."""
        with self._lock:
            self._prune()
            path = self._find(name)
            return None if path is None else path.read_bytes()

    def _find(self, name: str) -> Path | None:
        return next((path for snapshot, path in self._list() if snapshot.id == name), None)

    def _list(self) -> list[tuple[Snapshot, Path]]:
        """Give what there is, oldest first."""
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        found = [
            (Snapshot(match[2], int(match[1]), path.stat().st_size), path)
            for path in paths
            if (match := _FILE.fullmatch(path.name))
        ]
        return sorted(found, key=lambda each: each[0].captured)

    def _prune(self) -> None:
        kept = self._list()
        total = sum(snapshot.size for snapshot, _ in kept)
        oldest = self._clock() - self._days * DAY
        for snapshot, path in kept:
            if snapshot.captured >= oldest and total <= self._max_bytes:
                return
            path.unlink()
            total -= snapshot.size
            log.info("snapshot %s is not kept any longer", snapshot.id)
