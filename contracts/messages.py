"""Small JSON messages: durable, birth certificate and last will."""

from typing import Final, Literal
from uuid import UUID

import msgspec

Ranges = list[tuple[int, int]]
"""Half-open ranges [first, end), ascending and apart."""


class Durable(msgspec.Struct, frozen=True):
    """Ingest to device: these batches of this boot are committed to the database."""

    boot: UUID
    ranges: Ranges


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Retained: birth certificate (`online`) or last will (`offline`), each naming its boot."""

    status: Literal["online", "offline"]
    boot: UUID
    since: int  # [us] since the epoch; of a will, when the connection it belongs to was asked for
    version: str = ""
    camera: bool = False
    picture_url: str = ""  # where pixelated pictures are served, empty: nowhere
    picture_certificate: str = ""  # SHA-256 of its certificate (DER, hexadecimal), empty: no TLS


class IngestHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How an ingest worker does."""

    state: Literal["ok", "degraded", "down"]
    at: int  # [us] since the epoch
    broker_lost_since: int | None  # [us], None: connected
    database_lost_since: int | None  # [us], None: it answers, as far as anybody has asked
    messages: int  # that are held: received, and not yet acknowledged
    bytes: int  # of those
    oldest_s: float  # how long the oldest of those has been held
    reading: bool  # False: as much is held as may be, and the broker queues
    answers: int  # to devices, that wait for the broker
    dropped_answers: int  # that were too many; devices ask again


ENCODER: Final = msgspec.json.Encoder()
DURABLE: Final = msgspec.json.Decoder(Durable)
STATE: Final = msgspec.json.Decoder(State)
