"""From the broker to the hub: reads the live feed for display; commands go the other way."""

import asyncio
import logging
import random
import ssl
from typing import Any, Final
from uuid import uuid4

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from api.errors import NoBrokerError
from api.frames import Frame, frames, state_frame
from api.live import Hub
from api.settings import ApiSettings
from contracts.batch import BatchError, decode
from contracts.broker import read_broker
from contracts.messages import STATE
from contracts.topics import STATES, VERSION, TopicError, parse

logger = logging.getLogger(__name__)

STREAMS: Final = ("tracks", "signal", "events")
QOS: Final = 1
"""Not for the sake of delivery: of QoS 0 Mosquitto holds any amount for a client that stands still,
of QoS 1 no more than max_queued_messages and max_queued_bytes, and drops the rest."""
WAITING: Final = 2_000  # messages; full: the newest is lost, which a live picture can bear
FIRST_PAUSE: Final = 0.5  # [s]
LONGEST_PAUSE: Final = 30.0  # [s]


class Feed:
    """Keeps the hub fed for as long as `run` runs."""

    def __init__(self, settings: ApiSettings, hub: Hub) -> None:
        self._settings = settings
        self._hub = hub
        self.connected = asyncio.Event()
        self.refused = 0  # messages that are no batch
        self._asking: aiomqtt.Client | None = None  # while connected

    async def run(self) -> None:
        """Connect and read for ever; reconnect with a jittered, growing, capped pause."""
        pause = FIRST_PAUSE
        told = False  # one line when it is lost, one when it is back
        while True:
            try:
                async with self._client() as client:
                    for stream in STREAMS:
                        await client.subscribe(f"tepna/{VERSION}/+/+/up/{stream}", qos=QOS)
                    await client.subscribe(STATES, qos=QOS)
                    if told:
                        logger.info("live feed recovered")
                    told, pause = False, FIRST_PAUSE
                    self._asking = client
                    self.connected.set()
                    async for message in client.messages:
                        self._take(str(message.topic), message.payload)
            except aiomqtt.MqttError as fault:
                if not told:
                    logger.warning("live feed lost: %s", fault)
                    told = True
            finally:
                self._asking = None
                self.connected.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
            pause = min(2 * pause, LONGEST_PAUSE)

    def check_connected(self) -> None:
        """Raise unless a device can be asked now.

        Raises
        ------
        NoBrokerError
            If the broker is away.
        """
        if self._asking is None:
            raise NoBrokerError("Try again in a moment.")

    async def ask(self, where: str, answer_to: str, payload: bytes, expiry: int) -> None:
        """Publish a command that is over after so long [s].

        Raises
        ------
        NoBrokerError
            If the broker is away, or does not confirm it.
        """
        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = answer_to
        properties.CorrelationData = uuid4().bytes
        properties.MessageExpiryInterval = expiry
        if self._asking is None:
            raise NoBrokerError("Try again in a moment.")
        try:
            await self._asking.publish(where, payload, qos=QOS, properties=properties, timeout=5)
        except aiomqtt.MqttError as fault:
            raise NoBrokerError(str(fault)) from fault

    def _client(self) -> aiomqtt.Client:
        broker = read_broker(self._settings.mqtt_url)
        return aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.user,
            password=broker.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=ssl.create_default_context(cafile=self._settings.mqtt_ca)
            if broker.tls
            else None,
            max_queued_incoming_messages=WAITING,
            keepalive=20,
        )

    def _take(self, topic: str, payload: object) -> None:
        """Show what can be shown; ingest says what is wrong with the rest, here it is counted."""
        if not isinstance(payload, bytes):
            self.refused += 1
            return
        try:
            for frame in _read(topic, payload):
                self._hub.publish(frame)
        except (BatchError, TopicError, msgspec.DecodeError):
            self.refused += 1


def _read(topic: str, payload: bytes) -> list[Frame]:
    address = parse(topic)
    if address.channel == "state":
        return [state_frame(address.identity, STATE.decode(payload))] if payload else []
    batch = decode(payload)
    if batch.device != address.identity:
        raise BatchError("foreign", f"{batch.device} on the topic of {address.identity}")
    return list(frames(batch))
