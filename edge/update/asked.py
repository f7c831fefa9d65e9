"""Updates that the platform asks for, beside the agent's work."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from contracts.events import UPDATE_DONE, UPDATE_FAILED
from contracts.messages import InstallVersion
from contracts.version import __version__
from edge.commands import RefusedError
from edge.threads import Failed, start_thread
from edge.update.settings import Update
from edge.update.updater import UpdateError, Updater

log = logging.getLogger(__name__)


class AskedUpdates:
    """Installs versions, if the box's configuration says how.

    Parameters
    ----------
    settings
        How; None: not at all.
    file
        Where what is under way is kept.
    say
        Told the kind of an event and its text.
    stop
        Ends the agent, so that it is started anew.
    failed
        Told what the installing thread died of.
    """

    def __init__(
        self,
        settings: Update | None,
        file: Path,
        *,
        say: Callable[[str, str], None],
        stop: Callable[[], None],
        failed: Failed,
    ) -> None:
        self._say, self._stop, self._failed = say, stop, failed
        self._updater = None if settings is None else Updater(settings, file, self._tell)

    def started(self) -> None:
        """Count this start; stop again if the version before is back."""
        if self._updater is not None and self._updater.started():
            self._stop()

    def look(self, *, well: bool) -> None:
        """Say whether the agent does well now; stop if its version is given up."""
        if self._updater is not None and self._updater.look(well=well):
            self._stop()

    def install(self, do: InstallVersion) -> dict[str, Any]:
        """Begin to install a version; it is on trial after the restart.

        Raises
        ------
        RefusedError
            If nothing says how.
        """
        if self._updater is None:
            msg = "the box's configuration has no `update`"
            raise RefusedError(msg)
        start_thread("update", partial(self._begin, self._updater, do.version), self._failed)
        return {"installing": do.version, "instead_of": __version__}

    def _begin(self, updater: Updater, version: str) -> None:
        try:
            updater.begin(version)
        except UpdateError as fault:
            log.warning("version %s is not installed: %s", version, fault)
            self._tell(version, str(fault))
            return
        self._stop()

    def _tell(self, version: str, reason: str) -> None:
        if reason:
            self._say(UPDATE_FAILED, f"{version}: {reason}")
        else:
            self._say(UPDATE_DONE, version)
