"""SenML that came by HTTP: of one device, which has proved who it is, and named by its sender."""

import re
from functools import lru_cache
from typing import Final

from ingest.foreign.reading import ForeignError, Reading, digest
from ingest.foreign.senml import ABSOLUTE, decode, resolve
from ingest.foreign.settings import Route, Source
from ingest.inbox import Delivery

KEY: Final = "idempotency-key"
"""Property that holds what the sender calls the message."""

# Reads like the request in a list of dead letters, and like no topic that any device publishes to.
_TOPIC: Final = re.compile(r"POST /v1/uplinks/([a-z0-9-]+)/([a-z0-9-]+)/obs")


def topic(identity: str) -> str:
    """Give what stands for the topic of a device's packs."""
    return f"POST /v1/uplinks/{identity}/obs"


@lru_cache(1000)
def find(text: str) -> Route | None:
    """Route of what was posted; None: it was not.

    Whatever a pack calls its sensors, they are this device's.
    """
    found = _TOPIC.fullmatch(text)
    if found is None:
        return None
    pilot, device = found.groups()
    source = Source(name=device, format="senml", topics=[text], pilot=pilot, device=device)
    return Route(source, ())


def named(readings: list[Reading], delivery: Delivery) -> list[Reading]:
    """Name what was read as its sender does, if he does: all of it as one, as the key is of all."""
    key = delivery.properties.get(KEY)
    if key is None or not readings or find(delivery.topic) is None:
        return readings
    return [
        Reading(
            source="",  # it is of one device, whatever that calls its sensors
            values=[value for reading in readings for value in reading.values],
            texts=[text for reading in readings for text in reading.texts],
            key=digest(KEY, key),
        )
    ]


def is_named(payload: bytes, content_type: str) -> bool:
    """Tell whether a pack can be told from all others: it says when it was measured."""
    try:
        return any(record.time >= ABSOLUTE for record in resolve(decode(payload, content_type)))
    except ForeignError:
        return True  # it will be a dead letter, and those are told by their bytes
