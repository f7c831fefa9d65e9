"""Commands from the platform: each is done once, and answered as often as it is asked."""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from contracts.clock import Clock
from contracts.messages import COMMAND, DO, ENCODER, NO_MESSAGE, Command, Do, LogLevel, Result

log = logging.getLogger(__name__)

WAITING: Final = 100
"""Commands that wait to be done. Full: the oldest is not done, and not answered."""
REMEMBERED: Final = 200
"""Results that are given again when a command comes again; then the oldest is forgotten."""
AT_ONCE: Final = 2
"""Slow commands under way; more are refused."""
Action = Callable[[Any], dict[str, Any]]


class RefusedError(Exception):
    """An agent does not do that; the text says why."""


class Commands:
    """Does what is asked for, in the thread of whoever calls `work` unless it takes long.

    Parameters
    ----------
    actions
        What does each kind of command; gives what is answered, or raises `RefusedError`.
    slow
        The same of those that take long: each is done in a thread of its own, and if that dies,
        the command is refused and the agent measures on.
    """

    def __init__(
        self,
        actions: Mapping[type[Do], Action],
        *,
        slow: Mapping[type[Do], Action],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._actions: dict[type[Do], Action] = {LogLevel: self._set_level, **actions}
        self._slow = slow
        self._clock = clock
        self._monotonic = monotonic
        self._heard = deque[tuple[bytes, bytes]](maxlen=WAITING)
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._asking: dict[str, list[bytes]] = {}  # who waits for a slow command, by its id
        self._finished = deque[Result](maxlen=AT_ONCE)  # never full: no more are under way
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
            except NO_MESSAGE as fault:
                log.warning("a command is no message: %s", fault)
                continue
            if command.id in self._asking:
                waiting = self._asking[command.id]
                if len(waiting) < WAITING:
                    waiting.append(correlation)
                continue
            known = self._results.get(command.id) or self._begin(command, correlation)
            if known is not None:
                yield ENCODER.encode(known), correlation
        while self._finished:
            result = self._finished.popleft()
            self._remember(result)
            for correlation in self._asking.pop(result.id):
                yield ENCODER.encode(result), correlation

    def close(self) -> None:
        """Set the log back to its usual level."""
        if self._usual is not None:
            self._restore_level()

    def _begin(self, command: Command, correlation: bytes) -> Result | None:
        """Do a command; None if that goes on in a thread of its own."""
        try:
            do = DO.decode(command.do)
        except NO_MESSAGE as fault:
            return self._remember(self._refused(command.id, fault))
        if (slow := self._slow.get(type(do))) is None:
            return self._remember(self._do(command.id, do, self._actions[type(do)]))
        if len(self._asking) >= AT_ONCE:
            busy = RefusedError(f"{AT_ONCE} such commands are under way; ask again")
            return self._remember(self._refused(command.id, busy))
        self._asking[command.id] = [correlation]

        def work() -> None:
            try:
                result = self._do(command.id, do, slow)
            except Exception as fault:
                log.exception("command %s cannot be done", command.id)
                result = self._refused(command.id, fault)
            self._finished.append(result)

        name = f"command {type(do).__name__}"
        threading.Thread(target=work, name=name, daemon=True).start()
        return None

    def _remember(self, result: Result) -> Result:
        self._results[result.id] = result
        if len(self._results) > REMEMBERED:
            self._results.popitem(last=False)
        return result

    def _do(self, ident: str, do: Do, action: Action) -> Result:
        try:
            answer = action(do)
        except RefusedError as fault:
            return self._refused(ident, fault)
        log.info("command %s is done: %s", ident, type(do).__name__)
        return Result(id=ident, state="done", answer=answer, at=self._clock())

    def _refused(self, ident: str, fault: Exception) -> Result:
        log.warning("command %s is refused: %s", ident, fault)
        return Result(id=ident, state="refused", reason=str(fault), at=self._clock())

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
