"""Small JSON messages: durable, birth certificate and last will."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

_LARGEST: Final = (1 << 63) - 1  # that a database keeps
Whole = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
Ranges = list[tuple[Whole, Whole]]
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


class Received(msgspec.Struct, frozen=True):
    """Ingest to device: when a probe of the link was received."""

    probe: Whole  # number that the device gave it
    at: Whole  # [us] since the epoch, by the clock of ingest
    clock_offset: float | None = None  # of that clock from UTC [s]
    clock_error: float | None = None  # bound of the error of that [s]; None: nobody knows


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """Retained, platform to device: lies over the configuration on the box."""

    version: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]  # grows; an older one changes nothing
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


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Say how you are."""


class Doctor(msgspec.Struct, frozen=True, tag="doctor", forbid_unknown_fields=True):
    """Examine the box, and say what is wrong with it."""


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot", forbid_unknown_fields=True):
    """Take a pixelated picture now, and keep it with those of what happened."""


class Flush(msgspec.Struct, frozen=True, tag="flush", forbid_unknown_fields=True):
    """Close the batches at hand, and send what waits."""


class RestartCamera(msgspec.Struct, frozen=True, tag="restart-camera", forbid_unknown_fields=True):
    """Begin the camera's process anew."""


class LogLevel(msgspec.Struct, frozen=True, tag="log-level", forbid_unknown_fields=True):
    """Log more, or less, for a while."""

    level: Literal["debug", "info", "warning", "error"]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 15


class InstallVersion(msgspec.Struct, frozen=True, tag="update", forbid_unknown_fields=True):
    """Install a version of the agent by the box's own program."""

    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9][0-9A-Za-z.+!-]{0,62}$")]


Do = Ping | Doctor | Snapshot | Flush | RestartCamera | LogLevel | InstallVersion
"""What a device may be asked to do; `type` names it."""


class Command(msgspec.Struct, frozen=True):
    """Platform to device; its message has a response topic, correlation data and an expiry."""

    id: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    """Names it for ever: the same one is done once, and answered each time."""
    do: msgspec.Raw  # a `Do`; whoever does not know it can still answer


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Device to platform, with the correlation data of the command."""

    id: str
    state: Literal["done", "refused"]
    reason: str = ""  # of a refusal
    answer: dict[str, Any] = {}
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


NO_MESSAGE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the decoders raise where bytes are no such message."""
ENCODER: Final = msgspec.json.Encoder()
DURABLE: Final = msgspec.json.Decoder(Durable)
RECEIVED: Final = msgspec.json.Decoder(Received)
COMMAND: Final = msgspec.json.Decoder(Command)
DO: Final[msgspec.json.Decoder[Do]] = msgspec.json.Decoder(Do)
RESULT: Final = msgspec.json.Decoder(Result)
DESIRED: Final = msgspec.json.Decoder(Desired)
REPORTED: Final = msgspec.json.Decoder(Reported)
STATE: Final = msgspec.json.Decoder(State)
