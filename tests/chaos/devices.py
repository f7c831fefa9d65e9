"""Devices without an outbox: one that the broker alone keeps safe, and one that means harm."""

import random
import threading
import uuid
from typing import Any

import numpy as np
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contracts.batch import SCHEMAS, Batch, BatchError, decode, encode
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.settings import Broker
from tests.chaos.checker import Sent

PACE = 0.03  # [s]


class Device:
    """A client whose session the broker keeps; what is not acknowledged is sent again."""

    def __init__(self, identity: str, broker: Broker) -> None:
        self.identity = identity
        client = Client(CallbackAPIVersion.VERSION2, client_id=identity, protocol=MQTTv5)
        client.username_pw_set(broker.user, broker.password)
        client.reconnect_delay_set(1, 2)
        client.on_publish = self._on_publish
        expiry = Properties(PacketTypes.CONNECT)
        expiry.SessionExpiryInterval = 3600
        client.connect_async(broker.host, broker.port, 5, clean_start=False, properties=expiry)
        client.loop_start()
        self._client = client
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> None:
        """Publish nothing new."""
        self._stopping.set()
        self._thread.join()

    def close(self) -> None:
        """Leave."""
        self.stop()
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, channel: str, payload: bytes) -> int:
        """Publish; give the packet's number, by which the acknowledgement is known."""
        return self._client.publish(topic(self.identity, channel), payload, qos=1).mid

    def _work(self) -> None:
        raise NotImplementedError

    def _on_publish(self, _client: Any, _: Any, mid: int, _reason: Any, _props: Any) -> None:
        pass


class Meter(Device):
    """Sends each reading once and forgets it when the broker has acknowledged it.

    A broker that is killed may lose what it had acknowledged: only what was published after its
    last death is safe.
    """

    def __init__(self, identity: str, broker: Broker) -> None:
        self._boot = uuid.uuid4()
        self.deaths = 0  # of the broker: count one before each
        self._sent: list[tuple[int, int]] = []  # by number: packet, deaths before it was sent
        self._acknowledged: set[int] = set()  # packets
        super().__init__(identity, broker)

    @property
    def waits(self) -> bool:
        """Whether the broker has not acknowledged all."""
        return any(packet not in self._acknowledged for packet, _ in self._sent)

    def said(self) -> Sent:
        """Say what was sent, and what of it is safe."""
        safe = {
            number
            for number, (packet, deaths) in enumerate(self._sent)
            if packet in self._acknowledged and deaths == self.deaths
        }
        return Sent(set(range(len(self._sent))), safe)

    def _work(self) -> None:
        while not self._stopping.wait(PACE):
            number, deaths = len(self._sent), self.deaths
            payload = encode(reading(self.identity, self._boot, number))
            self._sent.append((self.publish("up/obs", payload), deaths))

    def _on_publish(self, _client: Any, _: Any, mid: int, _reason: Any, _props: Any) -> None:
        self._acknowledged.add(mid)


class Stranger(Device):
    """Sends garbage of each kind, again and again, among which the good ones must live."""

    def __init__(self, identity: str, broker: Broker, seed: int) -> None:
        self.garbage = make_garbage(identity, seed)
        super().__init__(identity, broker)

    def expected(self) -> list[tuple[str, str, bytes]]:
        """Give the dead letters that there must be."""
        return [(self.identity, reason, payload) for _, reason, payload in self.garbage]

    def _work(self) -> None:
        turn = 0
        while not self._stopping.wait(PACE):
            channel, _, payload = self.garbage[turn % len(self.garbage)]
            self.publish(channel, payload)
            turn += 1


def reading(identity: str, boot: uuid.UUID, number: int, **header: Any) -> Batch:
    """Make a batch of one numbered sample."""
    columns = {name: np.zeros(1, dtype) for name, dtype in SCHEMAS["obs/1"].dtypes.items()}
    columns["t"][:] = utc_now()
    columns["value"][:] = number
    given = {
        "schema": "obs/1",
        "device": identity,
        "boot": boot,
        "seq": number,
        "sent_at": utc_now(),
    }
    return Batch(**{**given, "names": ["chaos.number"], "columns": columns} | header)


def make_garbage(identity: str, seed: int) -> list[tuple[str, str, bytes]]:
    """Make what no ingest can use: channel, the reason it must be refused for, payload."""
    dice = random.Random(seed)  # noqa: S311
    boot = uuid.UUID(int=dice.getrandbits(128))
    good = encode(reading(identity, boot, 0))
    stranger = encode(reading("somebody/else", boot, 1))
    nonsense = dice.randbytes(200)
    found = [
        ("up/obs", "identity-mismatch", stranger),
        ("up/tracks", "stream-mismatch", good),
        ("up/nothing", "unknown-topic", good),
        ("up/obs", "unknown-schema", good.replace(b"obs/1", b"obs/9")),
        ("up/obs", "truncated", good[: dice.randrange(20, len(good) - 1)]),
        ("up/obs", "too-large", bytes((1 << 20) + 1)),
        ("state", "not-a-state", nonsense),
    ]
    while len(found) < 12:  # bits that tipped over on their way, and were seen to
        torn = bytearray(good)
        for _ in range(3):
            torn[dice.randrange(len(torn))] ^= 1 << dice.randrange(8)
        try:
            decode(bytes(torn))
        except BatchError as fault:
            found.append(("up/obs", fault.reason, bytes(torn)))
    return found
