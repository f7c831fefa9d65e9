"""Groups of messages, judged and encoded while the database is busy with the group before."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple
from uuid import UUID

from ingest.foreign.judge import Foreigner
from ingest.inbox import Delivery
from ingest.judge import Judged
from ingest.notices import Notice
from ingest.registry import Registry
from ingest.rows import Encoded, Sample, blocks
from ingest.states import Change

log = logging.getLogger(__name__)

MAX_ROWS: Final = 200_000
"""Rows that one transaction takes, more only if a single batch has more."""

Message = Judged | Change | Notice | Foreigner


class Group(NamedTuple):
    """What one transaction takes."""

    messages: list[Message]
    ahead: Encoded | None = None  # its rows, should the ledger have none of it

    @property
    def deliveries(self) -> list[Delivery]:
        """What it was delivered as."""
        return [message.delivery for message in self.messages]


def groups(
    deliveries: Iterable[Delivery], judge: Callable[[Delivery], Message], registry: Registry
) -> Iterator[Group]:
    """Judge these one after another, and give as many at once as one transaction takes."""
    messages: list[Message] = []
    rows = 0
    for delivery in deliveries:
        message = judge(delivery)
        more = 0 if isinstance(message, Change | Notice) else message.rows
        if messages and rows + more > MAX_ROWS:
            yield Group(messages, _ahead(messages, registry))
            messages, rows = [], 0
        messages.append(message)
        rows += more
    if messages:
        yield Group(messages, _ahead(messages, registry))


def _ahead(messages: Iterable[Message], registry: Registry) -> Encoded | None:
    try:
        return _encode(messages, registry)
    except Exception as fault:  # noqa: BLE001  # whose it is comes out when they are stored
        log.info("a group is not encoded ahead: %r", fault)
        return None


def _encode(messages: Iterable[Message], registry: Registry) -> Encoded | None:
    """Encode the rows as far as they can be known before the database is asked."""
    devices, metrics = registry.remembered()
    samples, names, seen = [], set[str](), set[tuple[str, UUID, int]]()
    for message in messages:
        if isinstance(message, Foreigner):
            return None  # its rows depend on what the database says
        if not isinstance(message, Judged) or message.batch is None or message.boot is None:
            continue
        if (name := (message.identity, message.boot, message.seq)) in seen:
            continue  # delivered twice, and stored once
        seen.add(name)
        if (device := devices.get(message.identity)) is not None:
            samples.append(Sample(device, message.batch, message.delivery.received))
            if message.stream == "obs":
                names.update(message.batch.names)
    if not samples or not names <= metrics.keys():
        return None
    return Encoded(samples, blocks(samples, metrics, registry.ranges))
