"""Threads whose death does not go unnoticed."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Failed = Callable[[Exception], None]


def start_thread(name: str, target: Callable[[], None], failed: Failed) -> threading.Thread:
    """Run a target in a thread; if it raises, say so and tell the agent."""

    def run() -> None:
        try:
            target()
        except Exception as fault:  # the border of the thread: reported, then the agent stops
            log.critical("%s stopped: %s", name, fault, exc_info=fault)
            failed(fault)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
