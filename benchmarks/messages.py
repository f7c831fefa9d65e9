"""Foreign messages: SenML packs of one sample a second until the commit, against a bare subscriber.

The baseline is paho with QoS 1 and a callback that counts, nothing else. Both get the same messages
from the same publisher, over the same broker, and alternate; the medians are compared. A round is
as many messages as the broker queues for one session: more would be dropped there.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.machine import machine
from benchmarks.street import PILOT, Street, ingest, street, until
from contracts.broker import Broker
from contracts.clock import utc_now
from ingest import packets
from ingest.packets import Answer, Kind
from ingest.settings import IngestSettings
from storage.pool import Connection, StorageSettings, connect

GOAL = 0.6
DEVICES = 100
IN_FLIGHT = 60  # of the publisher; the broker takes 64
ACCOUNT = "bridge.benchmark"
TOPIC = "benchmark/senml"
BARE = "benchmark/bare"  # where no session of ingest keeps them, while it is away
SOURCES = f"""
[[source]]
name = "bridge"
format = "senml"
topics = ["{TOPIC}/+"]
pilot = "{PILOT}"
device = "{{1}}"
account = "{ACCOUNT}"
"""


def messages(count: int, topic: str = TOPIC) -> list[tuple[str, bytes]]:
    """Make packs of one temperature, as a gateway of many sensors sends them."""
    now = utc_now()
    return [
        (
            f"{topic}/device-{i % DEVICES}",
            json.dumps(
                [
                    {
                        "bn": f"urn:dev:ow:10e2073a{i % DEVICES:08x}:",
                        "bt": (now + i) / 1e6,
                        "n": "temperature",
                        "u": "Cel",
                        "v": 20 + i % 100 / 10,
                    }
                ]
            ).encode(),
        )
        for i in range(count)
    ]


def publish(broker: Broker, sent: list[tuple[str, bytes]]) -> None:
    """Publish these as fast as the broker takes them, with as little of our own as possible."""
    encoded = [packets.publish(1 + i % 60_000, *message) for i, message in enumerate(sent)]
    reader = packets.Reader()
    with socket.create_connection((broker.host, broker.port)) as link:

        def answers() -> Iterator[Answer]:
            while count := link.recv_into(reader.room()):
                yield from (a for a in reader.add(count) if isinstance(a, Answer))

        said = answers()
        link.sendall(packets.connect("publisher", broker.user, broker.password, 60, 10, 0))
        next(said)
        chunks = [encoded[i : i + IN_FLIGHT // 2] for i in range(0, len(encoded), IN_FLIGHT // 2)]
        waiting = 0
        for chunk in chunks:
            link.sendall(b"".join(chunk))
            waiting += len(chunk)
            while waiting > IN_FLIGHT // 2:
                waiting -= next(said).kind == Kind.PUBACK
        while waiting:
            waiting -= next(said).kind == Kind.PUBACK
        link.sendall(packets.disconnect(forget=True))


def subscribe(broker: Broker, seen: "Synchronized[int]", ready: Event, over: Event) -> None:
    """Receive and acknowledge everything, and do nothing with it."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    count = seen.get_obj()

    def on_message(*_: object) -> None:
        count.value += 1

    def on_connect(*_: object) -> None:
        client.subscribe(f"{BARE}/+", qos=1)

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = on_connect
    client.connect(broker.host, broker.port)
    client.loop_start()
    over.wait()
    client.disconnect()
    client.loop_stop()


def timed(broker: Broker, sent: list[tuple[str, bytes]], arrived: Callable[[], bool]) -> float:
    """Publish all of it and wait until it has arrived. [messages/s]."""
    publisher = multiprocessing.Process(target=publish, args=(broker, sent))
    begun = time.monotonic()
    publisher.start()
    until("the last message", arrived, wait=0.005)
    took = time.monotonic() - begun
    publisher.join()
    return len(sent) / took


def bare(where: Street, sent: list[tuple[str, bytes]], account: Broker) -> float:
    """Time a subscriber that does nothing. [messages/s]."""
    seen, ready, over = multiprocessing.Value("q", 0), *(multiprocessing.Event() for _ in "ab")
    given = (address(where.mqtt_url), seen, ready, over)
    subscriber = multiprocessing.Process(target=subscribe, args=given)
    subscriber.start()
    ready.wait()
    rate = timed(account, sent, lambda: seen.value >= len(sent))
    over.set()
    subscriber.join()
    return rate


def end_to_end(connection: Connection, sent: list[tuple[str, bytes]], account: Broker) -> float:
    """Time ingest until everything is committed. [messages/s]."""
    # Counting the rows while they are written would be work that nobody asked ingest's machine for.
    last = json.loads(sent[-1][1])[0]["bt"]
    newest = "SELECT extract(epoch FROM max(captured))::float8 FROM latest"

    def committed() -> bool:
        row = connection.execute(newest).fetchone()
        return row is not None and row[0] is not None and row[0] >= last - 1e-6

    rate = timed(account, sent, committed)
    count = "SELECT count(*) FROM observation"
    until("every row", lambda: connection.execute(count).fetchone() == (len(sent),))
    connection.execute("TRUNCATE observation, batch, dirty, message_key, latest")
    return rate


def address(url: str) -> Broker:
    """Take a broker's address apart."""
    return IngestSettings(database_url="postgresql://", mqtt_url=url).broker


@contextmanager
def sources() -> Iterator[None]:
    """Write the file of the sources, and let ingest know of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "foreign.toml")
        file.write_text(SOURCES, encoding="utf-8")
        os.environ["TEPNA_FOREIGN"] = str(file)
        yield


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=9000, help="messages a round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    ours, theirs = [], []
    with street(DEVICES) as where, sources():
        topics = [f"{TOPIC}/+", f"{BARE}/+"]
        account = address(where.stack.add_sources({ACCOUNT: topics})[ACCOUNT])
        with connect(StorageSettings(database_url=where.database_url)) as connection:
            for _ in range(arguments.rounds):
                with ingest(where):
                    end_to_end(connection, messages(1000), account)  # warm
                    ours.append(end_to_end(connection, messages(arguments.messages), account))
                theirs.append(bare(where, messages(arguments.messages, BARE), account))
    ratio = statistics.median(ours) / statistics.median(theirs)
    result = {
        "name": "messages",
        "ratio": round(ratio, 3),
        "goal": GOAL,
        "holds": ratio >= GOAL,
        "end_to_end_messages_per_s": [round(x) for x in ours],
        "baseline": "paho, QoS 1, a callback that counts",
        "baseline_messages_per_s": [round(x) for x in theirs],
        "devices": DEVICES,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
