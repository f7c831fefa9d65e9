"""Several workers share the messages: one may die, some may leave; none is lost or doubled."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contracts.clock import utc_now
from ingest.receiver import UPLINKS
from ingest.run import Ingest
from ingest.settings import IngestSettings
from ingest.workers import Leavers

COMMAND = [sys.executable, "-c", "from tepna.cli import main; main()", "ingest", "run"]
ONCE = "SELECT count(*), count(DISTINCT (device, boot, seq)) FROM batch"
WORKERS = 3


@contextmanager
def running(settings: IngestSettings, log: Path, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "TEPNA_DATABASE_URL": settings.database_url.get_secret_value(),
        "TEPNA_MQTT_URL": settings.mqtt_url.get_secret_value(),
        "TEPNA_INGEST_CLIENT": settings.ingest_client,
    }
    command = [*COMMAND, "--workers", str(workers)]
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stderr=output) as process,  # noqa: S603
    ):
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def said(log: Path, words: str) -> int:
    return log.read_text().count(words)


def workers_of(parent: int) -> list[int]:
    """Processes that do the work; beside them there may be one that multiprocessing needs."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            its_parent = status.read_text().split("PPid:\t")[1].split("\n")[0]
            command = (status.parent / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        if int(its_parent) == parent and "spawn_main" in command:
            found.append(int(status.parent.name))
    return sorted(found)


@pytest.fixture
def several(settings: IngestSettings) -> Iterator[IngestSettings]:
    """Settings whose further sessions end with the test."""
    yield settings
    leavers = Leavers(settings, utc_now, 1)
    leavers.start()
    leavers.join(20)
    assert not leavers.is_alive()


def test_one_of_three_is_killed_under_load(
    several: IngestSettings, street: Any, eventually: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    devices = [street.device(f"cam-{i}") for i in range(3)]

    def send(count: int) -> None:
        for _ in range(count):
            for device in devices:
                device.send(device.batch(value=1))

    with running(several, log, WORKERS) as process:
        eventually("subscriptions", lambda: said(log, "subscribed") == WORKERS)
        killed = threading.Thread(target=send, args=(60,))
        killed.start()
        eventually("the first commits", lambda: street.rows(ONCE)[0][0] > 20)
        victim = workers_of(process.pid)[1]
        os.kill(victim, signal.SIGKILL)
        killed.join()
        eventually("a new worker", lambda: said(log, "it is started again") == 1)
        eventually("its subscription", lambda: said(log, "subscribed") == WORKERS + 1)
        send(20)
        eventually(
            "all", lambda: all(device.is_durable(n) for device in devices for n in range(80))
        )
    assert street.rows(ONCE) == [(240, 240)]
    assert street.rows("SELECT count(*), sum(value) FROM observation") == [(720, 720.0)]
    assert said(log, "deadlock") == 0


def test_who_leaves_leaves_nothing_behind(
    several: IngestSettings, street: Any, eventually: Any, tmp_path: Path
) -> None:
    """The broker deals messages to the sessions of workers that there are no more, too."""
    device = street.device("cam-1")
    log = tmp_path / "log"
    with running(several, log, WORKERS):
        eventually("subscriptions", lambda: said(log, "subscribed") == WORKERS)
    for _ in range(30):
        device.send(device.batch(value=1))
    with running(several, log, 1):
        eventually("all", lambda: all(device.is_durable(n) for n in range(30)))
        left = f"session of {several.ingest_client}/2 is ended"
        eventually("the end of the last session", lambda: said(log, left) == 1)
        for _ in range(30):
            device.send(device.batch(value=1))
        eventually("all", lambda: all(device.is_durable(n) for n in range(60)))
    assert street.rows(ONCE) == [(60, 60)]


def test_a_session_with_the_plain_subscription_is_taken_over(
    settings: IngestSettings, street: Any, eventually: Any
) -> None:
    subscribe_as_before(settings, eventually)
    device = street.device("cam-1")
    device.send(device.batch(value=1))  # waits in the session
    ingest = Ingest(settings, utc_now)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    eventually("durable", lambda: device.is_durable(0))
    eventually("subscription", ingest.receiver.subscribed.is_set)
    eventually("the end of the other one", ingest.receiver.settled.is_set)
    before = ingest.meters.duplicates._value.get()
    for _ in range(10):
        device.send(device.batch(value=1))
    eventually("durable", lambda: device.is_durable(10))
    ingest.stop()
    thread.join(20)
    assert street.rows(ONCE) == [(11, 11)]
    assert ingest.meters.duplicates._value.get() == before


def subscribe_as_before(settings: IngestSettings, eventually: Any) -> None:
    """Leave a session as an ingest alone used to have it."""
    broker, there = settings.broker, threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=settings.ingest_client, protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    client.on_connect = lambda c, *_: c.subscribe(UPLINKS, qos=1)
    client.on_subscribe = lambda *_: there.set()
    kept = Properties(PacketTypes.CONNECT)
    kept.SessionExpiryInterval = 600
    client.connect(broker.host, broker.port, clean_start=True, properties=kept)
    client.loop_start()
    eventually("the session", there.is_set)
    client.disconnect()
    client.loop_stop()
