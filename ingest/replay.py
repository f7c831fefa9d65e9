"""Replay of dead letters: judged anew, and stored and removed in one transaction."""

import msgspec

from contracts.clock import Clock, to_micros
from contracts.topics import is_ours
from ingest.dead_letters import Kept, lock, take
from ingest.errors import IngestError
from ingest.foreign import posted
from ingest.foreign.arrive import PART
from ingest.foreign.births import complete
from ingest.foreign.conflicts import CONFLICT
from ingest.foreign.judge import Interpreter
from ingest.inbox import Delivery
from ingest.judge import Judged, judge
from ingest.notices import Notice, is_notice, judge_notice, write_notice
from ingest.registry import Registry
from ingest.settings import ReplaySettings
from ingest.states import Change, is_state, judge_state, write_old_state
from ingest.store import Context, Tally, store, store_again
from ingest.unforeseen import told
from storage.errors import DatabaseError, RefusedDataError
from storage.pool import Connection


class NoSuchLetterError(IngestError):
    """There is no dead letter of this number."""


class StillDeadError(IngestError):
    """The letter cannot be used yet; the text says why. It stays."""


def replay(connection: Connection, number: int, settings: ReplaySettings, clock: Clock) -> Tally:
    """Store a dead letter and remove it, or leave everything as it is.

    A letter whose name the ledger holds (its batch was taken without these rows) is stored all the
    same; one whose name it does not hold may have come again since, and is then only removed. A
    state counts if nothing younger is known of its device, and is removed in any case.

    Raises
    ------
    NoSuchLetterError
        If it is not there.
    StillDeadError
        If there is still nothing in it that can be stored.
    """
    try:
        with connection.transaction():
            return _taken(connection, number, settings, clock)
    except RefusedDataError as fault:
        raise StillDeadError(str(fault).strip()) from fault
    except (DatabaseError, IngestError, MemoryError):
        raise
    except Exception as fault:  # of our own code, as when it came
        raise StillDeadError(told(fault)) from fault


def _taken(connection: Connection, number: int, settings: ReplaySettings, clock: Clock) -> Tally:
    context = Context(Registry(), settings.quota, clock)
    lock(connection)  # before the letter, as everybody does
    kept = take(connection, number)
    if kept is None:
        raise NoSuchLetterError
    tally = _replay(connection, kept, _delivery(kept), settings, context)
    if tally.letters and not tally.rows and not tally.unconfirmed:
        raise StillDeadError(", ".join(tally.letters))
    return tally


def _replay(
    connection: Connection,
    kept: Kept,
    delivery: Delivery,
    settings: ReplaySettings,
    context: Context,
) -> Tally:
    if not is_ours(delivery.topic):
        return _replay_foreign(connection, delivery, settings, context)
    if is_state(delivery):
        return _replay_state(connection, judge_state(delivery), context)
    if is_notice(delivery):
        return _replay_notice(connection, judge_notice(delivery), context)
    message = judge(delivery, ahead=settings.clock_ahead_s)
    if not message.rows and not message.held:
        raise StillDeadError(_reasons(message))
    _find_device(connection, message.identity, context)
    if kept.counted:
        return store_again(connection, message, context)
    return store(connection, [message], [], context).tally


def _replay_foreign(
    connection: Connection, delivery: Delivery, settings: ReplaySettings, context: Context
) -> Tally:
    interpreter = Interpreter(settings.sources, ahead=settings.clock_ahead_s)
    message = complete(connection, interpreter, interpreter.judge(delivery))
    if (only := delivery.properties.get(PART)) is not None:
        ours = tuple(part for part in message.parts if part.identity == only)
        message = msgspec.structs.replace(message, parts=ours, changes=())
    if message.letters:
        msg = "; ".join(f"{x.reason}: {x.detail}" for x in message.letters)
        raise StillDeadError(msg)
    if not message.parts:
        msg = "there is nothing in it that is stored; drop it"
        raise StillDeadError(msg)
    known = context.registry.devices(connection, message.identities)
    if missing := sorted(set(message.identities) - known.keys()):
        msg = f"not registered: {', '.join(missing)}"
        raise StillDeadError(msg)
    return store(connection, [], [], context, [message]).tally


def _replay_state(connection: Connection, change: Change | Judged, context: Context) -> Tally:
    if isinstance(change, Judged):
        raise StillDeadError(_reasons(change))
    write_old_state(connection, _find_device(connection, change.identity, context), change)
    return Tally()


def _replay_notice(connection: Connection, notice: Notice | Judged, context: Context) -> Tally:
    if isinstance(notice, Judged):
        raise StillDeadError(_reasons(notice))
    write_notice(connection, _find_device(connection, notice.identity, context), notice)
    return Tally()


def _find_device(connection: Connection, identity: str, context: Context) -> int:
    found = context.registry.devices(connection, [identity])
    if identity not in found:
        msg = f"{identity} is not registered"
        raise StillDeadError(msg)
    return found[identity].device


def _reasons(message: Judged) -> str:
    return "; ".join(f"{x.reason}: {x.detail}" for x in message.letters)


def _delivery(kept: Kept) -> Delivery:
    properties = dict(kept.properties)
    if kept.reason == CONFLICT[0]:  # its key is another message's: without it, it is one of its own
        properties.pop(posted.KEY, None)
    return Delivery(
        connection=0,
        packet=0,
        topic=kept.topic,
        payload=kept.payload,
        properties=properties,
        received=to_micros(kept.first_at),
    )
