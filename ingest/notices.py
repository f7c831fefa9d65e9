"""What platform and devices tell each other of configuration and commands, put down in passing."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from contracts.clock import from_micros
from contracts.messages import (
    COMMAND,
    DESIRED,
    REPORTED,
    RESULT,
    Command,
    Desired,
    Reported,
    Result,
)
from contracts.secrecy import masked
from contracts.topics import TopicError, parse
from ingest.inbox import Delivery
from ingest.judge import Judged, refuse, unnamed
from storage.pool import Connection
from storage.remote import keep_answer, keep_command, keep_desired, keep_reported

Message = Desired | Reported | Command | Result

LARGEST: Final = 256 << 10
"""Bytes of a notice; a larger one is a dead letter."""
_YEAR_10000: Final = 253_402_300_800_000_000  # [us]
_DECODERS: Final[Mapping[str, Callable[[bytes], Message]]] = {
    "desired": DESIRED.decode,
    "reported": REPORTED.decode,
    "command": COMMAND.decode,
    "result": RESULT.decode,
}
_ENDS: Final = tuple(f"/{channel}" for channel in _DECODERS)
_LEVELS: Final = 4  # slashes of such a topic; those of an uplink have one more


class Notice(NamedTuple):
    """One message, with the device that it is to or from."""

    delivery: Delivery
    identity: str
    message: Message | None  # None: what was retained is cleared


def is_notice(delivery: Delivery) -> bool:
    """Tell such a message from a batch by its topic."""
    return delivery.topic.endswith(_ENDS) and delivery.topic.count("/") == _LEVELS


def judge_notice(delivery: Delivery) -> Notice | Judged:
    """Decode a notice; what is none is a dead letter."""
    try:
        address = parse(delivery.topic)
    except TopicError as fault:
        return refuse(unnamed(delivery, ""), "unknown-topic", str(fault))
    if not delivery.payload:
        return Notice(delivery, address.identity, None)
    if len(delivery.payload) > LARGEST:
        detail = f"{len(delivery.payload)} bytes, at most {LARGEST}"
        return refuse(unnamed(delivery, address.identity), "too-large", detail)
    try:
        message = _DECODERS[address.channel](delivery.payload)
        if isinstance(message, Command):
            msgspec.json.decode(message.do)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        return refuse(unnamed(delivery, address.identity), "not-a-notice", str(fault))
    at = message.sent_at if isinstance(message, Desired) else getattr(message, "at", 0)
    if not 0 <= at < _YEAR_10000:
        detail = f"{at} is not between 1970 and 10000"
        return refuse(unnamed(delivery, address.identity), "not-a-notice", detail)
    return Notice(delivery, address.identity, message)


def write_notice(connection: Connection, device: int, notice: Notice) -> None:
    """Put a notice down; the same one again changes nothing."""
    received = from_micros(notice.delivery.received)
    match notice.message:
        case Desired(version=version, config=config, sent_at=sent):
            keep_desired(connection, device, version, masked(config), from_micros(sent))
        case Reported() as said:
            fields = msgspec.structs.asdict(said) | {"at": from_micros(said.at)}
            keep_reported(connection, device, **fields, heard=received)
        case Command(id=ident, do=do):
            keep_command(connection, device, ident, masked(msgspec.json.decode(do)), received)
        case Result(id=ident, state=state, reason=reason, answer=answer):
            keep_answer(
                connection,
                device,
                command=ident, state=state, reason=reason, answer=answer, at=received,
            )  # fmt: skip
