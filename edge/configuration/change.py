"""A configuration that changes while the agent runs: what is applied at once, and what is not."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from contracts.errors import SettingsError
from edge.config import AgentConfig

log = logging.getLogger(__name__)

AT_ONCE: Final = ("batches", "camera", "sensors", "modem")
"""What can be applied without losing anything: only the parts concerned begin anew."""


class Change(NamedTuple):
    """What becomes of a new configuration."""

    config: AgentConfig  # what is true from now on
    applied: list[str]
    at_restart: list[str]  # what differs and waits for the agent's next start


def change(old: AgentConfig, new: AgentConfig) -> Change:
    """Tell what of a new configuration is applied at once."""
    differs = [
        name for name in AgentConfig.model_fields if getattr(old, name) != getattr(new, name)
    ]
    applied = [name for name in differs if name in AT_ONCE]
    at_restart = [name for name in differs if name not in AT_ONCE]
    if old.pictures and old.camera is None and new.camera and "pictures" not in at_restart:
        at_restart.append("pictures")  # their server starts with the agent, for a camera only
    config = old.model_copy(update={name: getattr(new, name) for name in applied})
    return Change(config, applied, at_restart)


class Followed:
    """The configuration's file, looked at now and then.

    Parameters
    ----------
    path
        The file.
    read
        Reads and checks the configuration as the agent's start did.
    """

    def __init__(self, path: Path, read: Callable[[], AgentConfig]) -> None:
        self._path = path
        self._read = read
        self._asked = threading.Event()
        self._known = self._last = self._stamp()
        self._said = ""

    def ask(self) -> None:
        """Read it at the next look, changed or not; may be called from a signal handler."""
        self._asked.set()

    def look(self, refused: Callable[[str], None]) -> AgentConfig | None:
        """Give the configuration if its file has changed and can be used, else None.

        A changed file is read when it was the same at two looks: whoever writes it is done then.
        `refused` is told what is wrong with one that cannot be used, once.
        """
        stamp, before = self._stamp(), self._last
        self._last = stamp
        settled = stamp is not None and stamp == before and stamp != self._known
        if not (settled or self._asked.is_set()):
            return None
        self._asked.clear()
        self._known = stamp
        try:
            config = self._read()
        except SettingsError as fault:
            if str(fault) != self._said:
                self._said = str(fault)
                log.warning("the configuration stays as it was: %s", self._said)
                refused(self._said)
            return None
        self._said = ""
        return config

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            said = self._path.stat()
        except OSError:  # an editor that puts another file in its place is between two steps
            return None
        return said.st_mtime_ns, said.st_size, said.st_ino
