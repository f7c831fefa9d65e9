"""Faults that nobody foresaw: where they arose, told in the log and in a dead letter."""

import hashlib
import logging
import time
import traceback
from collections.abc import Callable
from typing import Final

from contracts.topics import is_ours
from ingest.inbox import Delivery
from ingest.judge import Judged, refuse, stated_name

log = logging.getLogger(__name__)

FRAMES: Final = 3
"""Innermost places of a traceback that are told."""
QUIET: Final = 60.0
"""How long a fault of the same place is counted only, once it was logged. [s]"""


def place(fault: BaseException) -> str:
    """Where a fault arose, by the names of modules and functions: a path would tell of the machine.

    >>> try:
    ...     {}["x"]
    ... except KeyError as fault:
    ...     place(fault).rpartition(" ")[2]
    '<module>'
    """
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(fault.__traceback__)
    ]
    return " > ".join(frames[-FRAMES:])


def told(fault: BaseException) -> str:
    """Kind, place and text of a fault."""
    return f"{type(fault).__name__} at {place(fault)}: {fault}"


class Unforeseen:
    """Tells of such faults: of each place at most once a minute, with how many there were."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said: dict[tuple[type[Exception], str], tuple[float, int]] = {}  # as many as places

    def tell(self, fault: Exception, topic: str) -> str:
        """Log a fault with its traceback; give its kind, place and text."""
        key = type(fault), place(fault)
        now = self._monotonic()
        said, more = self._said.get(key, (-QUIET, 0))
        if now - said >= QUIET:
            log.error(
                "a message on %s is not understood by our own code (%d more since it was last "
                "said): it becomes a dead letter", topic, more, exc_info=fault,
            )  # fmt: skip
            self._said[key] = now, 0
        else:
            self._said[key] = said, more + 1
        return told(fault)


def not_judged(delivery: Delivery, detail: str) -> Judged:
    """Make a message whose judging failed a dead letter, by what stands beside its bytes alone."""
    boot, seq = stated_name(delivery.properties)
    topic = delivery.topic
    message = Judged(
        delivery=delivery,
        identity="/".join(topic.split("/")[2:4]) if is_ours(topic) else "",
        boot=boot,
        seq=seq,
        stream="",
        digest=hashlib.sha256(delivery.payload).digest(),
        batch=None,
        letters=(),
    )
    return refuse(message, "cannot-be-judged", detail)
