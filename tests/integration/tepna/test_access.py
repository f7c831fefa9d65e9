"""The broker binds each account to its own topics; checked on the real broker."""

import queue
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from paho.mqtt.client import Client as MqttClient
from paho.mqtt.client import MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from tepna.stack import Stack

DEADLINE = 10.0  # [s]
NOT_AUTHORISED = 0x87
PROBES = ("probe/echo", "probe/load", "probe/time")
SUCCESS = (0x00, 0x10)  # 0x10: nobody has subscribed to it

Connect = Callable[[str], "Client"]


class Client:
    """An MQTT 5 client that answers with what the broker said."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.mqtt = MqttClient(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self.mqtt.username_pw_set(unquote(parts.username or ""), parts.password)
        self.received: queue.Queue[str] = queue.Queue()
        self._answers: queue.Queue[int] = queue.Queue()
        self.mqtt.on_message = lambda _c, _u, message: self.received.put(message.topic)
        for name in ("on_connect", "on_publish", "on_subscribe"):
            setattr(self.mqtt, name, self._answer)
        self.mqtt.connect(parts.hostname or "", parts.port or 0)
        self.mqtt.loop_start()
        self.connected = self._answers.get(timeout=DEADLINE)

    def _answer(self, *arguments: Any) -> None:
        code = arguments[3]
        self._answers.put((code[0] if isinstance(code, list) else code).value)

    def publish(self, topic: str) -> int:
        """Publish and return the reason code of the broker's answer."""
        self.mqtt.publish(topic, b"x", qos=1)
        return self._answers.get(timeout=DEADLINE)

    def subscribe(self, topic: str) -> int:
        self.mqtt.subscribe(topic, qos=1)
        return self._answers.get(timeout=DEADLINE)


@contextmanager
def connected(url: str) -> Iterator[Client]:
    client = Client(url)
    yield client
    client.mqtt.disconnect()
    client.mqtt.loop_stop()


@pytest.fixture
def connect(stack: Stack) -> Iterator[Connect]:
    """Connect with an account's name."""
    with ExitStack() as exits:
        yield lambda user: exits.enter_context(connected(stack.mqtt_url(user)))


@pytest.fixture
def devices(stack: Stack) -> tuple[str, str]:
    """Name two devices of a pilot of this test's own."""
    pilot = f"pilot-{secrets.token_hex(4)}"
    names = (f"{pilot}/cam-1", f"{pilot}/cam-2")
    for name in names:
        stack.add_device(name)
    return names


@pytest.mark.parametrize(
    "channel",
    ["up/obs", "up/tracks", "state", "reported", "result", *PROBES],
)
def test_a_device_writes_its_own_topics_and_nobody_elses(
    connect: Connect, devices: tuple[str, str], channel: str
) -> None:
    client = connect(devices[0])
    assert client.publish(f"tepna/1/{devices[0]}/{channel}") in SUCCESS
    assert client.publish(f"tepna/1/{devices[1]}/{channel}") == NOT_AUTHORISED


@pytest.mark.parametrize("channel", ["durable", "desired", "command", "probe/received"])
def test_a_device_does_not_write_what_it_is_told(
    connect: Connect, devices: tuple[str, str], channel: str
) -> None:
    assert connect(devices[0]).publish(f"tepna/1/{devices[0]}/{channel}") == NOT_AUTHORISED


@pytest.mark.parametrize(
    ("writer", "channel"),
    [
        ("ingest", "durable"),
        ("ingest", "probe/received"),
        ("api", "desired"),
        ("api", "command"),
    ],
)
def test_a_device_hears_its_own_topics_and_nobody_elses(
    connect: Connect, devices: tuple[str, str], writer: str, channel: str
) -> None:
    mine, other = devices
    client = connect(mine)
    client.subscribe("tepna/#")  # whatever it asks for
    server = connect(writer)
    assert server.publish(f"tepna/1/{other}/{channel}") in SUCCESS
    assert server.publish(f"tepna/1/{mine}/{channel}") in SUCCESS
    assert client.received.get(timeout=DEADLINE) == f"tepna/1/{mine}/{channel}"
    assert client.received.empty()  # one broker keeps the order of one publisher


def test_of_its_probes_a_device_hears_the_echoes_alone(
    connect: Connect, devices: tuple[str, str]
) -> None:
    mine, other = (connect(device) for device in devices)
    mine.subscribe("tepna/#")
    other.subscribe("tepna/#")
    for channel in ("probe/load", "probe/time", "probe/echo"):
        assert mine.publish(f"tepna/1/{devices[0]}/{channel}") in SUCCESS
    assert mine.received.get(timeout=DEADLINE) == f"tepna/1/{devices[0]}/probe/echo"
    other.publish(f"tepna/1/{devices[1]}/probe/echo")
    assert other.received.get(timeout=DEADLINE) == f"tepna/1/{devices[1]}/probe/echo"
    assert mine.received.empty()


def test_ingest_hears_every_device_and_commands_none(
    connect: Connect, devices: tuple[str, str]
) -> None:
    ingest = connect("ingest")
    pilot = devices[0].split("/")[0]
    ingest.subscribe(f"tepna/1/{pilot}/+/up/#")
    ingest.subscribe(f"tepna/1/{pilot}/+/state")
    for device in devices:
        client = connect(device)
        client.publish(f"tepna/1/{device}/up/obs")
        client.publish(f"tepna/1/{device}/state")
    heard = {ingest.received.get(timeout=DEADLINE) for _ in range(4)}
    assert heard == {f"tepna/1/{d}/{c}" for d in devices for c in ("up/obs", "state")}
    assert ingest.publish(f"tepna/1/{devices[0]}/command") == NOT_AUTHORISED
    assert ingest.publish(f"tepna/1/{devices[0]}/up/obs") == NOT_AUTHORISED


def test_the_api_commands_and_hears_the_answers(connect: Connect, devices: tuple[str, str]) -> None:
    api, client = connect("api"), connect(devices[0])
    api.subscribe(f"tepna/1/{devices[0]}/#")
    for channel in ("up/obs", "state", "reported", "result"):
        client.publish(f"tepna/1/{devices[0]}/{channel}")
        assert api.received.get(timeout=DEADLINE) == f"tepna/1/{devices[0]}/{channel}"
    assert api.publish(f"tepna/1/{devices[0]}/durable") == NOT_AUTHORISED


def test_an_unknown_account_and_a_wrong_password_stay_out(stack: Stack) -> None:
    good = urlsplit(stack.mqtt_url("ingest"))
    place = f"{good.hostname}:{good.port}"
    for account in ("nobody:x", f"ingest:{'x' * 32}"):
        with connected(f"mqtt://{account}@{place}") as client:
            assert client.connected in {0x86, NOT_AUTHORISED}


def test_a_new_account_disturbs_no_connection(connect: Connect, devices: tuple[str, str]) -> None:
    client = connect(devices[0])
    connect(f"{devices[1]}")
    assert client.publish(f"tepna/1/{devices[0]}/up/obs") in SUCCESS
    assert client.mqtt.is_connected()
