"""A street for ingest's tests: a registered device that publishes, and ingest beside it."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contracts.batch import SCHEMAS, Batch, encode
from contracts.broker import Broker
from contracts.clock import utc_now
from contracts.messages import DURABLE, Durable
from contracts.site import Name, Site
from contracts.topics import topic
from ingest.run import Ingest
from ingest.settings import IngestSettings
from storage.pool import Connection, StorageSettings, connect
from storage.registry import register_device, register_site
from tepna.stack import Stack

DEADLINE = 20.0


@pytest.fixture(scope="session")
def broker(make_broker: Callable[[str], Stack]) -> Stack:
    """Give a broker of ingest's own: it hears all devices, also those that other tests left."""
    return make_broker("ingest")


@pytest.fixture
def eventually() -> Callable[[str, Callable[[], Any]], Any]:
    """Give a wait with a deadline."""
    return wait_for


def wait_for(what: str, happened: Callable[[], Any]) -> Any:
    """Wait until it is true, and return what it said."""
    deadline = time.monotonic() + DEADLINE
    while not (said := happened()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {DEADLINE} s")
        time.sleep(0.02)
    return said


def columns(schema: str, rows: int, **given: Any) -> dict[str, NDArray[Any]]:
    """Columns of a batch; what is not given is zero, times are now."""
    made = {name: np.zeros(rows, dtype) for name, dtype in SCHEMAS[schema].dtypes.items()}
    made["t"] += utc_now() - np.arange(rows)[::-1] * 1000
    for name, value in given.items():
        made[name] = np.broadcast_to(np.asarray(value).astype(made[name].dtype), rows)
    return made


class Street:
    """Devices of one pilot of the test's own, and the database's view of them."""

    def __init__(
        self, connection: Connection, device_url: Callable[[str], str], pilot: str
    ) -> None:
        self.connection = connection
        self.pilot = pilot
        self._device_url = device_url
        self._devices: list[Device] = []
        plan = Site(
            id="here",
            pilot=pilot,
            name=Name(cs="Zde", en="Here"),
            latitude=50,
            longitude=14,
            speed_limit_km_h=50,
        )
        self.site = register_site(connection, plan)

    def device(self, name: str, *, registered: bool = True) -> "Device":
        """Make a device with an account at the broker."""
        number = 0
        if registered:
            number = register_device(self.connection, pilot=self.pilot, site="here", name=name)
        identity = f"{self.pilot}/{name}"
        device = Device(identity, number, self._device_url(identity))
        self._devices.append(device)
        return device

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database answers."""
        return self.connection.execute(query, parameters).fetchall()

    def letters(self) -> list[tuple[str, str, int]]:
        """Dead letters of this street: device, reason, times seen."""
        found = self.rows(
            "SELECT identity, reason, seen FROM dead_letter"
            " WHERE split_part(identity, '/', 1) = %s ORDER BY dead_letter",
            self.pilot,
        )
        return [(identity.split("/")[1], reason, seen) for identity, reason, seen in found]

    def close(self) -> None:
        """Disconnect every device."""
        for device in self._devices:
            device.close()


class Device:
    """A device that publishes what it is told, and hears what is durable."""

    def __init__(self, identity: str, number: int, url: str) -> None:
        self.identity = identity
        self.number = number
        self.boot = uuid.uuid4()
        self.durable: list[Durable] = []
        self._seq = 0
        self._retained: set[str] = set()
        settings = IngestSettings(database_url="postgresql://", mqtt_url=url)
        self._client = self._connect(settings.broker)

    def batch(self, schema: str = "obs/1", rows: int = 3, **given: Any) -> Batch:
        """Make the next batch; keywords that are columns become those, the rest the header."""
        header = {k: given.pop(k) for k in list(given) if k not in SCHEMAS[schema].dtypes}
        seq = header.pop("seq", self._seq)
        self._seq = max(self._seq, seq + 1)
        header = {"names": ["temperature"], "boot": self.boot, "device": self.identity} | header
        return Batch(
            schema=schema,
            seq=seq,
            sent_at=utc_now(),
            columns=columns(schema, rows, **given),
            **header,
        )

    def send(self, batch: Batch) -> None:
        """Publish a batch where it belongs."""
        self.publish(f"up/{SCHEMAS[batch.schema].stream}", encode(batch))

    def publish(self, channel: str, payload: bytes, *, retain: bool = False, **stated: Any) -> None:
        """Publish any bytes, and wait until the broker has them."""
        if retain:
            self._retained.add(channel)
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [(key, str(value)) for key, value in stated.items()]
        info = self._client.publish(
            topic(self.identity, channel), payload, qos=1, retain=retain, properties=properties
        )
        info.wait_for_publish(DEADLINE)

    def is_durable(self, seq: int, boot: uuid.UUID | None = None) -> bool:
        """Whether ingest has said that the device may let this go."""
        return any(
            first <= seq < end
            for said in self.durable
            if said.boot == (boot or self.boot)
            for first, end in said.ranges
        )

    def close(self) -> None:
        """Disconnect; the broker retains nothing that the next test's ingest would hear."""
        for channel in sorted(self._retained):
            self.publish(channel, b"", retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self, broker: Broker) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=self.identity, protocol=MQTTv5)
        client.username_pw_set(broker.user, broker.password)
        client.on_message = self._on_message
        ready = threading.Event()
        client.on_subscribe = lambda *_: ready.set()
        client.on_connect = lambda c, *_: c.subscribe(topic(self.identity, "durable"), qos=1)
        client.connect(broker.host, broker.port)
        client.loop_start()
        if not ready.wait(DEADLINE):
            pytest.fail("the broker did not let the device in")
        return client

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.durable.append(DURABLE.decode(message.payload))


@pytest.fixture
def settings(database_url: str, mqtt_url: str) -> Iterator[IngestSettings]:
    """Settings of an ingest of the test's own, whose session ends with the test."""
    settings = IngestSettings(
        database_url=database_url,
        mqtt_url=mqtt_url,
        ingest_client=f"ingest-{uuid.uuid4().hex[:12]}",
    )
    yield settings
    broker = settings.broker
    client = Client(CallbackAPIVersion.VERSION2, client_id=settings.ingest_client, protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    client.connect(broker.host, broker.port, clean_start=True)
    client.loop_start()
    wait_for("the end of ingest's session", client.is_connected)
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def street(database_url: str, device_url: Callable[[str], str]) -> Iterator[Street]:
    """A street with nobody in it yet."""
    with connect(StorageSettings(database_url=database_url)) as connection:
        street = Street(connection, device_url, f"test-{uuid.uuid4().hex[:12]}")
        yield street
        street.close()


@pytest.fixture
def ingest(settings: IngestSettings) -> Iterator[Ingest]:
    """Ingest at work in this process."""
    ingest = Ingest(settings, utc_now)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    wait_for("ingest's subscription", ingest.receiver.subscribed.is_set)
    yield ingest
    ingest.stop()
    thread.join(DEADLINE)
