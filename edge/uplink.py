"""The way to the platform: batches from the outbox to the broker, and back what got durable.

Two threads, so that neither a slow disk nor a dead link holds up the other: one keeps the
connection, the other chooses and publishes. Capture waits for neither.
"""

import logging
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contracts.batch import CONTENT_TYPE, STREAMS, restamp, schema_of
from contracts.broker import Broker
from contracts.clock import Clock
from contracts.messages import DURABLE, ENCODER, NO_MESSAGE, Durable, Ranges, State
from contracts.topics import topic
from contracts.version import __version__
from edge.backoff import Backoff
from edge.config import AgentConfig
from edge.outbox import Outbox, Waiting
from edge.probing.prober import Prober
from edge.threads import Failed, start_thread
from edge.traffic import LIVE, Traffic
from edge.window import Window

log = logging.getLogger(__name__)

SESSION_EXPIRY: Final = 86_400
"""How long the broker keeps the session of an agent that is away. [s]"""

_TICK: Final = 1.0  # how long a thread waits for anything at most [s]


class Uplink:
    """Publishes what the outbox holds until it is durable.

    Parameters
    ----------
    config
        Device, broker and window.
    outbox
        Whence batches come, and where durable ones are deleted.
    monotonic
        Seconds that only go forward.
    desired
        Told each configuration that the platform desires; not asked for without it.
    command
        Told each command with its correlation data; not asked for without it.
    """

    def __init__(
        self,
        config: AgentConfig,
        outbox: Outbox,
        *,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        desired: Callable[[bytes], None] | None = None,
        command: Callable[[bytes, bytes], None] | None = None,
    ) -> None:
        self._device = config.device
        self._broker = config.uplink.broker(config.device)
        self._keepalive = config.uplink.keepalive_s
        self._outbox = outbox
        self._clock = clock
        self._monotonic = monotonic
        self._window = Window(config.uplink.window, config.uplink.resend_after_s)
        self._traffic = Traffic(
            config.uplink.budget_kbit_s, config.uplink.drain_kbit_s, monotonic()
        )
        self._bytes = Counter[str]()  # sent of each stream since they were taken
        self._counting = threading.Lock()
        self._tls = config.uplink.tls() if self._broker.tls else None
        self._client = _client(self._device, self._broker, self._tls)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._state = State(
            status="online", boot=outbox.boot, since=0, version=__version__, camera=False
        )
        self._desired = desired
        self._command = command
        self._reported: bytes | None = None  # what became of what is desired
        self._announced = True  # nothing to say while nobody listens
        self._connected = False
        self._anew = False  # connected again, the window does not know yet
        self._acknowledged = deque[tuple[int, float]](maxlen=10_000)
        self._durables = deque[Durable](maxlen=1000)  # full: the oldest's batches are sent again
        self._round_trip: float | None = None
        self._quiet = False  # nothing is on its way to the broker, and nothing waits for its turn
        self._at_once = False  # packets leave without waiting for others to share a segment
        self.prober: Prober | None = None
        """Told what comes back of probes; not asked for without it."""
        self._down = False  # said to be down
        self.turned = monotonic()
        """When the publishing thread last came round [s]."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, failed: Failed) -> None:
        """Connect and publish from now on."""
        self._threads = [
            start_thread("broker", self._keep_connected, failed),
            start_thread("uplink", self._keep_publishing, failed),
        ]

    def wake(self) -> None:
        """Look at the outbox now: something is new."""
        self._wake.set()

    def announce(self, *, camera: bool, picture_url: str, picture_certificate: str = "") -> None:
        """Change what the birth certificate says."""
        self._state = msgspec.structs.replace(
            self._state,
            camera=camera,
            picture_url=picture_url,
            picture_certificate=picture_certificate,
        )
        self._announced = False
        self._wake.set()

    def report(self, reported: bytes) -> None:
        """Say what became of the configuration that is desired; the broker retains it."""
        self._reported = reported
        self._announced = False
        self._wake.set()

    def answer(self, result: bytes, correlation: bytes) -> None:
        """Say what became of a command; what is not heard is asked for again."""
        properties = _properties(PacketTypes.PUBLISH, CorrelationData=correlation)
        self._client.publish(topic(self._device, "result"), result, qos=1, properties=properties)

    def probe(self, what: str, payload: bytes, *, qos: int) -> int | None:
        """Publish a probe at once; it is not sent again. None: it cannot be."""
        self._send_at_once(True)
        info = self._client.publish(topic(self._device, "probe", what), payload, qos=qos)
        return info.mid if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def spare(self, size: int, *, quiet: bool) -> bool:
        """Whether so many bytes would be in nobody's way; they are taken from the budget then.

        No backlog waits and the budget has them over; to be `quiet`, nothing else is on its way.
        """
        oldest = self._outbox.stock().oldest
        behind = oldest is not None and self._clock() - oldest > LIVE
        if not self._connected or behind or (quiet and not self._quiet):
            return False
        return self._traffic.spare(size, self._monotonic())

    def take_round_trip(self) -> float | None:
        """Last time from a publication to the broker's PUBACK since this was asked. [s]."""
        last, self._round_trip = self._round_trip, None
        return last

    def certified(self, pair: Path) -> None:
        """Use this key and certificate from the next connection on."""
        if self._tls is not None:
            self._tls.load_cert_chain(pair)

    def take_bytes(self) -> dict[str, int]:
        """Bytes of payloads that were sent of each stream since this was asked."""
        with self._counting:
            sent, self._bytes = self._bytes, Counter()
        return {stream: sent[stream] for stream in sorted(STREAMS)}

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and not gone since."""
        return self._connected

    def close(self, timeout: float) -> None:
        """Say goodbye and disconnect; a second agent may follow at once."""
        self._stopping.set()
        self._wake.set()
        if self._connected:
            goodbye = self._publish_state("offline")
            try:
                goodbye.wait_for_publish(timeout)
            except (RuntimeError, ValueError) as fault:  # the link went in this moment: will's turn
                log.info("goodbye was not said: %s", fault)
            self._client.disconnect()
        for thread in self._threads:
            thread.join(timeout)

    # The thread of the connection, and what paho calls back in it.

    def _keep_connected(self) -> None:
        backoff = Backoff(1.0, 60.0)
        while not self._stopping.is_set():
            since = self._clock()
            self._state = msgspec.structs.replace(self._state, since=since)
            self._client.will_set(
                topic(self._device, "state"), self._encoded("offline"), qos=1, retain=True
            )
            expiry = _properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_EXPIRY)
            try:
                self._client.connect(
                    self._broker.host,
                    self._broker.port,
                    self._keepalive,
                    clean_start=False,
                    properties=expiry,
                )
                while self._client.loop(_TICK) == mqtt.MQTT_ERR_SUCCESS:
                    if self._connected:
                        backoff.reset()
                    elif self._stopping.is_set():
                        break
            except OSError as fault:
                self._lost(str(fault))
            self._connected = False
            self._stopping.wait(backoff.next())

    def _on_connect(
        self, client: mqtt.Client, _: Any, flags: mqtt.ConnectFlags, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            self._lost(f"{self._broker.host} refuses {self._broker.user}: {reason}")
            return
        # What paho holds back is sent again from the outbox, with the time of that moment.
        client.drop_out_messages()
        client.subscribe(topic(self._device, "durable"), qos=1)
        if self._desired is not None:
            client.subscribe(topic(self._device, "desired"), qos=1)
        if self._command is not None:
            client.subscribe(topic(self._device, "command"), qos=1)
        if self.prober is not None:
            client.subscribe([(topic(self._device, "probe", w), 0) for w in ("echo", "received")])
        self._window.receive_maximum = getattr(properties, "ReceiveMaximum", 1 << 16)
        self._anew = True
        self._announced = False
        self._connected = True
        self._at_once = False  # a new socket does not
        self._down = False
        log.info(
            "uplink connected to %s, session kept: %s", self._broker.host, flags.session_present
        )
        self._wake.set()

    def _on_disconnect(self, _client: Any, _: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self._connected = False
        if not self._stopping.is_set():
            self._lost(str(reason))

    def _on_publish(self, _client: Any, _: Any, mid: int, _reason: Any, _props: Any) -> None:
        self._acknowledged.append((mid, self._monotonic()))
        if self.prober is not None:
            self.prober.acknowledged(mid)
        self._wake.set()

    def _on_message(self, _client: Any, _: Any, message: mqtt.MQTTMessage) -> None:
        if self._desired is not None and message.topic == topic(self._device, "desired"):
            self._desired(bytes(message.payload))
            return
        if self._command is not None and message.topic == topic(self._device, "command"):
            correlation = getattr(message.properties, "CorrelationData", b"")
            self._command(bytes(message.payload), correlation)
            return
        if self.prober is not None and message.topic.startswith(topic(self._device, "probe") + "/"):
            self.prober.hear(message.topic.rpartition("/")[2], bytes(message.payload))
            return
        try:
            self._durables.append(DURABLE.decode(message.payload))
        except NO_MESSAGE as fault:
            log.warning("%s says what is no message: %s", message.topic, fault)
            return
        self._wake.set()

    def _lost(self, reason: str) -> None:
        if not self._down:
            log.warning("uplink lost: %s; batches wait in the outbox", reason)
        self._down = True

    # The thread that publishes; the window is its own.

    def _keep_publishing(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(min(self._traffic.waits or _TICK, _TICK))
            self._wake.clear()
            self.turned = self._monotonic()
            self._settle()
            if self._connected:
                self._publish_all()
            self._quiet = not self._traffic.waits and not self._window.unacknowledged

    def _settle(self) -> None:
        """Take in what the other thread has heard."""
        if self._anew:
            self._anew = False
            self._acknowledged.clear()
            self._window.disconnected()
        while self._acknowledged:
            mid, at = self._acknowledged.popleft()
            trip = self._window.acknowledged(mid, at)
            self._round_trip = self._round_trip if trip is None else trip
        durable: dict[UUID, Ranges] = {}
        while self._durables:
            message = self._durables.popleft()
            durable.setdefault(message.boot, []).extend(message.ranges)
        for boot, ranges in durable.items():  # together: each deletion waits for the disk
            self._window.durable(boot, ranges, self._monotonic())
            self._outbox.durable(boot, ranges)

    def _publish_all(self) -> None:
        if not self._announced:
            self._announced = True
            self._publish_state("online")
            if self._reported is not None:
                self._client.publish(
                    topic(self._device, "reported"), self._reported, qos=1, retain=True
                )
        reach = self._window.reach
        chosen = self._window.choose(
            self._outbox.waiting(reach, newest=True),
            self._outbox.backlog(reach),
            self._monotonic(),
        )
        for batch in self._traffic.allowed(chosen, self._clock(), self._monotonic()):
            payload = self._outbox.payload(batch)
            if payload is None:
                self._window.forget([batch])
            else:
                self._publish(batch, payload)

    def _publish(self, batch: Waiting, payload: bytes) -> None:
        name = [
            ("schema", schema_of(payload)),
            ("boot", batch.boot.hex),
            ("seq", str(batch.seq)),
        ]
        self._send_at_once(False)
        info = self._client.publish(
            topic(self._device, "up", batch.stream),
            restamp(payload, self._clock()),
            qos=1,
            properties=_properties(
                PacketTypes.PUBLISH, ContentType=CONTENT_TYPE, UserProperty=name
            ),
        )
        self._window.sent(batch, info.mid, self._monotonic())
        with self._counting:
            self._bytes[batch.stream] += len(payload)

    def _send_at_once(self, at_once: bool) -> None:
        """Have each packet of a probe leave alone; batches share segments (RFC 896)."""
        link = self._client.socket()
        if at_once == self._at_once or not isinstance(link, socket.socket):
            return
        self._at_once = at_once
        with suppress(OSError):  # the link went in this moment
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, at_once)

    def _publish_state(self, status: str) -> mqtt.MQTTMessageInfo:
        return self._client.publish(
            topic(self._device, "state"), self._encoded(status), qos=1, retain=True
        )

    def _encoded(self, status: str) -> bytes:
        return ENCODER.encode(msgspec.structs.replace(self._state, status=status))


def _client(device: str, broker: Broker, tls: ssl.SSLContext | None) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=mqtt.MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    if tls is not None:
        client.tls_set_context(tls)
    # Only the thread of `loop` may write to the socket; without this, publishing would, too.
    client.on_socket_register_write = lambda *_: None
    return client


def _properties(packet: int, **values: Any) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
