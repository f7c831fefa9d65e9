"""Foreign messages of a group, joined: few batches, however many messages they came in."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from contracts.batch import Batch, encode
from contracts.topics import topic
from ingest.foreign.judge import Foreigner, Part
from ingest.inbox import Delivery
from ingest.judge import Judged, sift, split_clock
from ingest.rows import Sample
from storage.literals import array, binary, plain
from storage.registry import Device

_UNNAMED = UUID(int=0)


class Arrival(NamedTuple):
    """One message's part of a registered device, seen for the first time."""

    device: Device
    part: Part
    message: Foreigner


def samples(arrivals: Sequence[Arrival]) -> list[Sample]:
    """Join the numbers of each device to one batch; words stay in a batch for each message."""
    groups: dict[tuple[str, bool], list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.part.t:
            groups.setdefault((arrival.part.identity, arrival.part.simulated), []).append(arrival)
    joined = [
        Sample(group[0].device, _joined([a.part for a in group], received), received)
        for group in groups.values()
        for received in [group[-1].message.delivery.received]
    ]
    return joined + [
        Sample(device, events(part, message.delivery), message.delivery.received)
        for device, part, message in arrivals
        if part.words
    ]


def _joined(parts: Sequence[Part], received: int) -> Batch:
    """Batch of the numbers of these parts, in the order in which they came."""
    places: dict[str, int] = {}
    which = [places.setdefault(name, len(places)) for part in parts for name in part.names]
    return Batch(
        schema="obs/1",
        device=parts[0].identity,
        boot=_UNNAMED,  # each message has a name of its own, in `batch`
        seq=0,
        sent_at=received,  # as of whoever has no clock of its own
        names=list(places),
        columns={
            "t": np.array([t for part in parts for t in part.t], np.int64),
            "metric": np.array(which, np.uint16),
            "value": np.array([value for part in parts for value in part.values], np.float64),
            "quality": np.array([bits for part in parts for bits in part.quality], np.uint8),
        },
        simulated=parts[0].simulated,
    )


def observations(part: Part, delivery: Delivery) -> Batch:
    """Batch of the numbers of one message, under the message's name."""
    batch = _joined([part], delivery.received)
    return msgspec.structs.replace(batch, boot=UUID(part.claim.key))


def events(part: Part, delivery: Delivery) -> Batch:
    """Batch of the words of one message, under the message's name."""
    count = len(part.words)
    texts = [text for _, kind, word in part.words for text in (kind, word)]
    return Batch(
        schema="events/1",
        device=part.identity,
        boot=UUID(part.claim.key),
        seq=0,
        sent_at=delivery.received,
        names=texts,
        columns={
            "t": np.array([t for t, _, _ in part.words], np.int64),
            "kind": np.arange(0, 2 * count, 2).astype(np.uint16),
            "object": np.arange(1, 2 * count, 2).astype(np.uint16),
            "direction": np.zeros(count, np.int8),
            "cls": np.zeros(count, np.uint8),
            "track": np.zeros(count, np.uint32),
            "value": np.full(count, np.nan),
            "confidence": np.ones(count, np.float32),
        },
        simulated=part.simulated,
    )


def batches(part: Part, delivery: Delivery) -> list[Batch]:
    """Batches of one message: of its numbers, and of its words."""
    found = [observations(part, delivery)] if part.t else []
    return found + ([events(part, delivery)] if part.words else [])


def apart(arrival: Arrival) -> list[Judged]:
    """Judge what cannot be used as it is as if the device had sent batches: row by row."""
    delivery, ahead = arrival.message.delivery, arrival.message.ahead
    return [
        sift(split_clock(_as_sent(delivery, batch), ahead))
        for batch in batches(arrival.part, delivery)
    ]


def _as_sent(delivery: Delivery, batch: Batch) -> Judged:
    stream = batch.schema.partition("/")[0]
    payload = encode(batch)
    return Judged(
        delivery=delivery._replace(
            topic=topic(batch.device, "up", stream), payload=payload, properties={}
        ),
        identity=batch.device,
        boot=batch.boot,
        seq=0,
        stream=stream,
        digest=hashlib.sha256(payload).digest(),
        batch=batch,
        letters=(),
    )


def recipe(arrivals: Sequence[Arrival]) -> dict[str, str]:
    """Columns of the table `batch`: each message is a batch, named by its key."""
    received = array([message.delivery.received for _, _, message in arrivals])
    spans = [_span(part) for _, part, _ in arrivals]
    payloads = [message.delivery.payload for _, _, message in arrivals]
    return {
        "received": received,
        "sent": received,
        "first": array([first for first, _ in spans]),
        "last": array([last for _, last in spans]),
        "device": array([device.device for device, _, _ in arrivals]),
        "boot": plain(part.claim.key for _, part, _ in arrivals),
        "seq": array([0] * len(arrivals)),
        "stream": plain("obs" if part.t else "events" for _, part, _ in arrivals),
        "rows": array([part.rows for _, part, _ in arrivals]),
        "bytes": array([len(payload) for payload in payloads]),
        "digest": binary(hashlib.sha256(payload).digest() for payload in payloads),
        "clock_offset": plain(["NULL"] * len(arrivals)),
        "clock_error": plain(["NULL"] * len(arrivals)),
        "simulated": array([part.simulated for _, part, _ in arrivals]),
    }


def _span(part: Part) -> tuple[int, int]:
    times = part.t if not part.words else [*part.t, *(t for t, _, _ in part.words)]
    return (times[0], times[0]) if len(times) == 1 else (min(times), max(times))
