"""Latency: from capture to queryable, at the demo's load, against a bare message's round trip.

Two agents (the real outbox and the real uplink) make batches of scalars, together ten a second or
as many as asked for, whose samples lie evenly in the time since the batch before. A sample is
queryable when another connection sees its batch, so waiting for the batch to fill counts as well.
The baseline is a message of the same size from one client of the same broker to another.
"""

import argparse
import json
import threading
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.machine import machine
from benchmarks.street import Street, ingest, street, until
from contracts.batch import Batch, encode
from contracts.clock import MICROSECONDS, utc_now
from contracts.topics import topic
from edge.config import AgentConfig
from edge.outbox import Outbox
from edge.uplink import Uplink
from ingest.settings import IngestSettings
from storage.pool import Connection, StorageSettings, connect

GOAL_S = 1.0
ROWS = 50  # of a batch
AGENTS = 2
QUERY = """
SELECT device, seq, extract(epoch FROM lower(captured)) * 1e6,
       extract(epoch FROM upper(captured)) * 1e6
FROM batch WHERE stored > now() - INTERVAL '10 s' AND stream = 'obs'"""


def batch(device: str, since: float) -> Batch:
    """Make samples of the last so many seconds; the outbox completes the header."""
    return Batch(
        schema="obs/1",
        device=device,
        boot=uuid.UUID(int=0),
        seq=0,
        sent_at=0,
        names=["temperature"],
        columns={
            "t": utc_now() - np.linspace(since * MICROSECONDS, 0, ROWS).astype(np.int64),
            "metric": np.zeros(ROWS, np.uint16),
            "value": np.linspace(0, 1, ROWS),
            "quality": np.zeros(ROWS, np.uint8),
        },
    )


def agent(device: str, url: str, folder: Path, pace: float, stopping: threading.Event) -> None:
    """Make a batch every so often until told to stop."""
    config = AgentConfig.model_validate(
        {
            "device": device,
            "uplink": {"url": url},
            "outbox": {"path": folder / f"{device.replace('/', '-')}.sqlite"},
        }
    )
    with Outbox(
        config.outbox.path,
        device=device,
        boot=uuid.uuid4(),
        max_bytes=config.outbox.max_bytes,
        clock=utc_now,
    ) as outbox:
        uplink = Uplink(config, outbox, clock=utc_now)
        uplink.start(print)
        while not stopping.wait(pace):
            outbox.append([batch(device, pace)])
            uplink.wake()
        uplink.close(5)


def queryable(connection: Connection, seconds: float, warm_up: float) -> list[float]:
    """Look for new batches as fast as the database answers; give the age of each sample. [s]."""
    seen: set[tuple[int, int]] = set()
    ages: list[float] = []
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < warm_up + seconds:
        rows = connection.execute(QUERY).fetchall()
        now = utc_now()
        new = [row for row in rows if row[:2] not in seen]
        seen.update(row[:2] for row in new)
        for _, _, first, last in new if passed > warm_up else []:
            captured = np.linspace(float(first), float(last), ROWS)
            ages.extend((now - captured) / MICROSECONDS)
        time.sleep(0.002)
    return ages


def round_trips(where: Street, count: int) -> list[float]:
    """Time a device's message until ingest's account receives it. [s]."""
    arrived = threading.Event()
    device, url = next(iter(where.devices.items()))
    receiver = _client("baseline-receiver", where.mqtt_url)
    receiver.on_message = lambda *_: arrived.set()
    receiver.subscribe(topic(device, "up", "obs"), qos=1)
    sender = _client(device, url)
    payload = encode(batch(device, 0.2))
    times = []
    for _ in range(count):
        arrived.clear()
        begun = time.monotonic()
        sender.publish(topic(device, "up", "obs"), payload, qos=1)
        if arrived.wait(10):
            times.append(time.monotonic() - begun)
    for client in (receiver, sender):
        client.disconnect()
        client.loop_stop()
    return times


def _client(name: str, url: str) -> Client:
    broker = IngestSettings(database_url="postgresql://", mqtt_url=url).broker
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    client.connect(broker.host, broker.port)
    client.loop_start()
    until("a connection", client.is_connected)
    return client


def capture_to_queryable(where: Street, rate: float, seconds: float) -> list[float]:
    """Run agents and ingest; give the age of each sample when it could be read. [s]."""
    stopping = threading.Event()
    storage = StorageSettings(database_url=where.database_url)
    with TemporaryDirectory() as folder, connect(storage) as connection, ingest(where):
        agents = [
            threading.Thread(target=agent, args=(d, url, Path(folder), AGENTS / rate, stopping))
            for d, url in where.devices.items()
        ]
        for thread in agents:
            thread.start()
        ages = queryable(connection, seconds, warm_up=3)
        stopping.set()
        for thread in agents:
            thread.join()
    return ages


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=10, help="batches a second, of all agents")
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with street(AGENTS) as where:
        trips = round_trips(where, 200)
        ages = capture_to_queryable(where, arguments.rate, arguments.seconds)
    p50, p95, p99 = np.quantile(ages, [0.5, 0.95, 0.99])
    baseline = float(np.quantile(trips, 0.95))
    result = {
        "name": "latency",
        "ratio": round(p95 / baseline, 2),
        "goal": GOAL_S,
        "goal_is": "p95_s at most; ratio is p95_s / baseline_p95_s",
        "holds": bool(p95 <= GOAL_S),
        "p50_s": round(p50, 4),
        "p95_s": round(p95, 4),
        "p99_s": round(p99, 4),
        "samples": len(ages),
        "batches_per_s": arguments.rate,
        "baseline": "a device's bare message of the same size to a subscriber, same broker, QoS 1",
        "baseline_p50_s": round(float(np.quantile(trips, 0.5)), 5),
        "baseline_p95_s": round(baseline, 5),
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
