"""Renews the certificate long before it runs out: nobody drives to a cabinet for that."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contracts.clock import Clock, from_micros
from edge.backoff import Backoff
from edge.identity.enroll import renew, renewal_is_due
from edge.identity.folder import IdentityError

log = logging.getLogger(__name__)

PERIOD: Final = 6 * 3600.0
"""Time between two looks at the certificate. [s]"""
SOONEST: Final = 60.0
"""Time to the next attempt after a failed one; doubled up to the period. [s]"""


class Keeper:
    """Keeps the identity of a box in force.

    Parameters
    ----------
    folder
        Where it is.
    renewed
        Told the file with the new key and certificate.
    """

    def __init__(self, folder: Path, renewed: Callable[[Path], None], clock: Clock) -> None:
        self._folder, self._renewed, self._clock = folder, renewed, clock
        self._failing = False

    def run(self, stopping: threading.Event) -> None:
        """Look now and then until it is time to stop."""
        backoff = Backoff(SOONEST, PERIOD)
        pause = 0.0
        while not stopping.wait(pause):
            pause = PERIOD if self.look() else backoff.next()
            if not self._failing:
                backoff.reset()

    def look(self) -> bool:
        """Renew the certificate if that is due; False if it should have been and was not."""
        try:
            if not renewal_is_due(self._folder, from_micros(self._clock())):
                return True
            found = renew(self._folder)
        except (IdentityError, OSError, ValueError) as fault:
            if not self._failing:
                log.warning("the certificate is not renewed: %s; it is tried again", fault)
            self._failing = True
            return False
        self._failing = False
        self._renewed(found.pair)
        log.info("the certificate is renewed, until %s", found.expires.date())
        return True
