"""MQTT topics: ``tepna/1/{pilot}/{device}/...``; the broker authenticates pilot/device."""

import re
from typing import Final, NamedTuple

VERSION: Final = "1"
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

UPLINK: Final = f"tepna/{VERSION}/+/+/up/+"
"""Every batch of every device."""

STATES: Final = f"tepna/{VERSION}/+/+/state"
"""Every birth certificate and last will."""

PROBES: Final = f"tepna/{VERSION}/+/+/probe/time"
"""Every probe that asks when it was received."""

NOTICES: Final = tuple(
    f"tepna/{VERSION}/+/+/{channel}" for channel in ("desired", "reported", "command", "result")
)
"""All that platform and devices tell each other of configuration and commands."""


class TopicError(ValueError):
    """The topic is none of Tepna's."""


class Address(NamedTuple):
    """Where a message belongs: channel is `up`, `state`, `durable`, `desired`, `reported`, ..."""

    pilot: str
    device: str
    channel: str
    stream: str = ""

    @property
    def identity(self) -> str:
        """Name under which the broker knows the device."""
        return f"{self.pilot}/{self.device}"


def topic(identity: str, channel: str, stream: str = "") -> str:
    """Topic of a device's channel.

    >>> topic("usti-belehradska/cam-1", "up", "obs")
    'tepna/1/usti-belehradska/cam-1/up/obs'
    """
    return "/".join(filter(None, ("tepna", VERSION, identity, channel, stream)))


def is_ours(text: str) -> bool:
    """Tell a topic of Tepna's own, of any version, from a foreign one."""
    return text.startswith("tepna/")


def parse(text: str) -> Address:
    """Read a topic.

    >>> parse("tepna/1/usti-belehradska/cam-1/up/obs").stream
    'obs'

    Raises
    ------
    TopicError
        If it is no topic of this version.
    """
    match text.split("/"):
        case ["tepna", version, *parts] if (
            version == VERSION and 3 <= len(parts) <= 4 and all(map(_SLUG.fullmatch, parts))  # noqa: PLR2004
        ):
            return Address(*parts)
    msg = f"{text!r} is not tepna/{VERSION}/{{pilot}}/{{device}}/{{channel}}[/{{stream}}]"
    raise TopicError(msg)
