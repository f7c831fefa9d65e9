"""The transaction: rows, ledger, dead letters and dirty marks, all or nothing."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from contracts.batch import Gone
from contracts.clock import MINUTE, Clock
from contracts.messages import Ranges
from ingest import dead_letters, ledger, unconfirmed
from ingest.batches import write_batches
from ingest.foreign.arrive import NOTHING, Arrived, arrive, name_metrics
from ingest.foreign.join import samples as joined
from ingest.foreign.judge import Foreigner
from ingest.judge import Judged, refuse, split_off, unnamed
from ingest.ledger import Known, Loss, Name
from ingest.notices import Notice, write_notice
from ingest.registry import Registry
from ingest.rows import Encoded, Mark, Sample, blocks, marks
from ingest.settings import DeadLetterQuota
from ingest.states import Change, write_state
from storage.clocks import Sending, keep_clocks, spans
from storage.copy import write_rows
from storage.latest import keep_latest
from storage.pool import Connection
from storage.registry import Device

OVER_QUOTA: Final = "dead-letter-quota"
MARK_DIRTY: Final = """
INSERT INTO dirty (site, minute, simulated)
SELECT site, timestamptz 'epoch' + INTERVAL '1 microsecond' * minute, simulated
FROM unnest(%s::int[], %s::int8[], %s::bool[]) AS i(site, minute, simulated)"""


class Context(NamedTuple):
    """What a transaction needs beside its messages."""

    registry: Registry
    quota: DeadLetterQuota
    clock: Clock
    ahead: Encoded | None = None  # rows of these very messages, if all of them are new


class Tally(msgspec.Struct):
    """What became of the messages."""

    batches: int = 0
    rows: int = 0
    duplicates: int = 0
    letters: Counter[str] = msgspec.field(default_factory=Counter)
    over_quota: int = 0
    unconfirmed: int = 0  # rows held for their time of capture

    def add(self, other: "Tally") -> None:
        """Count those too."""
        self.batches += other.batches
        self.rows += other.rows
        self.duplicates += other.duplicates
        self.letters += other.letters
        self.over_quota += other.over_quota
        self.unconfirmed += other.unconfirmed


class Stored(NamedTuple):
    """A committed transaction: what each boot of each identity may let go, and the numbers."""

    durable: dict[tuple[str, UUID], Ranges]
    tally: Tally


class _Group(NamedTuple):
    """What one transaction takes, and what the registry says of it."""

    messages: Sequence[Judged]
    changes: Sequence[Change | Notice]
    foreign: Sequence[Foreigner]
    devices: dict[str, Device]
    metrics: dict[str, int]


class _Split(NamedTuple):
    """Messages by what the ledger says of their names."""

    fresh: list[tuple[Device, Judged]]
    repeated: list[Judged]
    conflicting: list[Judged]
    unnamed: list[Judged]

    @property
    def has_letters(self) -> bool:
        """Whether anything of it is a dead letter."""
        fresh = (message for _, message in self.fresh)
        return any(m.letters for m in (*fresh, *self.repeated, *self.conflicting, *self.unnamed))


def store(
    connection: Connection,
    messages: Sequence[Judged],
    changes: Sequence[Change | Notice],
    context: Context,
    foreign: Sequence[Foreigner] = (),
) -> Stored:
    """Commit these messages; what the ledger has already is left out.

    Raises
    ------
    storage.errors.DatabaseLostError
        Nothing is known to be committed; the same may be tried again and again.
    storage.errors.RefusedDataError
        Nothing is committed; one of the messages is not fit for the database.
    """
    identities = {m.identity for m in messages} | {c.identity for c in changes}
    identities |= {identity for f in foreign for identity in f.identities}
    devices = context.registry.devices(connection, identities)
    name_metrics(connection, foreign, devices, context.registry)
    metrics, messages = _with_metrics(connection, messages, devices, context.registry)
    group = _Group(messages, changes, foreign, devices, metrics)
    durable, tally, busy = _commit(connection, group, context, wait=False)
    if busy:  # the rest does not wait for them
        later = _Group(busy, [], [], devices, metrics)
        more, counted, _ = _commit(connection, later, context, wait=True)
        durable |= more
        tally.add(counted)
    identity_of = {devices[i].device: i for i in identities if i in devices}
    return Stored({(identity_of[d], boot): r for (d, boot), r in durable.items()}, tally)


def _commit(
    connection: Connection, group: _Group, context: Context, *, wait: bool
) -> tuple[ledger.Durable, Tally, list[Judged]]:
    """Commit what the ledger does not have; give back what others are about to commit.

    Locks are taken in one order by everybody: the names of batches, for which only those `wait`
    who have nothing else in hand; keys of foreign messages, dead letters, ledger, latest values.
    """
    messages, changes, foreign, devices, metrics = group
    tally = Tally()
    with connection.transaction():
        named, unnamed = _named(messages, devices)
        busy: list[Judged] = []
        if wait:
            ledger.wait(connection, [_name(*one) for one in named])
        elif places := ledger.claim(connection, [_name(*one) for one in named]):
            busy = [message for place, (_, message) in enumerate(named) if place in places]
            named = [one for place, one in enumerate(named) if place not in places]
        names = [_name(*one) for one in named]
        split = _split(named, names, ledger.look(connection, names))
        arrived = arrive(connection, foreign, devices, metrics, context.clock())
        split.unnamed.extend([*unnamed, *_strangers(changes, devices), *arrived.refused])
        split.fresh.extend((d, _without_nameless(m, metrics)) for d, m in arrived.apart)
        _write(connection, split, metrics, context, tally, arrived)
        for device, change in _told([*changes, *(c for f in foreign for c in f.changes)], devices):
            if isinstance(change, Notice):
                write_notice(connection, device.device, change)
            else:
                write_state(connection, device.device, change)
        return ledger.durable(connection, names), tally, busy


def store_again(connection: Connection, message: Judged, context: Context) -> Tally:
    """Commit a dead letter's message though the ledger holds its name already.

    Raises
    ------
    KeyError
        If its device is not registered.
    """
    devices = context.registry.devices(connection, [message.identity])
    device = devices[message.identity]
    metrics, [message] = _with_metrics(connection, [message], devices, context.registry)
    tally = Tally()
    split = _Split([(device, message)], [], [], [])
    with connection.transaction():
        _write(connection, split, metrics, context, tally, NOTHING)
    return tally


def _write_rows(
    connection: Connection,
    split: _Split,
    metrics: dict[str, int],
    context: Context,
    arrived: Arrived,
) -> Encoded:
    """Write the rows, which were encoded ahead if the ledger has none of them."""
    samples = [
        Sample(d, m.batch, m.delivery.received) for d, m in split.fresh if m.batch is not None
    ]
    samples += joined(arrived.whole)
    rows = context.ahead
    if rows is None or rows.samples != samples:
        rows = Encoded(samples, blocks(samples, metrics, context.registry.ranges))
    for block in rows.blocks:
        write_rows(connection, block.table, block.data)
    return rows


def _write(
    connection: Connection,
    split: _Split,
    metrics: dict[str, int],
    context: Context,
    tally: Tally,
    arrived: Arrived,
) -> None:
    """Write rows, letters, ledger and marks of one transaction."""
    rows = _write_rows(connection, split, metrics, context, arrived)
    if split.has_letters:
        dead_letters.lock(connection)
    lost = _keep_letters(connection, split, context, tally)
    tally.unconfirmed, no_room = unconfirmed.hold(connection, split.fresh, context.clock())
    tally.over_quota += no_room
    committed = [(device, m) for device, m in split.fresh if m not in lost]
    losses = _losses(split.fresh, lost)
    now = context.clock()
    with connection.pipeline():
        write_batches(connection, committed, arrived.whole, now)
        if committed or losses:
            fresh = [_name(device, m) for device, m in committed]
            ledger.widen(connection, fresh, losses, now)
        # After the ledger: whoever writes these has locked that, in this order.
        for block in rows.blocks:
            if block.newest is not None:
                keep_latest(connection, block.newest)
        keep_clocks(connection, spans(_sendings(rows.samples)))
        _mark(connection, marks(rows.samples) | _loss_marks(split.fresh, lost, now))
    tally.batches = len(committed) + len(arrived.whole)
    tally.duplicates = len(split.repeated) + arrived.repeated
    tally.rows = sum(sample.batch.rows for sample in rows.samples)


def _sendings(samples: Sequence[Sample]) -> list[Sending]:
    return [
        Sending(device.device, batch.simulated, batch.sent_at, received)
        for device, batch, received in samples
    ]


def _told(
    changes: Sequence[Change | Notice], devices: dict[str, Device]
) -> list[tuple[Device, Change | Notice]]:
    """Find what is said of devices: of each as it came, the devices in everybody's order."""
    known = [(devices[c.identity], c) for c in changes if c.identity in devices]
    return sorted(known, key=lambda one: one[0].device)


def _strangers(changes: Sequence[Change | Notice], devices: dict[str, Device]) -> list[Judged]:
    """Find the states and notices of devices that nobody has registered."""
    return [
        refuse(unnamed(c.delivery, c.identity), *_unregistered(c.identity))
        for c in changes
        if c.identity not in devices and c.delivery.payload
    ]


def _unregistered(identity: str) -> tuple[str, str]:
    return "unregistered-device", f"{identity!r} is not registered, or is retired"


def _permitted(message: Judged, device: Device) -> Judged:
    """Refuse what this device may not send."""
    if message.batch is None or device.streams is None or message.stream in device.streams:
        return message
    detail = f"it may send {', '.join(sorted(device.streams))}, not {message.stream}"
    return refuse(message, "stream-not-allowed", detail)


def _with_metrics(
    connection: Connection,
    messages: Sequence[Judged],
    devices: dict[str, Device],
    registry: Registry,
) -> tuple[dict[str, int], list[Judged]]:
    """Find every metric's number; rows of a metric that cannot have one are split off."""
    used = {
        name
        for m in messages
        if m.stream == "obs" and m.batch is not None and m.identity in devices
        for name in m.batch.names
    }
    metrics = registry.metrics(connection, used)
    if used <= metrics.keys():
        return metrics, list(messages)
    return metrics, [_without_nameless(m, metrics) for m in messages]


def _without_nameless(message: Judged, metrics: dict[str, int]) -> Judged:
    if message.stream != "obs" or message.batch is None:
        return message
    nameless = np.array([name not in metrics for name in message.batch.names], np.bool_)
    bad = nameless[message.batch.columns["metric"]]
    return split_off(message, bad, "refused-metric", "no name, too long, or too many metrics")


def _named(
    messages: Sequence[Judged], devices: dict[str, Device]
) -> tuple[list[tuple[Device, Judged]], list[Judged]]:
    """Part those that have a name in the ledger from those that have none."""
    named: list[tuple[Device, Judged]] = []
    unnamed: list[Judged] = []
    for message in messages:
        device = devices.get(message.identity)
        if device is None and message.batch is not None:
            unnamed.append(refuse(message, *_unregistered(message.identity)))
        elif device is None or message.boot is None:
            unnamed.append(message)
        else:
            named.append((device, _permitted(message, device)))
    return named, unnamed


def _split(
    named: Sequence[tuple[Device, Judged]], names: Sequence[Name], known: dict[int, Known]
) -> _Split:
    """Sort messages by what the ledger says of them, and by their twins among themselves."""
    split = _Split([], [], [], [])
    digests = {names[place]: said.digests for place, said in known.items() if said.committed}
    for place, (name, (device, message)) in enumerate(zip(names, named, strict=True)):
        if place in known and not known[place].committed:
            detail = "this boot has left too many gaps between its numbers"
            split.unnamed.append(refuse(message, "too-many-gaps", detail))
        elif name not in digests:
            digests[name] = [message.digest]
            split.fresh.append((device, message))
        elif not digests[name] or message.digest in digests[name]:
            split.repeated.append(message)
        else:
            detail = "this name is committed with another content: is the boot id copied?"
            split.conflicting.append(refuse(message, "conflicting-content", detail))
    return split


def _keep_letters(
    connection: Connection, split: _Split, context: Context, tally: Tally
) -> list[Judged]:
    """Keep what is to be kept; return the fresh messages of which nothing could be kept."""
    lost = []

    def keep(message: Judged, *, counted: bool) -> bool:
        """Keep its letters under when it came, which is the time of what states none."""
        kept = [
            dead_letters.keep(
                connection,
                letter,
                counted=counted,
                at=message.delivery.received,
                quota=context.quota,
            )
            for letter in message.letters
        ]
        tally.letters.update(letter.reason for letter in message.letters)
        tally.over_quota += kept.count(False)
        return any(kept)

    for _, message in split.fresh:
        if not keep(message, counted=True) and message.batch is None:
            lost.append(message)
    for message in split.conflicting:
        keep(message, counted=True)
    for message in split.unnamed:
        keep(message, counted=False)
    for message in split.repeated:
        for letter in message.letters:
            dead_letters.see_again(connection, letter, message.delivery.received)
    return lost


def _losses(fresh: Sequence[tuple[Device, Judged]], lost: Sequence[Judged]) -> list[Loss]:
    """Collect what agents say is gone, and what the quota of dead letters refused."""
    losses = []
    for device, message in fresh:
        if message.boot is None:
            continue
        if message in lost:
            gone = Gone(message.seq, message.seq + 1, OVER_QUOTA)
            losses.append(Loss(device.device, message.boot, gone))
        elif message.batch is not None:
            losses += [Loss(device.device, message.boot, gone) for gone in message.batch.gone]
    return losses


def _loss_marks(
    fresh: Sequence[tuple[Device, Judged]], lost: Sequence[Judged], now: int
) -> set[Mark]:
    """Find the windows that losses are counted in: those in which they were reported."""
    minute = now // MINUTE * MINUTE
    return {
        Mark(device.site, minute, message.batch is not None and message.batch.simulated)
        for device, message in fresh
        if message in lost or (message.batch is not None and message.batch.gone)
    }


def _mark(connection: Connection, found: set[Mark]) -> None:
    if found:
        columns = [list(column) for column in zip(*sorted(found), strict=True)]
        connection.execute(MARK_DIRTY, columns)


def _name(device: Device, message: Judged) -> Name:
    if message.boot is None:
        msg = "a message without a name is not the ledger's"
        raise ValueError(msg)
    return Name(device.device, message.boot, message.seq)
