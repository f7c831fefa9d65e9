"""Messages into the database, however often the database goes away."""

import logging
import random
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from contracts.clock import Clock
from contracts.topics import is_ours
from ingest.errors import StoppedError
from ingest.foreign.births import complete
from ingest.foreign.judge import Foreigner, Interpreter
from ingest.inbox import Delivery
from ingest.judge import Judged, judge, refuse, unnamed
from ingest.notices import Notice, is_notice, judge_notice
from ingest.prepare import Group, Message, groups
from ingest.registry import Registry
from ingest.rows import Encoded
from ingest.settings import ReplaySettings
from ingest.states import Change, is_state, judge_state
from ingest.store import Context, Stored, Tally, store
from ingest.unforeseen import Unforeseen, not_judged
from storage.errors import DatabaseError, DatabaseLostError, RefusedDataError
from storage.pool import Connection, connect

log = logging.getLogger(__name__)

BACKOFF: Final = (0.1, 5.0)
"""First and longest wait before the database is tried again, doubled in between. [s]"""


class Writer:
    """Commits groups of deliveries; a single thread's own."""

    def __init__(
        self,
        settings: ReplaySettings,
        clock: Clock,
        stopping: threading.Event,
        session: str = "",
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = stopping
        self._connection: Connection | None = None
        self.lost_since: int | None = None  # since when the database is away [us]
        self._context = Context(Registry(), settings.quota, clock)
        self._unforeseen = Unforeseen()
        self._interpreting = threading.Lock()  # one thread prepares, another commits
        self._interpreter = Interpreter(
            settings.sources, ahead=settings.clock_ahead_s, session=session
        )

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(self, deliveries: Sequence[Delivery]) -> Stored:
        """Commit what was delivered, whatever it is; wait for the database as long as it takes.

        Raises
        ------
        StoppedError
            If ingest is to stop while the database is away.
        """
        stored = Stored({}, Tally())
        for group in self.prepare(deliveries):
            merge(stored, self.commit(group))
        return stored

    def prepare(self, deliveries: Sequence[Delivery]) -> Iterator[Group]:
        """Judge and encode; in another thread than the one that commits, if that is wanted."""
        return groups(deliveries, self._judge, self._context.registry)

    def _judge(self, delivery: Delivery) -> Message:
        """Judge one message; whatever its bytes make of us, the others' must not wait for ever."""
        try:
            return self._judged(delivery)
        except MemoryError:  # that is not the message's fault
            raise
        except Exception as fault:  # noqa: BLE001  # whatever it is, the others go on
            return not_judged(delivery, self._unforeseen.tell(fault, delivery.topic))

    def _judged(self, delivery: Delivery) -> Message:
        if not is_ours(delivery.topic):
            with self._interpreting:
                return self._interpreter.judge(delivery)
        if is_state(delivery):
            return judge_state(delivery)
        if is_notice(delivery):
            return judge_notice(delivery)
        return judge(delivery, ahead=self._settings.clock_ahead_s)

    def commit(self, group: Group) -> Stored:
        """Commit a group as often as it takes: the ledger knows what is already there.

        Raises
        ------
        StoppedError
            If ingest is to stop while the database is away.
        """
        attempt = 0
        while True:
            try:
                if self._connection is None:
                    self._connection = connect(self._settings, name="tepna-ingest")
                stored = self._store(self._connection, group.messages, group.ahead)
            except DatabaseLostError as fault:
                if attempt == 0:
                    log.warning("database lost: %s", str(fault).strip().replace("\n", " "))
                    self.lost_since = self._clock()
                self.close()
                self._wait(attempt)
                attempt += 1
            else:
                self.lost_since = None
                if attempt:
                    log.warning("database recovered after %d attempts", attempt)
                return stored

    def _wait(self, attempt: int) -> None:
        first, longest = BACKOFF
        wait = min(longest, first * 2 ** min(attempt, 16))
        if self._stopping.wait(wait * random.uniform(0.5, 1)):  # noqa: S311  # only to spread
            raise StoppedError

    def _store(
        self, connection: Connection, group: Sequence[Message], ahead: Encoded | None = None
    ) -> Stored:
        """Commit a group; what in it cannot be stored is found and set apart."""
        messages = [m for m in group if isinstance(m, Judged)]
        changes = [m for m in group if isinstance(m, Change | Notice)]
        context = self._context._replace(ahead=ahead)
        try:
            with self._interpreting:
                foreign = [
                    complete(connection, self._interpreter, m)
                    for m in group
                    if isinstance(m, Foreigner)
                ]
            return store(connection, messages, changes, context, foreign)
        except RefusedDataError as fault:
            if len(group) == 1:
                return self._set_apart(connection, self._refused(group[0], str(fault).strip()))
        except (DatabaseError, MemoryError):  # no fault of a message
            raise
        except Exception as fault:  # noqa: BLE001  # the same
            if len(group) == 1:
                detail = self._unforeseen.tell(fault, group[0].delivery.topic)
                poison = refuse(_bare(group[0]), "cannot-be-stored", detail)
                return self._set_apart(connection, poison)
        half = len(group) // 2
        stored = self._store(connection, group[:half])
        merge(stored, self._store(connection, group[half:]))
        return stored

    def _refused(self, message: Message, detail: str) -> Judged:
        log.warning("the database refuses a message of %s: %s", message.identity, detail)
        self._context.registry.forget()  # it may have been refused for what it was taken for
        bare = _bare(message)
        # Whatever the database did not like, it was not the bytes of the payload.
        delivery = bare.delivery._replace(properties={})
        bare = msgspec.structs.replace(bare, delivery=delivery)
        return refuse(bare, "refused-by-database", detail)

    def _set_apart(self, connection: Connection, poison: Judged) -> Stored:
        """Keep a message as a dead letter, under its name if that is possible."""
        try:
            return store(connection, [poison], [], self._context)
        except RefusedDataError:
            nameless = msgspec.structs.replace(poison, boot=None)
            return store(connection, [nameless], [], self._context)


def _bare(message: Message) -> Judged:
    return message if isinstance(message, Judged) else unnamed(message.delivery, message.identity)


def merge(stored: Stored, more: Stored) -> None:
    """Add what was committed later: of each boot its ranges are the newer."""
    stored.durable.update(more.durable)
    stored.tally.add(more.tally)
