"""Foreign devices, through the broker into the database, each message once."""

import threading
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from contracts.batch import SCHEMAS, Batch, encode
from contracts.clock import from_micros, utc_now
from ingest.foreign.sparkplug_payload import Payload
from ingest.inbox import Delivery, Inbox
from ingest.receiver import Receiver
from ingest.replay import StillDeadError, replay
from ingest.run import Ingest
from ingest.settings import IngestSettings
from ingest.writer import Writer
from storage.registry import register_device
from tepna.stack import Stack

PAYLOADS = Path(__file__).parents[2] / "unit" / "ingest" / "foreign" / "payloads"
VALUES = """
SELECT d.name, m.name, m.unit, o.value, o.quality, o.captured
FROM observation o JOIN device d USING (device) JOIN metric m USING (metric)
ORDER BY 1, 2, o.captured
"""
SOURCES = """
[[source]]
name = "air"
format = "senml"
topics = ["{root}/senml/+"]
pilot = "{pilot}"
device = "{{1}}"
account = "{account}"

[[source]]
name = "many"
format = "senml"
topics = ["{root}/many/+"]
pilot = "{pilot}"
device = "{{id}}"
account = "{account}"

[[source]]
name = "zigbee"
format = "zigbee2mqtt"
topics = ["{root}/zigbee/#"]
pilot = "{pilot}"
device = "{{id}}"
account = "{account}"

[[source]]
name = "lists"
format = "mapping"
topics = ["{root}/lists/+"]
pilot = "{pilot}"
device = "{{1}}"
account = "{account}"
[source.mapping]
records = "$.items[*]"
time = "$.ts"
time_unit = "us"
values = [{{path = "$.v", metric = "v"}}]

[[source]]
name = "plant"
format = "sparkplug"
topics = ["spBv1.0/{root}/#"]
pilot = "{pilot}"
device = "plant"
account = "{account}"
"""


def real(format_: str, name: str) -> dict[str, Any]:
    """Give a payload of the fixtures."""
    found: dict[str, Any] = tomllib.loads((PAYLOADS / f"{format_}.toml").read_text())[name]
    return found


class Bridge:
    """Whoever publishes for the foreign devices, under an account of the configured source."""

    def __init__(self, url: str, root: str) -> None:
        self.root = root
        settings = IngestSettings(database_url="postgresql://", mqtt_url=url)
        broker = settings.broker
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=root, protocol=MQTTv5)
        self._client.username_pw_set(broker.user, broker.password)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def publish(self, topic: str, payload: str | bytes) -> None:
        """Publish, and wait until the broker has it."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(20)

    def senml(self, device: str, value: float, t: int | None = None) -> None:
        """Publish one temperature."""
        record = {"bn": f"{device}:", "n": "temperature", "u": "Cel", "v": value}
        pack = [record if t is None else record | {"bt": t / 1e6}]
        self.publish(f"{self.root}/senml/{device}", msgspec.json.encode(pack))

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def sources(tmp_path: Path, street: Any) -> Path:
    """Sources of the test's own topics and devices."""
    file = tmp_path / "foreign.toml"
    root = street.pilot
    text = SOURCES.format(root=root, pilot=street.pilot, account=f"bridge.{root}")
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def foreign(settings: IngestSettings, sources: Path) -> IngestSettings:
    """Settings of an ingest that knows the sources."""
    return IngestSettings(**{**settings.model_dump(), "foreign": sources})


@pytest.fixture
def bridge(broker: Stack, foreign: IngestSettings, street: Any) -> Iterator[Bridge]:
    """A bridge with the account that the sources name."""
    [url] = broker.add_sources(foreign.sources.accounts()).values()
    bridge = Bridge(url, street.pilot)
    yield bridge
    bridge.close()


@pytest.fixture
def running(foreign: IngestSettings, bridge: Bridge, eventually: Any) -> Iterator[Ingest]:
    """Ingest at work, with the sources."""
    del bridge  # its account stands before ingest subscribes
    with at_work(foreign, eventually) as ingest:
        yield ingest


@contextmanager
def at_work(settings: IngestSettings, eventually: Any, slot: int = 0) -> Iterator[Ingest]:
    """Ingest at work, until the end of the block, whatever that is."""
    ingest = Ingest(settings, utc_now, slot=slot)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    try:
        eventually("ingest's subscription", ingest.receiver.subscribed.is_set)
        yield ingest
    finally:
        ingest.stop()
        thread.join(20)


def register(street: Any, name: str) -> None:
    """Register a device that has no account of its own at the broker."""
    register_device(street.connection, pilot=street.pilot, site="here", name=name)


def test_values_arrive_with_unit_and_time(
    running: Ingest, bridge: Bridge, street: Any, eventually: Any
) -> None:
    register(street, "hall")
    now = utc_now() // 1000 * 1000
    bridge.senml("hall", 21.5, now)
    [row] = eventually("the value", lambda: street.rows(VALUES))
    assert row == ("hall", "senml.temperature", "Cel", 21.5, 0, from_micros(now))
    [batch] = street.rows(
        "SELECT boot, seq, stream, rows, lower(captured), upper(captured) FROM batch"
    )
    [(key,)] = street.rows("SELECT key FROM message_key")
    assert batch == (key, 0, "obs", 1, from_micros(now), from_micros(now))
    assert street.rows("SELECT * FROM ledger") == []
    assert street.rows("SELECT minute FROM dirty") == [
        (from_micros(now // 60_000_000 * 60_000_000),)
    ]
    eventually("the count", lambda: running.meters.rows._value.get() == 1)


def test_redelivery_is_one(running: Ingest, bridge: Bridge, street: Any, eventually: Any) -> None:
    register(street, "hall")
    now = utc_now()
    for _ in range(3):
        for i in range(20):
            bridge.senml("hall", 20 + i, now - i * 1_000_000)
    bridge.senml("hall", 99, now)
    eventually("the last one", lambda: street.rows("SELECT FROM observation WHERE value = 99"))
    assert street.rows("SELECT count(*), sum(value) FROM observation") == [(21, 689.0)]
    eventually("the count", lambda: running.meters.duplicates._value.get() == 40)


@pytest.mark.usefixtures("running")
def test_without_a_time_each_delivery_counts(bridge: Bridge, street: Any, eventually: Any) -> None:
    """A sensor that says the same twice has measured the same twice."""
    register(street, "hall")
    before = from_micros(utc_now())
    for _ in range(5):
        bridge.publish(f"{bridge.root}/zigbee/hall", real("zigbee2mqtt", "climate")["payload"])
    eventually("all", lambda: street.rows("SELECT count(*) FROM observation") == [(10,)])
    rows = street.rows(VALUES)
    assert {row[:5] for row in rows} == {
        ("hall", "zigbee2mqtt.humidity", "%", 44.72, 8),
        ("hall", "zigbee2mqtt.temperature", "Cel", 27.34, 8),
    }
    assert all(row[5] >= before for row in rows)


def test_a_delivery_that_was_not_acknowledged_comes_again_and_counts_once(
    foreign: IngestSettings, bridge: Bridge, street: Any, eventually: Any
) -> None:
    """What died between commit and acknowledgement: the packet id tells, as nothing else does."""
    register(street, "hall")
    climate = real("zigbee2mqtt", "climate")["payload"]
    writer = Writer(foreign, utc_now, threading.Event(), foreign.ingest_client)
    counted = []
    for turn in range(3):
        inbox = Inbox(10)
        receiver = Receiver(foreign, inbox, utc_now)
        receiver.start()
        eventually("subscription", receiver.subscribed.is_set)
        if turn == 0:
            for _ in range(2):
                bridge.publish(f"{bridge.root}/zigbee/hall", climate)
        eventually("both", lambda inbox=inbox, turn=turn: len(inbox) == (2 if turn < 2 else 0))
        if turn < 2:
            deliveries = inbox.take(2)
            assert [delivery.again for delivery in deliveries] == [turn == 1] * 2
            tally = writer.write(deliveries).tally
            counted.append((tally.rows, tally.duplicates))
            if turn == 1:
                receiver.acknowledge(deliveries)
        receiver.stop()
    writer.close()
    assert counted == [(4, 0), (0, 2)]
    assert street.rows("SELECT count(*) FROM observation") == [(4,)]


def test_every_record_of_a_message_is_stored_once(
    running: Ingest, bridge: Bridge, street: Any, eventually: Any
) -> None:
    register(street, "hall")
    now = utc_now()
    timed = [{"ts": now, "v": i} for i in range(5)]
    for items in (timed, timed, [{"v": 5}, {"v": 5}]):
        bridge.publish(f"{bridge.root}/lists/hall", msgspec.json.encode({"items": items}))
    eventually("the last one", lambda: street.rows("SELECT FROM observation WHERE value = 5"))
    assert [row[3] for row in street.rows(VALUES)] == [0, 1, 2, 3, 4, 5, 5]
    eventually("the count", lambda: running.meters.duplicates._value.get() == 5)


@pytest.mark.usefixtures("running")
def test_what_was_committed_unseen_counts_once(foreign: IngestSettings, street: Any) -> None:
    """A connection that breaks between commit and answer: the same delivery is stored again."""
    register(street, "hall")
    climate = real("zigbee2mqtt", "climate")["payload"].encode()
    topic = f"{street.pilot}/zigbee/hall"
    delivery = Delivery(1, 17, topic, climate, {}, utc_now())
    counted = []
    for _ in range(2):
        writer = Writer(foreign, utc_now, threading.Event(), foreign.ingest_client)
        tally = writer.write([delivery]).tally
        counted.append((tally.rows, tally.duplicates))
        writer.close()
    assert counted == [(2, 0), (0, 1)]


@pytest.mark.usefixtures("running")
def test_bad_ones_leave_their_neighbours_alone(
    bridge: Bridge, street: Any, eventually: Any
) -> None:
    register(street, "hall")
    now = utc_now()
    bridge.senml("hall", 1, now)
    bridge.publish(f"{bridge.root}/senml/hall", b"[{")
    bridge.publish(f"{bridge.root}/senml/hall", b'[{"n":"x","must_":1,"v":2}]')
    bridge.senml("stranger", 2, now)
    bridge.publish(f"{bridge.root}/senml/hall", b"\xff\x00")
    bridge.senml("hall", 3, now + 1)
    eventually("both", lambda: len(street.rows(VALUES)) == 2)
    eventually("letters", lambda: len(street.letters()) == 4)
    assert [letter[:2] for letter in street.letters()] == [
        ("air", "not-senml"),
        ("air", "not-senml"),
        ("air", "unregistered-device"),
        ("air", "not-senml"),
    ]


@pytest.mark.usefixtures("running")
def test_an_unregistered_device_is_replayed_once_it_is_known(
    bridge: Bridge, foreign: IngestSettings, street: Any, eventually: Any
) -> None:
    bridge.senml("late", 7.5, utc_now())
    [(number,)] = eventually("letter", lambda: street.rows("SELECT dead_letter FROM dead_letter"))
    with pytest.raises(StillDeadError):
        replay(street.connection, number, foreign, utc_now)
    register(street, "late")
    tally = replay(street.connection, number, foreign, utc_now)
    assert tally.rows == 1
    assert [row[3] for row in street.rows(VALUES)] == [7.5]
    assert street.rows("SELECT FROM dead_letter") == []


@pytest.mark.usefixtures("running")
def test_only_what_was_not_stored_is_replayed(
    bridge: Bridge, foreign: IngestSettings, street: Any, eventually: Any
) -> None:
    """Without times each delivery counts: what was stored with the first must not come again."""
    register(street, "known")
    records = [
        {"bn": f"{device}:", "n": "temperature", "u": "Cel", "v": v}
        for v, device in enumerate(("known", "late", "later"))
    ]
    for _ in range(2):
        bridge.publish(f"{bridge.root}/many/pack", msgspec.json.encode(records))
    letters = "SELECT dead_letter FROM dead_letter ORDER BY dead_letter"
    eventually("two for each device and delivery", lambda: len(street.rows(letters)) == 4)
    eventually("what is known", lambda: len(street.rows(VALUES)) == 2)
    register(street, "late")
    done = []
    for (number,) in street.rows(letters):
        with suppress(StillDeadError):
            done.append(replay(street.connection, number, foreign, utc_now).rows)
    assert done == [1, 1]
    assert sorted(row[3] for row in street.rows(VALUES)) == [0, 0, 1, 1]
    assert len(street.rows(letters)) == 2


@pytest.mark.usefixtures("running")
def test_another_unit_is_another_metric(bridge: Bridge, street: Any, eventually: Any) -> None:
    register(street, "hall")
    now = utc_now()
    for i, unit in enumerate(("Cel", "K", "Cel", "")):
        record = {"bn": "x:", "bt": (now + i) / 1e6, "n": "t", "u": unit, "v": i}
        bridge.publish(f"{bridge.root}/senml/hall", msgspec.json.encode([record]))
    eventually("all", lambda: len(street.rows(VALUES)) == 4)
    assert [row[1:4] for row in street.rows(VALUES)] == [
        ("senml.t", "Cel", 0.0),
        ("senml.t", "Cel", 2.0),
        ("senml.t", "Cel", 3.0),
        ("senml.t[K]", "K", 1.0),
    ]


@pytest.mark.usefixtures("running")
def test_raw_illuminance_is_not_mixed_with_lux(
    bridge: Bridge, street: Any, eventually: Any
) -> None:
    register(street, "hall")
    for payload in (
        '{"illuminance":49}',
        '{"illuminance":16994,"illuminance_lux":50}',
        '{"illuminance":51}',
    ):
        bridge.publish(f"{bridge.root}/zigbee/hall", payload)
    eventually("all", lambda: len(street.rows(VALUES)) == 4)
    assert [row[1:4] for row in street.rows(VALUES)] == [
        ("zigbee2mqtt.illuminance", "lx", 49),
        ("zigbee2mqtt.illuminance", "lx", 51),
        ("zigbee2mqtt.illuminance[{raw}]", "{raw}", 16994),
        ("zigbee2mqtt.illuminance_lux", "lx", 50),
    ]


@pytest.mark.usefixtures("running")
def test_unbelievable_times_are_held(bridge: Bridge, street: Any, eventually: Any) -> None:
    register(street, "hall")
    now = utc_now()
    pack = [
        {"bn": "x:", "bt": now / 1e6, "n": "a", "v": 1},
        {"n": "b", "v": 2, "t": 10 * 365 * 86400},
        {"n": "c", "v": 3},
    ]
    bridge.publish(f"{bridge.root}/senml/hall", msgspec.json.encode(pack))
    eventually("the good ones", lambda: len(street.rows(VALUES)) == 2)
    assert street.rows("SELECT rows FROM unconfirmed") == [(1,)]


@pytest.mark.usefixtures("running")
def test_words_are_events_and_presence_is_a_state(
    bridge: Bridge, street: Any, eventually: Any
) -> None:
    register(street, "switch")
    bridge.publish(f"{bridge.root}/zigbee/switch", real("zigbee2mqtt", "switch")["payload"])
    bridge.publish(f"{bridge.root}/zigbee/switch/availability", '{"state":"online"}')
    eventually("state", lambda: street.rows("SELECT FROM device_state WHERE online"))
    assert street.rows("SELECT kind, object FROM event") == [("zigbee2mqtt.action", "single")]
    bridge.publish(f"{bridge.root}/zigbee/switch/availability", '{"state":"offline"}')
    eventually("state", lambda: street.rows("SELECT FROM device_state WHERE NOT online"))


@pytest.mark.usefixtures("running")
def test_words_of_every_length(bridge: Bridge, street: Any, eventually: Any) -> None:
    register(street, "hall")
    words = ["", " ", "příliš žluťoučký", "x" * 500, "a\0b", "end\0"]
    now = utc_now()
    pack = [{"bn": "x:", "bt": now / 1e6, "n": f"w{i}", "vs": w} for i, w in enumerate(words)]
    bridge.publish(f"{bridge.root}/senml/hall", msgspec.json.encode(pack))
    eventually("events", lambda: street.rows("SELECT count(*) FROM event") == [(len(words),)])
    assert street.rows("SELECT kind, object FROM event ORDER BY kind") == [
        ("senml.w0", ""),
        ("senml.w1", " "),
        ("senml.w2", "příliš žluťoučký"),
        ("senml.w3", "x" * 200),
        ("senml.w4", "a b"),
        ("senml.w5", "end "),
    ]
    assert street.letters() == []


def sparkplug(seq: int, *metrics: dict[str, Any], timestamp: int) -> bytes:
    """Encode a payload."""
    payload = Payload(timestamp=timestamp, seq=seq)
    for metric in metrics:
        payload.metrics.add(**metric)
    encoded: bytes = payload.SerializeToString()
    return encoded


def test_aliases_outlive_the_process(
    foreign: IngestSettings, bridge: Bridge, street: Any, eventually: Any
) -> None:
    """A birth that one process has seen explains the data that the next one gets."""
    register(street, "plant")
    now = utc_now() // 1000
    node = f"spBv1.0/{bridge.root}"
    birth = sparkplug(
        0,
        {"name": "bdSeq", "datatype": 8, "long_value": 4},
        {"name": "Line/Speed", "alias": 7, "datatype": 9, "float_value": 1.5, "timestamp": now},
        timestamp=now,
    )
    for number, (kind, payload) in enumerate(
        [
            ("NBIRTH", birth),
            ("NDATA", sparkplug(1, {"alias": 7, "float_value": 2.5}, timestamp=now + 10)),
        ]
    ):
        with at_work(foreign, eventually):
            bridge.publish(f"{node}/{kind}/edge", payload)
            eventually("value", lambda count=number + 1: len(street.rows(VALUES)) == count)
    assert [row[1:4] for row in street.rows(VALUES)] == [
        ("sparkplug.Line/Speed", None, 1.5),
        ("sparkplug.Line/Speed", None, 2.5),
    ]
    assert street.rows("SELECT online FROM device_state") == [(True,)]
    assert street.letters() == []


def test_a_clock_that_was_ahead_is_corrected(
    foreign: IngestSettings, bridge: Bridge, street: Any, eventually: Any
) -> None:
    """The birth that came last holds, and its death counts, in the next process, too."""
    register(street, "plant")
    now = utc_now() // 1000
    node = f"spBv1.0/{bridge.root}"
    births = [("ahead", now + 3_600_000), ("right", now)]
    with at_work(foreign, eventually):
        for number, (name, at) in enumerate(births):
            session = {"name": "bdSeq", "datatype": 8, "long_value": number}
            metric = {"name": name, "alias": 1, "datatype": 10, "double_value": 0.0}
            bridge.publish(f"{node}/NBIRTH/edge", sparkplug(0, session, metric, timestamp=at))
        eventually("births", lambda: street.rows("SELECT count(*) FROM sparkplug_birth") == [(2,)])
    late = {"alias": 1, "double_value": 1.0, "timestamp": now + 10}

    def ones() -> int:
        return len(street.rows("SELECT FROM observation WHERE value = 1"))

    with at_work(foreign, eventually):
        bridge.publish(f"{node}/NDATA/edge", sparkplug(1, late, timestamp=now + 3_600_010))
        eventually("value", ones)
    assert [row[1] for row in street.rows(VALUES) if row[3] == 1.0] == ["sparkplug.right"]
    for number, online in ((0, True), (1, False)):
        will = {"name": "bdSeq", "datatype": 8, "long_value": number}
        with at_work(foreign, eventually):
            bridge.publish(f"{node}/NDEATH/edge", sparkplug(0, will, timestamp=now))
            bridge.publish(f"{node}/NDATA/edge", sparkplug(2 + number, late, timestamp=now + 20))
            eventually("data", lambda count=number + 2: ones() == count)
        assert street.rows("SELECT online FROM device_state") == [(online,)]
    assert street.letters() == []


def test_a_death_of_a_birth_that_another_worker_has_heard(
    foreign: IngestSettings, street: Any
) -> None:
    register(street, "plant")
    one, other = (Writer(foreign, utc_now, threading.Event(), name) for name in "ab")
    now = utc_now()
    for number, writer in enumerate((one, other)):
        session = {"name": "bdSeq", "datatype": 8, "long_value": number}
        payload = sparkplug(0, session, timestamp=now // 1000 + number)
        writer.write([heard(street, "NBIRTH", payload, now + number * 1000)])
    for number, online in ((0, True), (1, False)):
        will = {"name": "bdSeq", "datatype": 8, "long_value": number}
        one.write([heard(street, "NDEATH", sparkplug(0, will, timestamp=0), now + 5000)])
        assert street.rows("SELECT online FROM device_state") == [(online,)]
    one.close()
    other.close()
    assert street.letters() == []


def test_a_birth_that_was_missed_while_the_connection_was_lost(
    foreign: IngestSettings, street: Any
) -> None:
    """With QoS 0 the broker keeps none for whoever is away; another worker has heard it."""
    register(street, "plant")
    one, other = (Writer(foreign, utc_now, threading.Event(), name) for name in "ab")
    now = utc_now()
    for number, writer in enumerate((one, other)):
        metric = {"name": f"m{number}", "alias": 1, "datatype": 10, "double_value": 0.0}
        payload = sparkplug(0, metric, timestamp=now // 1000 + number)
        writer.write([heard(street, "NBIRTH", payload, now + number * 1000)])
    payload = sparkplug(1, {"alias": 1, "double_value": 1.0}, timestamp=now // 1000 + 5)
    one.write([heard(street, "NDATA", payload, now + 5000, connection=2)])
    one.close()
    other.close()
    assert [row[1] for row in street.rows(VALUES) if row[3] == 1.0] == ["sparkplug.m1"]
    assert street.letters() == []


def heard(street: Any, kind: str, payload: bytes, received: int, connection: int = 1) -> Delivery:
    """Make what a worker is given of a node."""
    return Delivery(connection, 1, f"spBv1.0/{street.pilot}/{kind}/edge", payload, {}, received)


def test_types_and_units_outlive_the_process(
    foreign: IngestSettings, bridge: Bridge, street: Any, eventually: Any
) -> None:
    """Data by name do not repeat the type of the birth, which another process has seen."""
    register(street, "plant")
    now = utc_now() // 1000
    node = f"spBv1.0/{bridge.root}"
    unit = {"keys": ["engUnit"], "values": [{"string_value": "°C"}]}
    born = {"name": "Temp", "datatype": 3, "int_value": 20, "properties": unit}
    for count, (kind, metric) in enumerate(
        [("NBIRTH", born), ("NDATA", {"name": "Temp", "int_value": 0xFFFFFFFB})], 1
    ):
        with at_work(foreign, eventually):
            payload = sparkplug(count - 1, metric | {"timestamp": now + count}, timestamp=now)
            bridge.publish(f"{node}/{kind}/edge", payload)
            eventually("value", lambda count=count: len(street.rows(VALUES)) == count)
    assert [row[1:4] for row in street.rows(VALUES)] == [
        ("sparkplug.Temp", "Cel", 20.0),
        ("sparkplug.Temp", "Cel", -5.0),
    ]
    assert street.letters() == []


@pytest.mark.parametrize("topic", ["spBv1.0/{root}/#", "spBv1.0/#"])
def test_workers_share_what_sparkplug_says(
    topic: str,
    foreign: IngestSettings,
    sources: Path,
    bridge: Bridge,
    street: Any,
    eventually: Any,
) -> None:
    """Each of them knows what the aliases mean, whoever of them gets the data; all of it once."""
    register(street, "plant")
    given = sources.read_text().replace("spBv1.0/" + bridge.root + "/#", topic)
    sources.write_text(given.replace("{root}", bridge.root))
    foreign = IngestSettings(**foreign.model_dump())
    now, sent = utc_now() // 1000, 0.0
    with at_work(foreign, eventually) as one, at_work(foreign, eventually, slot=1) as other:
        for birth in range(3):  # each gives the alias another meaning
            born = now + birth * 1000
            metric = {"name": f"m{birth}", "alias": 1, "datatype": 10, "double_value": 0.0}
            node = f"spBv1.0/{bridge.root}"
            bridge.publish(f"{node}/NBIRTH/edge", sparkplug(0, metric, timestamp=born))
            for i in range(1, 40):
                data = sparkplug(i, {"alias": 1, "double_value": float(i)}, timestamp=born + i)
                bridge.publish(f"{node}/NDATA/edge", data)
                sent += i
        eventually("all", lambda: street.rows("SELECT sum(value) FROM observation") == [(sent,)])
    assert street.rows(
        "SELECT m.name, count(*) FROM observation JOIN metric m USING (metric)"
        " GROUP BY 1 ORDER BY 1"
    ) == [(f"sparkplug.m{birth}", 40) for birth in range(3)]
    assert street.letters() == []
    assert all(worker.meters.messages._value.get() > 6 for worker in (one, other))


def test_an_account_publishes_where_it_may(
    running: Ingest, bridge: Bridge, street: Any, eventually: Any
) -> None:
    register(street, "hall")
    forged = Batch(
        schema="obs/1",
        device=f"{street.pilot}/hall",
        boot=uuid.uuid4(),
        seq=0,
        sent_at=utc_now(),
        columns=SCHEMAS["obs/1"].empty(),
    )
    bridge.publish(f"tepna/1/{forged.device}/up/obs", encode(forged))
    bridge.publish(f"elsewhere/{bridge.root}", b"{}")
    bridge.senml("hall", 5, utc_now())
    eventually("the permitted one", lambda: street.rows(VALUES))
    assert [row[3] for row in street.rows(VALUES)] == [5]
    assert street.letters() == []
    assert running.meters.messages._value.get() == 1
