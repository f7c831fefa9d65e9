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


ENCODER: Final = msgspec.json.Encoder()
DURABLE: Final = msgspec.json.Decoder(Durable)
STATE: Final = msgspec.json.Decoder(State)
