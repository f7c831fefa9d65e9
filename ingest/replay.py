"""Replay of dead letters: judged anew, and stored and removed in one transaction."""

from contracts.clock import Clock, to_micros
from ingest.dead_letters import Kept, take
from ingest.errors import IngestError
from ingest.inbox import Delivery
from ingest.judge import judge
from ingest.registry import Registry
from ingest.settings import ReplaySettings
from ingest.states import is_state
from ingest.store import Context, Tally, store, store_again
from storage.pool import Connection


class NoSuchLetterError(IngestError):
    """There is no dead letter of this number."""


class StillDeadError(IngestError):
    """The letter cannot be used yet; the text says why. It stays."""


def replay(connection: Connection, number: int, settings: ReplaySettings, clock: Clock) -> Tally:
    """Store a dead letter and remove it, or leave everything as it is.

    A letter whose name the ledger holds (its batch was taken without these rows) is stored all the
    same; one whose name it does not hold may have come again since, and is then only removed.

    Raises
    ------
    NoSuchLetterError
        If it is not there.
    StillDeadError
        If there is still nothing in it that can be stored.
    """
    context = Context(Registry(), settings.quota, clock)
    with connection.transaction():
        kept = take(connection, number)
        if kept is None:
            raise NoSuchLetterError(number)
        delivery = _delivery(kept)
        if is_state(delivery):
            msg = "a state is of its moment and is not replayed; drop it"
            raise StillDeadError(msg)
        message = judge(delivery, ahead=settings.clock_ahead_s)
        if not message.rows:
            raise StillDeadError("; ".join(f"{x.reason}: {x.detail}" for x in message.letters))
        if message.identity not in context.registry.devices(connection, [message.identity]):
            msg = f"{message.identity} is not registered"
            raise StillDeadError(msg)
        if kept.counted:
            return store_again(connection, message, context)
        return store(connection, [message], [], context).tally


def _delivery(kept: Kept) -> Delivery:
    return Delivery(
        connection=0,
        packet=0,
        topic=kept.topic,
        payload=kept.payload,
        properties=kept.properties,
        received=to_micros(kept.first_at),
    )
