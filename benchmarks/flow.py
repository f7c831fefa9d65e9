"""Batches through the broker, ingest and the ledger, as fast as they go; and rows by raw COPY."""

import multiprocessing
import time
import uuid
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from uuid import UUID

import numpy as np
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.street import Street, until
from contracts.batch import SCHEMAS, Batch
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.rows import Sample, blocks
from ingest.settings import IngestSettings
from storage.copy import write_rows
from storage.pool import Connection
from storage.registry import find_devices, metric_numbers

ROWS = 500  # of a batch of scalars
GROUP = 200  # batches in one transaction of the baseline: as many as ingest takes
NAMES = [f"channel-{i}" for i in range(10)]
SECOND = 1_000_000  # [us]
EMPTY = "TRUNCATE observation, track_piece, batch, dirty, ledger, latest"
Maker = Callable[[str, int], list[Batch]]


def scalars(device: str, count: int) -> list[Batch]:
    """Make samples of ten channels at 50 Hz, a second a batch."""
    rng = np.random.default_rng(1)
    step = np.repeat(np.arange(ROWS // len(NAMES)), len(NAMES)) * 20_000
    start, boot = utc_now() - count * SECOND, uuid.uuid4()
    return [
        Batch(
            schema="obs/1",
            device=device,
            boot=boot,
            seq=seq,
            sent_at=start + seq * SECOND,
            names=NAMES,
            columns={
                "t": start + seq * SECOND + step,
                "metric": np.tile(np.arange(len(NAMES), dtype=np.uint16), ROWS // len(NAMES)),
                "value": rng.normal(20, 5, ROWS),
                "quality": np.zeros(ROWS, np.uint8),
            },
        )
        for seq in range(count)
    ]


def trajectories(
    device: str,
    count: int,
    *,
    users: int = 20,
    points: int = 50,
    boot: UUID | None = None,
    schema: str = "tracks/1",
) -> list[Batch]:
    """Make points of road users at 10 Hz, by default five seconds a batch, each user one piece."""
    rng = np.random.default_rng(1)
    rows, period = users * points, points * SECOND // 10
    step = np.tile(np.arange(points), users) * (SECOND // 10)
    start, boot = utc_now() - count * period, boot or uuid.uuid4()
    return [
        Batch(
            schema=schema,
            device=device,
            boot=boot,
            seq=seq,
            sent_at=start + seq * period,
            columns={
                name: rng.normal(0, 10, rows).astype(dtype)
                for name, dtype in SCHEMAS[schema].dtypes.items()
                if dtype.kind == "f"
            }
            | {
                "t": start + seq * period + step,
                "track": np.repeat(np.arange(users, dtype=np.uint32), points) + seq * users,
                "cls": np.ones(rows, np.uint8),
            },
        )
        for seq in range(count)
    ]


def publish(url: str, device: str, stream: str, payloads: list[bytes], start: Barrier) -> None:
    """Publish these as fast as the broker takes them."""
    broker = IngestSettings(database_url="postgresql://", mqtt_url=url).broker
    client = Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    client.max_inflight_messages_set(60)
    client.connect(broker.host, broker.port)
    client.loop_start()
    until("the publisher's connection", client.is_connected)
    start.wait()
    name = topic(device, "up", stream)
    for info in [client.publish(name, payload, qos=1) for payload in payloads]:
        info.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def end_to_end(
    where: Street,
    connection: Connection,
    stream: str,
    sent: dict[str, list[bytes]],
    is_over: Callable[[], bool],
    look: float = 0.01,
) -> float:
    """Publish all of it and wait until that is over; look so often [s]. [s]."""
    start = multiprocessing.Barrier(len(sent) + 1)
    publishers = [
        multiprocessing.Process(target=publish, args=(where.devices[d], d, stream, some, start))
        for d, some in sent.items()
    ]
    for publisher in publishers:
        publisher.start()
    start.wait()
    begun = time.monotonic()
    until("the commit", is_over, wait=look)
    took = time.monotonic() - begun
    for publisher in publishers:
        publisher.join()
    connection.execute(EMPTY)
    return took


def committed(connection: Connection) -> int:
    """Count the batches that the ledger holds."""
    query = "SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM ledger, unnest(committed) AS r"
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def raw_copy(connection: Connection, sent: dict[str, list[Batch]]) -> float:
    """Write the rows of batches of scalars by COPY and nothing else. [rows/s]."""
    devices = find_devices(connection, sent)
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
            write_rows(connection, block.table, block.data)
    took = time.monotonic() - begun
    connection.execute(EMPTY)
    return len(samples) * ROWS / took
