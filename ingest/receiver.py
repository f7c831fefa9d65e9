"""The broker's side: a persistent session with manual acknowledgement."""

import logging
import threading
from collections.abc import Iterable
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from contracts.clock import Clock
from contracts.messages import ENCODER, Durable, Ranges
from contracts.topics import STATES, VERSION, topic
from ingest.inbox import Delivery, Inbox
from ingest.settings import IngestSettings

log = logging.getLogger(__name__)

SESSION_EXPIRY: Final = 7 * 24 * 3600
"""How long the broker keeps messages for an ingest that is away. [s]"""

KEEPALIVE: Final = 20  # [s]
RECONNECT: Final = (1, 8)
"""Shortest and longest wait before connecting again, doubled from one to the other. [s]"""

MAX_PENDING: Final = 10_000
"""Answers that wait for the broker; what overflows is asked for again when a batch is repeated."""

UPLINKS: Final = f"tepna/{VERSION}/+/+/up/#"
"""Every uplink topic, known or not: what is unknown is a dead letter, not nothing."""


class Receiver:
    """Feeds the inbox from the broker; acknowledges what is committed and says so to the devices.

    Every method may be called from any thread.
    """

    def __init__(self, settings: IngestSettings, inbox: Inbox, clock: Clock) -> None:
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self.subscribed = threading.Event()  # from here on nothing that is sent passes by
        self._connection = 0  # odd: connected; each connection and each loss counts one
        self._changing = threading.Lock()
        self._is_lost = False
        self._client = self._make_client()

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        broker = self._settings.broker
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        connect.SessionExpiryInterval = SESSION_EXPIRY
        connect.ReceiveMaximum = self._settings.ingest_window
        self._client.connect_async(
            broker.host, broker.port, KEEPALIVE, clean_start=False, properties=connect
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Send what is to be sent, and leave; the session stays."""
        self._client.disconnect()
        self._client.loop_stop()

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge to the broker what it delivered on the present connection.

        The lock holds off the loss of the connection, with which the packet ids lose their meaning.
        """
        with self._changing:
            for delivery in deliveries:
                if delivery.packet and delivery.connection == self._connection:
                    self._client.ack(delivery.packet, 1)

    def publish(self, identity: str, durable: Durable) -> None:
        """Tell a device what it may let go."""
        self._client.publish(topic(identity, "durable"), ENCODER.encode(durable), qos=1)

    def _make_client(self) -> Client:
        broker = self._settings.broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.ingest_client,
            protocol=MQTTv5,
            manual_ack=True,
        )
        client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set(self._settings.mqtt_ca)
        client.max_inflight_messages_set(100)
        client.max_queued_messages_set(MAX_PENDING)
        client.reconnect_delay_set(*RECONNECT)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, __: Properties | None
    ) -> None:
        if reason.is_failure:
            self._lost(f"it refuses {self._settings.ingest_client}: {reason}")
            return
        with self._changing:
            self._connection += 1
        once = SubscribeOptions(qos=1)
        client.subscribe([(UPLINKS, once), (STATES, once)])
        state = "recovered" if self._is_lost else "connected"
        log.info("broker %s, session %s", state, "kept" if flags.session_present else "new")
        self._is_lost = False

    def _on_subscribe(self, *_: object) -> None:
        self.subscribed.set()
        log.info("subscribed")

    def _on_disconnect(
        self, _: Client, __: Any, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        with self._changing:
            if self._connection % 2 == 0:
                return  # it was never there
            self._connection += 1
        if reason.is_failure:
            self._lost(str(reason))

    def _on_connect_fail(self, _: Client, __: Any) -> None:
        broker = self._settings.broker
        self._lost(f"{broker.host}:{broker.port} cannot be reached")

    def _lost(self, reason: str) -> None:
        if not self._is_lost:
            log.warning("broker lost: %s", reason)
        self._is_lost = True

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        stated = getattr(message.properties, "UserProperty", [])
        self._inbox.put(
            Delivery(
                connection=self._connection,
                packet=message.mid if message.qos else 0,
                topic=message.topic,
                payload=bytes(message.payload),
                properties=dict(stated),
                received=self._clock(),
            )
        )


def durables(found: dict[Any, Ranges]) -> list[tuple[str, Durable]]:
    """Give the answers that a committed transaction owes its devices."""
    return [(identity, Durable(boot, ranges)) for (identity, boot), ranges in found.items()]
