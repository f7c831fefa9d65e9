"""The broker's side: a persistent session, acknowledged only after the commit.

Every worker has a session of its own and shares the subscription with the others: the broker gives
each message to one of them.
"""

import logging
import random
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from contracts.chrony import ClockQuality
from contracts.clock import Clock
from contracts.messages import ENCODER, Durable, Ranges, Received
from contracts.topics import NOTICES, PROBES, STATES, VERSION, topic
from ingest import packets
from ingest.errors import IngestError
from ingest.inbox import Delivery, Inbox
from ingest.link import KEEPALIVE, Link
from ingest.packets import FAILURE, PINGREQ, Answer, Kind, Property, Publication
from ingest.settings import IngestSettings

log = logging.getLogger(__name__)

SESSION_EXPIRY: Final = 7 * 24 * 3600
"""How long the broker keeps messages for an ingest that is away. [s]"""

RECONNECT: Final = (1.0, 8.0)
"""Shortest and longest wait before connecting again, doubled from one to the other. [s]"""

MAX_PENDING: Final = 10_000
"""Answers that wait for the broker; what overflows is asked for again when a batch is repeated."""

MAX_INFLIGHT: Final = 100
"""Answers that the broker has not confirmed yet, fewer if it wants fewer."""

PATIENCE: Final = 1.0  # [s]
FLUSH: Final = 5.0  # [s]

UPLINKS: Final = f"tepna/{VERSION}/+/+/up/#"
"""Every uplink topic, known or not: what is unknown is a dead letter, not nothing."""

PROBE: Final = re.compile(PROBES.replace("+/+", "([^/]+/[^/]+)"))
"""Topic of a probe; the group is the device."""

PROBE_SIZE: Final = 4
"""Bytes of a probe's number."""

REASONS: Final = {
    0x81: "malformed packet",
    0x82: "protocol error",
    0x84: "it does not speak MQTT 5",
    0x85: "client id not valid",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x9E: "no shared subscriptions",
}


class BrokerLostError(IngestError):
    """The broker does not want us."""


class Receiver:
    """Feeds the inbox from the broker; acknowledges what is committed and says so to the devices.

    Parameters
    ----------
    slot
        Which of the workers this is: the name of its session is its own and always the same.
    leaving
        Subscribe to nothing, take what waits in the session, and end it.
    quality
        How well our clock is known: who probes the link is told.
    """

    def __init__(
        self,
        settings: IngestSettings,
        inbox: Inbox,
        clock: Clock,
        *,
        slot: int = 0,
        leaving: bool = False,
        quality: Callable[[], ClockQuality] = ClockQuality,
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._quality = quality
        self._leaving = leaving
        self.client = settings.ingest_client + (f"/{slot}" if slot else "")
        self._filters = filters(settings, slot)
        self.subscribed = threading.Event()  # from here on nothing that is sent passes by
        self.settled = threading.Event()  # from here on nothing comes by old subscriptions
        self.lost_since: int | None = clock()  # [us]; None: connected
        self.dropped_answers = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="receiver", daemon=True)
        self._changing = threading.Lock()
        self._link: Link | None = None
        self._connection = 0
        self._answers: deque[tuple[str, bytes]] = deque()
        self._inflight: dict[int, bytes] = {}
        self._most_inflight = MAX_INFLIGHT
        self._last_id = 0
        self._is_asked = False  # whether that was all
        self._said_lost = False

    @property
    def waiting_answers(self) -> int:
        """Answers that the broker has not confirmed."""
        return len(self._answers) + len(self._inflight)

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._thread.start()

    def stop(self) -> None:
        """Send what is to be sent, and leave; the session stays."""
        self._stopping.set()
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        """Look again whether there is room to read."""
        with self._changing:
            if self._link is not None:
                self._link.wake()

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge to the broker what it delivered on the present connection.

        The lock holds off the loss of the connection, with which the packet ids lose their meaning.
        """
        with self._changing:
            if self._link is not None:
                ours = (d for d in deliveries if d.packet and d.connection == self._connection)
                self._link.send(b"".join(packets.puback(d.packet) for d in ours))

    def publish(self, identity: str, durable: Durable) -> None:
        """Tell a device what it may let go."""
        with self._changing:
            if len(self._answers) >= MAX_PENDING:
                self._answers.popleft()
                self.dropped_answers += 1
            self._answers.append((topic(identity, "durable"), ENCODER.encode(durable)))
            self._send_answers()

    def _work(self) -> None:
        shortest, longest = RECONNECT
        wait = shortest
        while not self._stopping.is_set():
            self.subscribed.clear()
            self.settled.clear()
            try:
                self._serve(Link(self._settings.broker, self._settings.mqtt_ca))
            except IngestError as fault:
                self._lost(str(fault) or str(fault.__doc__))
            except OSError as fault:
                broker = self._settings.broker
                self._lost(f"{broker.host}:{broker.port} cannot be reached: {fault}")
            wait = shortest if self.subscribed.is_set() else min(2 * wait, longest)
            self._stopping.wait(wait * random.uniform(0.5, 1))  # noqa: S311  # only to spread

    def _serve(self, link: Link) -> None:
        """Serve one connection until it is lost or we leave."""
        broker = self._settings.broker
        window = self._settings.ingest_window
        try:
            hello = (self.client, broker.user, broker.password, KEEPALIVE, window, SESSION_EXPIRY)
            link.send(packets.connect(*hello))
            while not self._stopping.is_set():
                reading = self._inbox.has_room()
                for packet in link.exchange(reading=reading, patience=PATIENCE):
                    self._take(link, packet)
                if self._leaving and self.settled.is_set() and not len(self._inbox):
                    self._ask_whether_all(link)
            link.send(packets.disconnect(forget=self._leaving and self.settled.is_set()))
            link.flush(FLUSH)
        finally:
            with self._changing:
                self._link = None
            self._is_asked = False
            link.close()

    def _take(self, link: Link, packet: Publication | Answer) -> None:
        if isinstance(packet, Publication):
            self._is_asked = False
            received = self._clock()
            if probe := PROBE.fullmatch(packet.topic):
                self._answer_probe(link, probe[1], packet, received)
                return
            self._inbox.put(
                Delivery(
                    connection=self._connection,
                    packet=packet.packet,
                    topic=packet.topic,
                    payload=packet.payload,
                    properties=packet.stated,
                    received=received,
                    again=packet.again,
                )
            )
            return
        match packet.kind:
            case Kind.PUBACK:
                with self._changing:
                    self._inflight.pop(packet.packet, None)
                    self._send_answers()
            case Kind.CONNACK:
                self._greet(link, packet)
            case Kind.SUBACK:
                _permitted("it refuses the subscription", packet.reasons)
                log.info("subscribed")
                self.subscribed.set()
            case Kind.UNSUBACK:
                self.settled.set()
            case Kind.PINGRESP if self._is_asked:
                log.info("session of %s is ended", self.client)
                self._finish()
            case Kind.DISCONNECT:
                raise BrokerLostError(_said(packet.reasons))

    def _greet(self, link: Link, answer: Answer) -> None:
        _permitted(f"it refuses {self.client}", answer.reasons)
        link.keepalive = answer.properties.get(Property.SERVER_KEEP_ALIVE, KEEPALIVE)
        allowed = answer.properties.get(Property.RECEIVE_MAXIMUM, MAX_INFLIGHT)
        with self._changing:
            self._link = link
            self._connection += 1
            self._most_inflight = min(MAX_INFLIGHT, allowed)
            for packet in self._inflight.values():
                link.send(packets.again(packet) if answer.session_present else packet)
            ids = self._next_id(), self._next_id()
            self._send_answers()
        self.lost_since = None
        present, left = self._filters
        if self._leaving:
            if not answer.session_present:
                self.settled.set()
                self._finish()
                return
            link.send(packets.unsubscribe(ids[0], [*present, *left]))
        else:
            # In this order: between the two everything comes twice, never not at all.
            link.send(packets.subscribe(ids[0], present))
            link.send(packets.unsubscribe(ids[1], left))
        state = "recovered" if self._said_lost else "connected"
        log.info("broker %s, session %s", state, "kept" if answer.session_present else "new")
        self._said_lost = False

    def _answer_probe(self, link: Link, device: str, probe: Publication, received: int) -> None:
        """Say when it was received; not while an answer waits that a device needs more."""
        if probe.packet:
            link.send(packets.puback(probe.packet))
        number = int.from_bytes(probe.payload[:PROBE_SIZE], "big")
        answer = ENCODER.encode(Received(number, received, *self._quality()))
        with self._changing:
            if not self._answers:
                self._answers.append((topic(device, "probe", "received"), answer))
                self._send_answers()

    def _ask_whether_all(self, link: Link) -> None:
        """Ping: what the broker still has for us comes before its answer."""
        if not self._is_asked:
            self._is_asked = True
            link.send(PINGREQ)

    def _finish(self) -> None:
        self._stopping.set()
        self._inbox.close()

    def _send_answers(self) -> None:
        """Send as many answers as the broker takes; the caller holds the lock."""
        while self._link and self._answers and len(self._inflight) < self._most_inflight:
            number = self._next_id()
            self._inflight[number] = packets.publish(number, *self._answers.popleft())
            self._link.send(self._inflight[number])

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 0xFFFF + 1
            if self._last_id not in self._inflight:
                return self._last_id

    def _lost(self, reason: str) -> None:
        if not self._said_lost:
            log.warning("broker lost: %s", reason)
        self._said_lost = True
        if self.lost_since is None:
            self.lost_since = self._clock()


def filters(settings: IngestSettings, slot: int) -> tuple[list[str], list[str]]:
    """Say to what a worker subscribes, and what it leaves that it may have subscribed to before.

    What is retained reaches no shared subscription: states and notices are the first worker's own,
    who so has commands before their results, too.
    """
    group = f"$share/{settings.ingest_client.replace('/', '-')}"
    foreign = settings.sources.subscriptions()
    shared = [f"{group}/{one.topic}" for one in foreign if not one.everybody]
    own = [one.topic for one in foreign if one.everybody]
    listened = [f"{group}/{UPLINKS}", f"{group}/{PROBES}", *shared, *own]
    return ([*listened, STATES, *NOTICES] if slot == 0 else listened), [UPLINKS]


def durables(found: dict[Any, Ranges]) -> list[tuple[str, Durable]]:
    """Give the answers that a committed transaction owes its devices."""
    return [(identity, Durable(boot, ranges)) for (identity, boot), ranges in found.items()]


def _permitted(what: str, reasons: bytes) -> None:
    if any(code >= FAILURE for code in reasons):
        msg = f"{what}: {_said(reasons)}"
        raise BrokerLostError(msg)


def _said(reasons: bytes) -> str:
    return packets.reasons(reasons, REASONS)
