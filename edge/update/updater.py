"""Install a version by the operator's own program; go back if the new one does not prove itself.

What is under way lies in a file beside the outbox. Each start of the agent counts in it before
anything else is done, so a version that dies at its start is found out, too.
"""

import logging
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from contracts.version import __version__
from edge.durable_file import write_durably
from edge.errors import EdgeError
from edge.update.settings import Update

log = logging.getLogger(__name__)

STARTS: Final = 3
"""A version that was started so often without proving itself does not."""
LAST_WORDS: Final = 500
"""Letters of what the program said that are told."""


class UpdateError(EdgeError):
    """The version was not installed; the old one goes on."""


class Pending(msgspec.Struct, frozen=True):
    """An update that has not proved itself."""

    before: str  # version
    wanted: str
    starts: int = 0


class Updater:
    """Updates of one agent.

    Parameters
    ----------
    settings
        The program, and how long the new version has.
    file
        Where what is under way is kept.
    tell
        Told what became of an update: the version, and why not, empty if it is in force.
    """

    def __init__(
        self,
        settings: Update,
        file: Path,
        tell: Callable[[str, str], None],
        *,
        version: str = __version__,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._file = file
        self._tell = tell
        self._version = version
        self._monotonic = monotonic
        self._began = monotonic()
        self._well_since: float | None = None
        self._pending = self._read()

    def begin(self, wanted: str) -> None:
        """Install a version; the agent must be started anew after that.

        Raises
        ------
        UpdateError
            If it was not installed, or another update is under way.
        """
        if self._pending is not None:
            msg = f"{self._pending.wanted} is on trial; wait until it has proved itself"
            raise UpdateError(msg)
        if wanted == self._version:
            msg = f"{wanted} is what runs"
            raise UpdateError(msg)
        pending = Pending(self._version, wanted)
        self._write(pending)
        try:
            self._run("install", wanted)
        except UpdateError:
            self._file.unlink()
            raise
        self._pending = pending
        log.info("version %s is installed, and is on trial from the next start", wanted)

    def started(self) -> bool:
        """Count this start; True if the agent must be started anew because it went back."""
        pending = self._pending
        if pending is None:
            return False
        if self._version != pending.wanted:
            self._over(f"{self._version} was started instead")
            return False
        if pending.starts >= STARTS:
            self._restore(f"it was started {pending.starts} times and never did well")
            return True
        self._pending = msgspec.structs.replace(pending, starts=pending.starts + 1)
        self._write(self._pending)
        return False

    def look(self, *, well: bool) -> bool:
        """Say whether the agent does well now; True if it must be started anew."""
        if self._pending is None or self._pending.wanted != self._version:
            return False
        now = self._monotonic()
        if not well:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
        if self._well_since is not None and now - self._well_since >= self._settings.healthy_for_s:
            self._over("")
            return False
        if now - self._began < self._settings.within_s:
            return False
        self._restore(f"it did not do well within {self._settings.within_s:.0f} s")
        return True

    def _restore(self, reason: str) -> None:
        pending = self._pending
        if pending is None:
            raise AssertionError
        try:
            self._run("restore", pending.before)
        except UpdateError as fault:
            reason = f"{reason}; and {fault}"
        self._over(reason)

    def _over(self, reason: str) -> None:
        pending = self._pending
        if pending is None:
            raise AssertionError
        self._file.unlink()
        self._pending = None
        if reason:
            log.error("version %s is given up: %s", pending.wanted, reason)
        else:
            log.info("version %s has proved itself", pending.wanted)
        self._tell(pending.wanted, reason)

    def _run(self, what: str, version: str) -> None:
        command = [*self._settings.command, what, version]
        try:
            done = subprocess.run(  # noqa: S603  # the installer's own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._settings.timeout_s,
                text=True,
                errors="replace",
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            msg = f"{command[0]} {what} failed: {fault}"
            raise UpdateError(msg) from fault
        if done.returncode != 0:
            said = done.stdout.strip()[-LAST_WORDS:]
            msg = f"{command[0]} {what} ended with {done.returncode}: {said}"
            raise UpdateError(msg)

    def _read(self) -> Pending | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Pending)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as fault:
            log.warning("%s cannot be read: %s; no update is on trial", self._file, fault)
            return None

    def _write(self, pending: Pending) -> None:
        write_durably(self._file, msgspec.json.encode(pending), 0o600)
