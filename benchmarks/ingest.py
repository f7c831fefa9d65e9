"""Ingest: scalar rows a second from the publishers to the commit, against raw binary COPY.

The baseline writes the same rows, already encoded and sorted, over one connection into the same
table by COPY in transactions of the same size. Both alternate, and the medians are compared.
"""

import argparse
import json
import multiprocessing
import statistics
import time
import uuid
from multiprocessing.synchronize import Barrier

import numpy as np
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.machine import machine
from benchmarks.street import Street, ingest, street, until
from contracts.batch import Batch, encode
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.rows import Sample, blocks
from ingest.settings import IngestSettings
from storage.copy import write_rows
from storage.pool import Connection, StorageSettings, connect
from storage.registry import Device, find_devices, metric_numbers

GOAL = 0.4
ROWS = 500  # of a batch
GROUP = 100  # batches in one transaction of the baseline
PUBLISHERS = 2
NAMES = [f"channel-{i}" for i in range(10)]


def batches(device: str, count: int) -> list[Batch]:
    """Make samples of ten channels at 50 Hz, a second a batch."""
    rng = np.random.default_rng(1)
    step = np.repeat(np.arange(ROWS // len(NAMES)), len(NAMES)) * 20_000
    start = utc_now() - count * 1_000_000
    boot = uuid.uuid4()
    return [
        Batch(
            schema="obs/1",
            device=device,
            boot=boot,
            seq=seq,
            sent_at=start + seq * 1_000_000,
            names=NAMES,
            columns={
                "t": start + seq * 1_000_000 + step,
                "metric": np.tile(np.arange(len(NAMES), dtype=np.uint16), ROWS // len(NAMES)),
                "value": rng.normal(20, 5, ROWS),
                "quality": np.zeros(ROWS, np.uint8),
            },
        )
        for seq in range(count)
    ]


def publish(url: str, device: str, payloads: list[bytes], start: Barrier) -> None:
    """Publish these as fast as the broker takes them."""
    broker = IngestSettings(database_url="postgresql://", mqtt_url=url).broker
    client = Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    client.max_inflight_messages_set(100)
    client.connect(broker.host, broker.port)
    client.loop_start()
    until("the publisher's connection", client.is_connected)
    start.wait()
    name = topic(device, "up", "obs")
    for info in [client.publish(name, payload, qos=1) for payload in payloads]:
        info.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def end_to_end(where: Street, connection: Connection, sent: dict[str, list[Batch]]) -> float:
    """Publish all of it and wait until it is committed. [rows/s]."""
    start = multiprocessing.Barrier(len(sent) + 1)
    publishers = [
        multiprocessing.Process(
            target=publish, args=(where.devices[d], d, [encode(b) for b in some], start)
        )
        for d, some in sent.items()
    ]
    for publisher in publishers:
        publisher.start()
    start.wait()
    begun = time.monotonic()
    total = sum(map(len, sent.values()))
    until("the commit", lambda: committed(connection) >= total)
    took = time.monotonic() - begun
    for publisher in publishers:
        publisher.join()
    return total * ROWS / took


def committed(connection: Connection) -> int:
    """Count the batches that the ledger holds."""
    query = "SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM ledger, unnest(committed) AS r"
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def raw_copy(connection: Connection, sent: dict[str, list[Batch]]) -> float:
    """Write the same rows by COPY and nothing else. [rows/s]."""
    devices: dict[str, Device] = find_devices(connection, sent)
    metrics = metric_numbers(connection, NAMES)
    samples = [
        Sample(devices[d], batch)
        for together in zip(*sent.values(), strict=True)
        for d, batch in zip(sent, together, strict=True)
    ]
    groups = [blocks(samples[i : i + GROUP], metrics) for i in range(0, len(samples), GROUP)]
    begun = time.monotonic()
    for [block] in groups:
        with connection.transaction():
            write_rows(connection, block.table, [block.data])
    return len(samples) * ROWS / (time.monotonic() - begun)


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=1200, help="batches a publisher and round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ours, theirs = [], []
    with street(PUBLISHERS) as where:
        storage = StorageSettings(database_url=where.database_url)
        with connect(storage) as connection, ingest(where):
            for _ in range(arguments.rounds):
                sent = {device: batches(device, arguments.batches) for device in where.devices}
                ours.append(end_to_end(where, connection, sent))
                connection.execute("TRUNCATE observation, batch, dirty, ledger")
                theirs.append(raw_copy(connection, sent))
                connection.execute("TRUNCATE observation")
    ratio = statistics.median(ours) / statistics.median(theirs)
    result = {
        "name": "ingest",
        "ratio": round(ratio, 3),
        "goal": GOAL,
        "holds": ratio >= GOAL,
        "end_to_end_rows_per_s": [round(x) for x in ours],
        "baseline": "one connection, binary COPY of the same rows into the same table",
        "baseline_rows_per_s": [round(x) for x in theirs],
        "rows_per_batch": ROWS,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
