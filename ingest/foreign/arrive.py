"""Foreign messages within the transaction: which of them are new, and what becomes of the rest."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from ingest import keys
from ingest.foreign import conflicts
from ingest.foreign.births import keep_births
from ingest.foreign.join import Arrival, apart
from ingest.foreign.judge import Foreigner, Part
from ingest.judge import Judged, refuse, unnamed
from ingest.registry import Registry
from storage.pool import Connection
from storage.registry import Device

PART: Final = "tepna-part"
"""Property of a dead letter: only what its message says of this device is in it."""


class Arrived(NamedTuple):
    """Foreign messages by what becomes of them."""

    whole: Sequence[Arrival] = ()  # stored as they are
    apart: Sequence[tuple[Device, Judged]] = ()  # stored row by row: something in them is odd
    refused: Sequence[Judged] = ()
    repeated: int = 0  # parts that were there already


NOTHING = Arrived()


def name_metrics(
    connection: Connection,
    messages: Sequence[Foreigner],
    devices: Mapping[str, Device],
    registry: Registry,
) -> dict[str, int]:
    """Find the number of every metric; one in another unit than before is another metric.

    The names in the messages become those under which they are stored.
    """
    parts = [part for one in messages for part in one.parts if part.identity in devices and part.t]
    stated = {pair for part in parts for pair in zip(part.names, part.units, strict=True)}
    called = registry.called(connection, stated)
    for part in parts:
        part.names[:] = [called[pair] for pair in zip(part.names, part.units, strict=True)]
    return registry.metrics(connection, {called[pair] for pair in stated})


def arrive(
    connection: Connection,
    messages: Sequence[Foreigner],
    devices: Mapping[str, Device],
    metrics: Mapping[str, int],
    now: int,
) -> Arrived:
    """Put down the messages' names, and sort them by whether those were there."""
    if not messages:
        return NOTHING
    candidates: list[Arrival] = []
    refused: list[Judged] = []
    for message in messages:
        refused += [_letter(message, letter.reason, letter.detail) for letter in message.letters]
        for part in message.parts:
            device = devices.get(part.identity)
            if device is None:
                detail = f"{part.identity!r} is not registered, or is retired"
                refused.append(_part_letter(message, part, "unregistered-device", detail))
            elif (stream := _forbidden(part, device)) is not None:
                detail = f"{part.identity!r} may not send {stream}"
                refused.append(_part_letter(message, part, "stream-not-allowed", detail))
            else:
                candidates.append(Arrival(device, part, message))
    new = keys.claim(connection, [arrival.part.claim for arrival in candidates], now)
    fresh = [arrival for place, arrival in enumerate(candidates) if place in new]
    repeated = [arrival for place, arrival in enumerate(candidates) if place not in new]
    conflicting = conflicts.conflicting(connection, fresh, repeated, now)
    refused += [_letter(arrival.message, *conflicts.CONFLICT) for arrival in conflicting]
    whole = [arrival for arrival in fresh if not _is_odd(arrival.part, metrics)]
    odd = [
        (arrival.device, judged)
        for arrival in fresh
        if _is_odd(arrival.part, metrics)
        for judged in apart(arrival)
    ]
    keep_births(connection, [birth for message in messages for birth in message.births])
    return Arrived(whole, odd, refused, len(repeated) - len(conflicting))


def _is_odd(part: Part, metrics: Mapping[str, int]) -> bool:
    return part.odd or not all(name in metrics for name in part.names)


def _forbidden(part: Part, device: Device) -> str | None:
    if device.streams is None:
        return None
    wanted = (["obs"] if part.t else []) + (["events"] if part.words else [])
    return next((stream for stream in wanted if stream not in device.streams), None)


def _part_letter(message: Foreigner, part: Part, reason: str, detail: str) -> Judged:
    """Make the message a dead letter for the sake of one part: the others are stored already."""
    delivery = message.delivery
    alone = delivery._replace(properties={PART: part.identity, **delivery.properties})
    bare = unnamed(alone, message.label)
    named = hashlib.sha256(bare.digest + part.claim.key.encode()).digest()
    return refuse(msgspec.structs.replace(bare, digest=named), reason, detail)


def _letter(message: Foreigner, reason: str, detail: str) -> Judged:
    """Make the whole message a dead letter."""
    return refuse(unnamed(message.delivery, message.label), reason, detail)
