"""The platform's side of the uplink, and agents as processes of their own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import psutil
import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from contracts.batch import Batch, decode, restamp
from contracts.messages import ENCODER, STATE, Durable, State
from contracts.topics import parse, topic

DEADLINE = 100.0


def wait_for(what: str, happened: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """Wait until it is true, and return what it said."""
    end = time.monotonic() + deadline
    while not (said := happened()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen within {deadline} s")
        time.sleep(0.02)
    return said


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Give a wait with a deadline."""
    return wait_for


class Platform:
    """Takes in batches as ingest does, and says that they are durable, if it is told to."""

    def __init__(self, url: str, identity: str) -> None:
        self.identity = identity
        self.says_durable = True
        self.batches: dict[tuple[UUID, int], Batch] = {}
        self.digests: dict[tuple[UUID, int], set[bytes]] = defaultdict(set)
        self.deliveries = 0
        self.messages: list[MQTTMessage] = []
        self.states: list[State] = []
        self._ready = threading.Event()
        parts = urlsplit(url)
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(parts.hostname or "", parts.port or 1883)
        self._client.loop_start()
        assert self._ready.wait(DEADLINE)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def commit_all(self) -> None:
        """Say of everything so far that it is durable, and of all that follows."""
        self.says_durable = True
        for boot, seq in list(self.batches):
            self._say(boot, seq)

    def boots(self) -> list[UUID]:
        return list(dict.fromkeys(boot for boot, _ in list(self.batches)))

    def seqs(self, boot: UUID) -> set[int]:
        return {seq for b, seq in list(self.batches) if b == boot}

    def gone(self, boot: UUID) -> list[int]:
        """Each number that this boot reported as dropped, as often as it did."""
        reports = (b.gone for b in list(self.batches.values()) if b.boot == boot)
        return [seq for gone in reports for g in gone for seq in range(g.first, g.end)]

    def values(self, metric: str) -> list[float]:
        found = []
        for batch in list(self.batches.values()):
            if batch.schema.startswith("obs/") and metric in batch.names:
                rows = batch.columns["metric"] == batch.names.index(metric)
                found += batch.columns["value"][rows].tolist()
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        found = []
        for batch in list(self.batches.values()):
            if batch.schema.startswith("events/") and kind in batch.names:
                rows = batch.columns["kind"] == batch.names.index(kind)
                cut = {name: column[rows].tolist() for name, column in batch.columns.items()}
                found += [
                    dict(zip(cut, row, strict=True)) for row in zip(*cut.values(), strict=True)
                ]
        return found

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe([(topic(self.identity, "up", "+"), 1), (topic(self.identity, "state"), 1)])

    def _on_message(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        if parse(message.topic).channel == "state":
            self.states.append(STATE.decode(message.payload))
            return
        batch = decode(message.payload)
        name = batch.boot, batch.seq
        self.deliveries += 1
        self.messages.append(message)
        self.batches[name] = batch
        self.digests[name].add(hashlib.sha256(restamp(message.payload, 0)).digest())
        if self.says_durable:
            self._say(*name)

    def say_anything(self, payload: bytes) -> None:
        """Publish bytes where `durable` is expected."""
        self._client.publish(topic(self.identity, "durable"), payload, qos=1)

    def _say(self, boot: UUID, seq: int) -> None:
        durable = Durable(boot, [(seq, seq + 1)])
        self._client.publish(topic(self.identity, "durable"), ENCODER.encode(durable), qos=1)


class AgentProcess:
    """`tepna edge run` in a process of its own."""

    def __init__(self, config: Path, url: str, log: Path, *arguments: str) -> None:
        self._log = log
        environment = os.environ | {
            "TEPNA_MQTT_URL": url,
            "TEPNA_PICTURE_TOKEN": "0123456789abcdef",
        }
        tepna = Path(sys.executable).with_name("tepna")
        with log.open("ab") as file:
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                [str(tepna), "edge", "run", str(config), *arguments], env=environment, stderr=file
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def child(self) -> psutil.Process:
        """The process of the camera."""
        own = psutil.Process(self.process.pid)
        return wait_for("a camera process", own.children)[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def wait(self) -> int:
        return self.process.wait(DEADLINE)


@pytest.fixture
def identity(request: pytest.FixtureRequest) -> str:
    """A device of the test's own."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()
    return f"test-edge/{digest[:12]}"


@pytest.fixture
def platform(mqtt_url: str, identity: str) -> Iterator[Platform]:
    platform = Platform(mqtt_url, identity)
    yield platform
    platform.close()


@pytest.fixture
def config(tmp_path: Path, identity: str) -> Path:
    """An agent without anything; tests set what they need."""
    path = tmp_path / "agent.yaml"
    path.write_text(f"device: {identity}\nsimulated: true\n")
    return path


Run = Callable[..., AgentProcess]


@pytest.fixture
def run_agent(
    config: Path, identity: str, device_url: Callable[[str], str], tmp_path: Path
) -> Iterator[Run]:
    """Start an agent; it does not outlive the test."""
    agents: list[AgentProcess] = []

    def run(*arguments: str, url: str | None = None, **settings: str) -> AgentProcess:
        flags = [f"--set={key.replace('__', '.')}={value}" for key, value in settings.items()]
        broker = device_url(identity) if url is None else url
        agents.append(
            AgentProcess(config, broker, tmp_path / f"{len(agents)}.log", *arguments, *flags)
        )
        return agents[-1]

    yield run
    for agent in agents:
        if agent.process.poll() is None:
            agent.kill()


@pytest.fixture
def ask(broker: Any, identity: str) -> Callable[..., Any]:
    """Run the command as the operator."""
    environment = {"TEPNA_MQTT_URL": broker.mqtt_url("api")}

    def run(*arguments: str) -> tuple[int, Any]:
        tepna = Path(sys.executable).with_name("tepna")
        command = [str(tepna), "device", "ask", identity, *arguments]
        done = subprocess.run(  # noqa: S603  # our own command
            command, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    return run
