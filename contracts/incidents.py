"""What an agent says of an incident beside its event: why, and by which tracks."""

from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

MOST_TRACKS: Final = 10
"""Evidence tracks that are carried; the first ones, for they made the incident."""

LONGEST: Final = 4096
"""Characters of a detail; an agent's own have less than a half of it."""


class DetailError(ValueError):
    """The text of an event's `detail` is not what `Detail` says."""


class Reason(NamedTuple):
    """A condition that held, with its figure and the limit that it was held against."""

    name: str
    value: float
    limit: float


class EvidenceTrack(NamedTuple):
    """A road user that is part of an incident."""

    track: int
    cls: int  # RoadUser
    begin: int  # since when the conditions held for it [us]
    end: int  # until when, as far as it was known [us]


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `detail` of an event in `events/2`, as JSON."""

    incident: UUID  # begin and end of an incident have the same
    phase: Literal["begins", "ends"]
    began: int  # when the conditions began to hold [us]
    why: list[Reason] = []
    tracks: list[EvidenceTrack] = []
    at: tuple[float, float] | None = None  # on the ground, where that is known [m]


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Detail)


def to_text(detail: Detail) -> str:
    """Write a detail as JSON."""
    return _encoder.encode(detail).decode()


def from_text(text: str) -> Detail:
    """Read a detail.

    Raises
    ------
    DetailError
        If it is none.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise DetailError(str(fault)) from fault
