"""A probe of the link is told when it was received; it is no message to be stored."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from contracts.broker import read_broker
from contracts.chrony import ClockQuality
from contracts.clock import utc_now
from contracts.messages import RECEIVED, Received
from contracts.topics import topic
from ingest.inbox import Inbox
from ingest.receiver import Receiver
from ingest.settings import IngestSettings

DEADLINE = 20.0
QUALITY = ClockQuality(-0.002, 0.005)


@pytest.fixture
def inbox(settings: IngestSettings, eventually: Callable[..., Any]) -> Iterator[Inbox]:
    """What a receiver whose clock is known hands on."""
    inbox = Inbox(10_000)  # what other tests had retained comes, too
    receiver = Receiver(settings, inbox, utc_now, quality=lambda: QUALITY)
    receiver.start()
    eventually("a subscription", receiver.subscribed.is_set)
    yield inbox
    inbox.close()
    receiver.stop()


@pytest.fixture
def answers(device_url: Callable[[str], str]) -> Iterator[tuple[Client, "queue.Queue[Received]"]]:
    """A device, and what it is told."""
    broker = read_broker(SecretStr(device_url("test-probes/box")))
    told: queue.Queue[Received] = queue.Queue()
    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    client.on_message = lambda *given: told.put(RECEIVED.decode(given[2].payload))
    client.on_connect = lambda c, *_: c.subscribe(topic("test-probes/box", "probe", "received"))
    client.on_subscribe = lambda *_: ready.set()
    client.connect(broker.host, broker.port)
    client.loop_start()
    assert ready.wait(DEADLINE)
    yield client, told
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("qos", [0, 1])
def test_a_probe_is_told_when_it_came_and_how_well_that_is_known(
    inbox: Inbox, answers: tuple[Client, "queue.Queue[Received]"], qos: int
) -> None:
    client, told = answers
    for number in (7, 0xFFFFFFFF):
        sent = utc_now()
        client.publish(topic("test-probes/box", "probe", "time"), number.to_bytes(4, "big"), qos)
        answer = told.get(timeout=DEADLINE)
        assert (answer.probe, answer.clock_offset, answer.clock_error) == (number, *QUALITY)
        assert sent <= answer.at <= utc_now()
    assert len(inbox) == 0, "nothing is held for the database"


def test_whatever_a_device_sends_as_a_probe_disturbs_nobody(
    inbox: Inbox,
    answers: tuple[Client, "queue.Queue[Received]"],
    eventually: Callable[..., Any],
) -> None:
    client, told = answers
    for payload in (b"", b"\xff" * 5000, b"\0\0\0\x2a"):
        client.publish(topic("test-probes/box", "probe", "time"), payload)
    client.publish(topic("test-probes/box", "up", "obs"), b"x", 1)
    eventually("the batch", lambda: len(inbox) == 1)
    assert [told.get(timeout=DEADLINE).probe for _ in range(3)] == [0, 0xFFFFFFFF, 42]
