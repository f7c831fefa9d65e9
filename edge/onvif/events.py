"""What an ONVIF device says that happens: its events, by PullPoint (ONVIF Core Specification, 9).

A subscription is a thing on the device that ends by itself unless it is renewed, and of which a
device has few. Whatever it says of times is by its own clock: how long a subscription lasts is told
by the difference of two of them.
"""

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit
from uuid import uuid4
from xml.sax.saxutils import escape

from edge.errors import SourceError
from edge.onvif.device import Device
from edge.onvif.soap import SPACES

LIFETIME: Final = 60.0
"""For how long a subscription is asked for, each time. [s]"""
SHORTEST: Final = 10.0
"""A device that gives less, or nonsense, is asked no more often than if it gave this. [s]"""
PULL: Final = 3.0
"""How long the device waits for something to happen before it answers. [s]"""
MOST: Final = 100
"""Events that are asked for at a time."""
DEEPEST: Final = 16
"""Levels of topics; further ones are left out."""
LARGEST_REFERENCE: Final = 50
"""Elements by which a device may want its subscription named."""

_EVENTS: Final = SPACES["tev"]
_MANAGER: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
_ANONYMOUS: Final = f"{SPACES['wsa']}/anonymous"


class Notification(NamedTuple):
    """An event as the device says it."""

    topic: str  # without prefixes: VideoSource/MotionAlarm; empty if it cannot be read
    at: datetime | None  # by the device's clock; None: it does not tell
    operation: str  # Initialized: that is how it is; Changed, Deleted; empty: it only happened
    source: dict[str, str]  # who says it: tokens and rules by name
    data: dict[str, str]


class PullPoint:
    """A subscription to all that a device says; close it, or it is lost to others for a while.

    Raises
    ------
    SourceError
        If the device has no events, refuses, or does not answer; also from `pull`.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._service = device.service_address("Events")
        self.ahead: timedelta | None = None
        """How far the device's clock is ahead, to a second; None: not told."""
        self._subscribe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pull(self) -> list[Notification]:
        """Wait up to `PULL` for what happens; renew the subscription when half of it is over.

        After what waited has been fetched: another subscription in its place begins with nothing.
        """
        body = (
            f"<tev:PullMessages><tev:Timeout>PT{PULL:g}S</tev:Timeout>"
            f"<tev:MessageLimit>{MOST}</tev:MessageLimit></tev:PullMessages>"
        )
        action = f"{_EVENTS}/PullPointSubscription/PullMessagesRequest"
        answer = self._ask(action, body, patience=PULL)
        self._take_times(answer)  # some devices extend it with each pull
        now = time.monotonic()
        if now - self._granted_at > SHORTEST / 2 and now > self._end - self._granted / 2:
            with suppress(SourceError):  # the next pull says so; what this one brought counts
                self._renew()
        return list(notifications(answer))

    def close(self) -> None:
        """End the subscription, if the device still has it."""
        with suppress(SourceError):  # then it ends by itself
            self._ask(f"{_MANAGER}/UnsubscribeRequest", "<wsnt:Unsubscribe/>")

    def _subscribe(self) -> None:
        body = (
            "<tev:CreatePullPointSubscription>"
            f"<tev:InitialTerminationTime>PT{LIFETIME:g}S</tev:InitialTerminationTime>"
            "</tev:CreatePullPointSubscription>"
        )
        action = f"{_EVENTS}/EventPortType/CreatePullPointSubscriptionRequest"
        answer = self._device.ask(self._service, body, header=_addressing(action, self._service))
        reference = answer.find(".//tev:SubscriptionReference", SPACES)
        if reference is None:
            msg = "the ONVIF device leaves out SubscriptionReference in its answer"
            raise SourceError(msg)
        told = reference.findtext("wsa:Address", "", SPACES).strip()
        self._address = self._device.reached(told)
        # It knows itself by the address that it gave; some give one without a host.
        self._named = told if urlsplit(told).netloc else self._address
        self._parameters = _parameters(reference)
        self._take_grant(answer)

    def _renew(self) -> None:
        body = (
            f"<wsnt:Renew><wsnt:TerminationTime>PT{LIFETIME:g}S</wsnt:TerminationTime></wsnt:Renew>"
        )
        try:
            answer = self._ask(f"{_MANAGER}/RenewRequest", body)
        except SourceError:  # not all can: then another one in its place
            self.close()
            self._subscribe()
        else:
            self._take_grant(answer)

    def _ask(self, action: str, body: str, *, patience: float = 0.0) -> ET.Element:
        header = _addressing(action, self._named) + self._parameters
        return self._device.ask(self._address, body, header=header, patience=patience)

    def _take_grant(self, answer: ET.Element) -> None:
        """Take in for how long the subscription lasts, from now on."""
        self._granted_at = time.monotonic()
        self._end = self._granted_at + LIFETIME
        self._take_times(answer)
        self._granted = max(self._end - self._granted_at, SHORTEST)

    def _take_times(self, answer: ET.Element) -> None:
        """Take in what time it is at the device, and when the subscription ends."""
        now, end = _told(answer, "CurrentTime"), _told(answer, "TerminationTime")
        if now is None:
            return
        self.ahead = now - datetime.now(UTC)
        if end is not None:
            left = (end - now) / timedelta(seconds=1)
            self._end = time.monotonic() + min(left, LIFETIME)


def offered(device: Device) -> list[str]:
    """Topics that a device may tell of, without prefixes, sorted."""
    service = device.service_address("Events")
    action = f"{_EVENTS}/EventPortType/GetEventPropertiesRequest"
    answer = device.ask(service, "<tev:GetEventProperties/>", header=_addressing(action, service))
    roots = answer.findall(".//wstop:TopicSet", SPACES)
    return sorted({topic for root in roots for topic in _topics(root)})


def notifications(answer: ET.Element) -> Iterator[Notification]:
    """Read what an answer says; of what cannot be read at least that it is there."""
    for each in answer.iterfind(".//wsnt:NotificationMessage", SPACES):
        topic = "/".join(
            part.rpartition(":")[2] for part in each.findtext("wsnt:Topic", "", SPACES).split("/")
        ).strip()
        message = each.find("wsnt:Message/tt:Message", SPACES)
        if message is None:
            yield Notification(topic, None, "", {}, {})
            continue
        yield Notification(
            topic,
            _moment(message.get("UtcTime", "")),
            message.get("PropertyOperation", ""),
            _items(message, "tt:Source") | _items(message, "tt:Key"),
            _items(message, "tt:Data"),
        )


def _items(message: ET.Element, part: str) -> dict[str, str]:
    return {
        item.get("Name", ""): item.get("Value", "").strip()
        for item in message.iterfind(f"{part}/tt:SimpleItem", SPACES)
    }


def _topics(root: ET.Element) -> Iterator[str]:
    waiting = [(root, "", 0)]
    while waiting:
        element, path, depth = waiting.pop()
        for child in element:
            space, _, name = child.tag.removeprefix("{").rpartition("}")
            if space == SPACES["tt"] or depth == DEEPEST:  # a description of the messages
                continue
            whole = f"{path}/{name}" if path else name
            if child.get(f"{{{SPACES['wstop']}}}topic", "").lower() in {"true", "1"}:
                yield whole
            waiting.append((child, whole, depth + 1))


def _addressing(action: str, to: str) -> str:
    """Headers by which a request says what it wants, and from whom (WS-Addressing 1.0)."""
    return (
        f'<wsa:Action s:mustUnderstand="1">{action}</wsa:Action>'
        f"<wsa:MessageID>urn:uuid:{uuid4()}</wsa:MessageID>"
        f"<wsa:ReplyTo><wsa:Address>{_ANONYMOUS}</wsa:Address></wsa:ReplyTo>"
        f'<wsa:To s:mustUnderstand="1">{escape(to)}</wsa:To>'
    )


def _parameters(reference: ET.Element) -> str:
    """By what the device wants its subscription named besides the address, as headers."""
    found = reference.find("wsa:ReferenceParameters", SPACES)
    if found is None:
        return ""
    if sum(1 for _ in found.iter()) > LARGEST_REFERENCE:
        msg = f"the ONVIF device names its subscription by more than {LARGEST_REFERENCE} elements"
        raise SourceError(msg)
    for each in found:
        each.set(f"{{{SPACES['wsa']}}}IsReferenceParameter", "true")
        each.tail = None
    return "".join(ET.tostring(each, encoding="unicode") for each in found)


def _told(answer: ET.Element, name: str) -> datetime | None:
    """Time in an answer, in either namespace that devices put it into."""
    texts = (answer.findtext(f".//{space}:{name}", "", SPACES) for space in ("tev", "wsnt"))
    return _moment(next(filter(None, texts), ""))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
