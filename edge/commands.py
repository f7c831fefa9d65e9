"""Commands from the platform: each is done once, and answered as often as it is asked."""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from contracts.clock import Clock
from contracts.messages import COMMAND, DO, ENCODER, Do, LogLevel, Result

log = logging.getLogger(__name__)

WAITING: Final = 100
"""Commands that wait to be done. Full: the oldest is not done, and not answered."""
REMEMBERED: Final = 200
"""Results that are given again when a command comes again; then the oldest is forgotten."""


class RefusedError(Exception):
    """An agent does not do that; the text says why."""


class Commands:
    """Does what is asked for, in the thread of whoever calls `work`.

    Parameters
    ----------
    actions
        What does each kind of command; gives what is answered, or raises `RefusedError`.
    """

    def __init__(
        self,
        actions: Mapping[type[Do], Callable[[Any], dict[str, Any]]],
        *,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._actions: dict[type[Do], Callable[[Any], dict[str, Any]]]
        self._actions = {LogLevel: self._set_level, **actions}
        self._clock = clock
        self._monotonic = monotonic
        self._heard = deque[tuple[bytes, bytes]](maxlen=WAITING)
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._usual: int | None = None  # level of the log, while another is set
        self._until = 0.0  # for so long it is, monotonic [s]

    def hear(self, payload: bytes, correlation: bytes) -> None:
        """Note a command; safe in any thread."""
        self._heard.append((payload, correlation))

    def work(self) -> Iterator[tuple[bytes, bytes]]:
        """Do what was heard; yield each result with the correlation data of its command."""
        if self._usual is not None and self._monotonic() >= self._until:
            self._restore_level()
        while self._heard:
            payload, correlation = self._heard.popleft()
            try:
                command = COMMAND.decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
                log.warning("a command is no message: %s", fault)
                continue
            if command.id not in self._results:
                self._results[command.id] = self._do(command.id, command.do)
                if len(self._results) > REMEMBERED:
                    self._results.popitem(last=False)
            yield ENCODER.encode(self._results[command.id]), correlation

    def close(self) -> None:
        """Set the log back to its usual level."""
        if self._usual is not None:
            self._restore_level()

    def _do(self, ident: str, raw: msgspec.Raw) -> Result:
        try:
            do = DO.decode(raw)
            answer = self._actions[type(do)](do)
        except (msgspec.MsgspecError, RefusedError) as fault:
            log.warning("command %s is refused: %s", ident, fault)
            return Result(id=ident, state="refused", reason=str(fault), at=self._clock())
        log.info("command %s is done: %s", ident, type(do).__name__)
        return Result(id=ident, state="done", answer=answer, at=self._clock())

    def _set_level(self, do: LogLevel) -> dict[str, Any]:
        root = logging.getLogger()
        if self._usual is None:
            self._usual = root.level
        root.setLevel(do.level.upper())
        self._until = self._monotonic() + 60 * do.minutes
        return {"usual": logging.getLevelName(self._usual).lower()}

    def _restore_level(self) -> None:
        if self._usual is not None:
            logging.getLogger().setLevel(self._usual)
        self._usual = None
