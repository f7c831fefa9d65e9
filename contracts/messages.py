"""Small JSON messages: durable, birth certificate and last will."""

from typing import Annotated, Any, Final, Literal
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


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """Retained, platform to device: lies over the configuration on the box."""

    version: Annotated[int, msgspec.Meta(ge=1)]  # grows; an older one changes nothing
    config: dict[str, Any]  # tables of the agent's configuration; their keys win over the box's
    sent_at: int  # [us] since the epoch
    watch_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    """How long it is watched before it is accepted. [s]"""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """Retained, device to platform: what became of what was desired last."""

    version: int  # that this answers
    state: Literal["trying", "accepted", "rejected", "rolled-back"]
    reason: str  # why it is rejected or taken back
    applied: int  # version that is in force, 0: the box's own file alone
    config_hash: str  # SHA-256 of the configuration in force, secrets left out
    at: int  # [us] since the epoch


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
DESIRED: Final = msgspec.json.Decoder(Desired)
REPORTED: Final = msgspec.json.Decoder(Reported)
STATE: Final = msgspec.json.Decoder(State)
