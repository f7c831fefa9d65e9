"""What the agent tells systemd, by the protocol of sd_notify(3); without systemd nothing.

References
----------
https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

PATIENCE: Final = 1.0
"""How long a full socket is waited for; the agent has other things to do. [s]"""


class Supervisor:
    """Who has started us and wants to hear how it goes, if anybody does."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = given.get("NOTIFY_SOCKET", "")
        self._said = ""

    def tell(self, **words: str) -> None:
        """Send words such as ``READY="1"``; who cannot be told has no need to know."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(f"{key}={value}" for key, value in words.items()).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(PATIENCE)
                line.sendto(message, name)
        except OSError as fault:
            log.debug("systemd was not told: %s", fault)

    def alive(self, status: str) -> None:
        """Say that we are well; what `systemctl status` shows is said when it changes."""
        words = {"WATCHDOG": "1"}
        if status != self._said:
            self._said = status
            words["STATUS"] = status.replace("\n", " ")
        self.tell(**words)
