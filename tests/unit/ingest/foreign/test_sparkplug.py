"""Sparkplug B, by the payloads of its specification."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.metrics import Quality
from ingest.foreign.reading import ForeignError, Presence, Text, Value
from ingest.foreign.sparkplug import MAX_BIRTHS, Birth, Births, Meaning, node_of
from ingest.foreign.sparkplug_payload import Payload, parse

TYPES = {
    "Int8": 1,
    "Int16": 2,
    "Int32": 3,
    "Int64": 4,
    "UInt64": 8,
    "Float": 9,
    "Boolean": 11,
    "String": 12,
}
FIELDS = {
    "Int8": "int_value", "Int16": "int_value", "Int32": "int_value", "Int64": "long_value",
    "UInt64": "long_value", "Float": "float_value", "Boolean": "boolean_value",
    "String": "string_value",
}  # fmt: skip
T = 1486144502122


@pytest.fixture
def source(make_source: Any) -> Any:
    return make_source("sparkplug", "spBv1.0/#")


def encode(example: dict[str, Any]) -> bytes:
    """Encode a payload that the specification gives in JSON."""
    if "hex" in example:
        return bytes.fromhex(example["hex"])
    payload = Payload(timestamp=example["timestamp"], seq=example.get("seq"))
    for name, kind, value in example["metrics"]:
        metric = payload.metrics.add(name=name, timestamp=T, datatype=TYPES[kind])
        setattr(metric, FIELDS[kind], value)
    encoded: bytes = payload.SerializeToString()
    return encoded


def data(at: int, **metric: Any) -> bytes:
    payload = Payload(timestamp=at, seq=1)
    payload.metrics.add(**metric)
    encoded: bytes = payload.SerializeToString()
    return encoded


def test_the_specification_s_own_day(payloads: Any, source: Any, read: Any) -> None:
    told = {}
    for name in ("nbirth", "dbirth", "ndata", "ddata", "ndeath"):
        example = payloads("sparkplug")[name]
        told[name] = read(source, example["topic"], encode(example))
    [birth] = told["nbirth"]
    assert birth.source == "Sparkplug B Devices/Raspberry Pi"
    assert birth.values == [Value(T * 1000, "Supply Voltage", pytest.approx(12.1))]
    assert birth.texts[0] == Text(T * 1000, "Properties/Hardware Make", "Raspberry Pi")
    assert birth.presence == Presence(True, birth.birth.boot, T * 1000)
    [device] = told["dbirth"]
    assert device.source == "Sparkplug B Devices/Raspberry Pi/Pibrella"
    assert device.values[0][1:3] == ("Inputs/A", 0.0)
    assert told["ndata"][0].values == [Value(T * 1000, "Supply Voltage", pytest.approx(12.3))]
    assert [(v.name, v.value) for v in told["ddata"][0].values] == [
        ("Inputs/A", 1.0),
        ("Inputs/C", 1.0),
    ]
    # With the node its devices are gone.
    node, pibrella = told["ndeath"]
    assert node.presence == Presence(False, birth.birth.boot, T * 1000)
    assert pibrella.presence == Presence(False, device.birth.boot, T * 1000)


def test_bytes_that_others_made(payloads: Any, source: Any, read: Any) -> None:
    death, alias = payloads("sparkplug")["death"], payloads("sparkplug")["alias"]
    with pytest.raises(ForeignError, match="no-birth"):
        read(source, alias["topic"], encode(alias))
    with pytest.raises(ForeignError, match="no-birth"):
        read(source, death["topic"], encode(death))
    birth = Payload(timestamp=1755450000000, seq=0)
    birth.metrics.add(name="bdSeq", datatype=4, long_value=3)
    birth.metrics.add(name="Valve/State", alias=1, datatype=12, string_value="open")
    read(source, "spBv1.0/G/NBIRTH/E", birth.SerializeToString())
    [reading] = read(source, alias["topic"], encode(alias))
    assert reading.texts == [Text(1755460000000_000, "Valve/State", "locked")]
    [gone] = read(source, death["topic"], encode(death))
    assert gone.presence is not None
    assert not gone.presence.online


def test_a_will_of_an_older_connection(source: Any, read: Any) -> None:
    for number, timestamp in ((1, 1000), (2, 2000)):
        birth = Payload(timestamp=timestamp, seq=0)
        birth.metrics.add(name="bdSeq", datatype=8, long_value=number)
        read(source, "spBv1.0/G/NBIRTH/E", birth.SerializeToString())
    old = data(1000, name="bdSeq", datatype=8, long_value=1)
    assert read(source, "spBv1.0/G/NDEATH/E", old) == []


def test_data_are_read_by_the_birth_of_their_time(source: Any, read: Any) -> None:
    for timestamp, name in ((1000, "first"), (2000, "second")):
        birth = data(timestamp, name=name, alias=5, datatype=10, double_value=0)
        read(source, "spBv1.0/G/DBIRTH/E/D", birth)
    for timestamp, name in ((1500, "first"), (2500, "second"), (1999, "first")):
        [reading] = read(source, "spBv1.0/G/DDATA/E/D", data(timestamp, alias=5, double_value=1))
        assert [v.name for v in reading.values] == [name]
    with pytest.raises(ForeignError, match="alias 6"):
        read(source, "spBv1.0/G/DDATA/E/D", data(2500, alias=6, double_value=1))


def birth(at: int, name: str, number: int) -> bytes:
    """Encode the birth of a connection that gives alias 1 to a name."""
    payload = Payload(timestamp=at, seq=0)
    payload.metrics.add(name="bdSeq", datatype=8, long_value=number)
    payload.metrics.add(name=name, alias=1, datatype=10, double_value=0)
    encoded: bytes = payload.SerializeToString()
    return encoded


class Node:
    """A node whose clock shows what it likes; minutes since noon."""

    NOON = 1_790_000_000_000  # [ms]

    def __init__(self, source: Any, read: Any) -> None:
        self._source, self._read = source, read

    def _say(self, kind: str, heard: float, payload: bytes) -> Any:
        received = round(self.NOON + heard * 60_000) * 1000
        return self._read(self._source, f"spBv1.0/G/{kind}/E", payload, received)

    def birth(self, shown: float, heard: float, name: str, number: int = 0) -> None:
        """Be born, by the node's clock and ours."""
        self._say("NBIRTH", heard, birth(self._at(shown), name, number))

    def data(self, shown: float, heard: float) -> str:
        """Send data with the alias, and say as what they are read."""
        payload = data(self._at(shown), alias=1, double_value=1)
        [reading] = self._say("NDATA", heard, payload)
        [value] = reading.values
        return str(value.name)

    def death(self, heard: float, number: int) -> list[Presence]:
        """Die, and say who is gone."""
        payload = data(0, name="bdSeq", datatype=8, long_value=number)
        return [reading.presence for reading in self._say("NDEATH", heard, payload)]

    def _at(self, shown: float) -> int:
        return round(self.NOON + shown * 60_000)


@pytest.fixture
def node(source: Any, read: Any) -> Node:
    return Node(source, read)


def test_a_clock_that_was_ahead_and_was_corrected(node: Node) -> None:
    node.birth(60, 0, "Temp", 0)
    assert node.data(61, 1) == "Temp"
    node.birth(5, 5, "Pressure", 1)
    assert node.data(6, 6) == "Pressure"
    assert node.data(65, 65) == "Pressure"
    assert node.death(66, 0) == []
    [gone] = node.death(67, 1)
    assert not gone.online
    assert gone.since == (Node.NOON + 5 * 60_000) * 1000


def test_a_clock_that_was_right_and_is_ahead_at_the_next_birth(node: Node) -> None:
    node.birth(-10, -10, "Temp")
    node.birth(60, 0, "Pressure")
    assert node.data(1, 1) == "Pressure"  # corrected within the connection


@pytest.mark.parametrize("ahead", [0, 0.2])
def test_a_clock_that_steps_back_after_the_birth(ahead: float, node: Node) -> None:
    node.birth(ahead, 0, "Temp")
    assert node.data(ahead - 0.2, 0.01) == "Temp"


def test_a_clock_that_steps_back_before_births_that_are_forgotten(node: Node) -> None:
    for number in range(MAX_BIRTHS + 1):
        node.birth(number, number, f"m{number}")
    with pytest.raises(ForeignError, match="no-birth"):
        node.data(0.5, 60)


def test_nobody_is_explained_by_a_birth_that_came_after(node: Node) -> None:
    node.birth(10, 10, "Temp")
    with pytest.raises(ForeignError, match="no-birth"):
        node.data(9, 9)
    assert node.data(10.01, 9.99) == "Temp"  # sent after it and overtaken


def test_data_that_were_long_on_their_way(node: Node) -> None:
    for minute, name in ((0, "first"), (10, "second"), (20, "third")):
        node.birth(minute, minute, name)
    assert [node.data(at, 30) for at in (1, 10, 25)] == ["first", "second", "third"]


def test_two_births_in_one_millisecond(node: Node) -> None:
    node.birth(0, 0, "Temp")
    node.birth(0, 0.001, "Pressure")
    assert node.data(0.01, 0.01) == "Pressure"


def test_a_birth_that_comes_twice_came_when_it_came_first(node: Node) -> None:
    node.birth(60, 0, "Temp")
    node.birth(1, 1, "Pressure")
    node.birth(60, 2, "Temp")
    assert node.data(61, 61) == "Pressure"


def test_a_death_whose_birth_nobody_knows(node: Node) -> None:
    node.birth(0, 0, "Temp", 3)
    with pytest.raises(ForeignError, match=r"no-birth.*bdSeq 4"):
        node.death(1, 4)


def test_historical_data_keep_their_time(source: Any, read: Any) -> None:
    payload = data(5000, name="a", timestamp=3000, datatype=9, float_value=1, is_historical=True)
    [reading] = read(source, "spBv1.0/G/NDATA/E", payload)
    assert reading.values == [Value(3_000_000, "a", 1.0)]


def test_what_is_null_or_no_number_is_left_out(source: Any, read: Any) -> None:
    payload = Payload(timestamp=1000)
    payload.metrics.add(name="null", datatype=9, is_null=True)
    payload.metrics.add(name="file", datatype=18, bytes_value=b"x")
    payload.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=False)
    payload.metrics.add(name="kept", datatype=7, int_value=4_000_000_000)
    [reading] = read(source, "spBv1.0/G/NDATA/E", payload.SerializeToString())
    assert [(v.name, v.value) for v in reading.values] == [("kept", 4e9)]


def test_units_and_quality_are_properties(source: Any, read: Any) -> None:
    payload = Payload(timestamp=1000)
    metric = payload.metrics.add(name="t", datatype=9, float_value=1)
    for key, field, value in (("engUnit", "string_value", "°C"), ("Quality", "int_value", 500)):
        metric.properties.keys.append(key)
        setattr(metric.properties.values.add(), field, value)
    [reading] = read(source, "spBv1.0/G/NDATA/E", payload.SerializeToString())
    assert reading.values == [Value(1_000_000, "t", 1.0, "Cel", Quality.DOUBTED)]


@pytest.mark.parametrize(
    ("kind", "bits"), [("Int8", 8), ("Int16", 16), ("Int32", 32), ("Int64", 64)]
)
def test_negative_numbers(kind: str, bits: int, source: Any, read: Any) -> None:
    field, wide = (FIELDS[kind], 64 if kind == "Int64" else 32)
    for value in (-1, -(1 << bits - 1), (1 << bits - 1) - 1):
        for sent in {value & (1 << wide) - 1, value & (1 << bits) - 1}:  # encoders do either
            payload = data(1000, name="n", datatype=TYPES[kind], **{field: sent})
            [reading] = read(source, "spBv1.0/G/NDATA/E", payload)
            assert reading.values[0].value == float(value)


def birth_of_temperature(**metric: Any) -> bytes:
    """Encode a birth that states type and unit, once for all data."""
    payload = Payload(timestamp=1000, seq=0)
    metric = {"name": "Temp", "datatype": TYPES["Int32"], "int_value": 20} | metric
    made = payload.metrics.add(**metric)
    made.properties.keys.append("engUnit")
    made.properties.values.add(string_value="°C")
    encoded: bytes = payload.SerializeToString()
    return encoded


@pytest.mark.parametrize("alias", [{}, {"alias": 3}])
def test_the_birth_says_what_a_name_means(alias: Any, source: Any, read: Any) -> None:
    """Data need not repeat the type, whether they have an alias or not."""
    minus_5 = {"name": "Temp", "int_value": 0xFFFFFFFB}
    with pytest.raises(ForeignError, match=r"no-birth.*'Temp'"):
        read(source, "spBv1.0/G/NDATA/E", data(2000, **minus_5))
    read(source, "spBv1.0/G/NBIRTH/E", birth_of_temperature(**alias))
    [reading] = read(source, "spBv1.0/G/NDATA/E", data(2000, **minus_5))
    assert [v[1:4] for v in reading.values] == [("Temp", -5.0, "Cel")]
    with pytest.raises(ForeignError, match=r"no-birth.*'Else'"):
        read(source, "spBv1.0/G/NDATA/E", data(2000, name="Else", int_value=1))


def test_wide_numbers_have_the_type_of_the_birth(source: Any, read: Any) -> None:
    read(source, "spBv1.0/G/DBIRTH/E/D", data(1000, name="n", datatype=4, long_value=0))
    payload = data(2000, name="n", long_value=(1 << 64) - 5)
    [reading] = read(source, "spBv1.0/G/DDATA/E/D", payload)
    assert [v.value for v in reading.values] == [-5.0]


def test_what_states_itself_needs_no_birth(source: Any, read: Any) -> None:
    for value, expected in (({"float_value": 1.5}, 1.5), ({"boolean_value": True}, 1.0)):
        [reading] = read(source, "spBv1.0/G/NDATA/E", data(1000, name="a", **value))
        assert [v.value for v in reading.values] == [expected]
    [reading] = read(source, "spBv1.0/G/NDATA/E", data(1000, name="a", string_value="x"))
    assert [text.text for text in reading.texts] == ["x"]
    assert read(source, "spBv1.0/G/NDATA/E", data(1000, alias=9, is_null=True))[0].values == []


@pytest.mark.parametrize(
    "topic", ["STATE/host", "G/NCMD/E", "G/DCMD/E/D", "G/NDATA/E/D/more", "G/XDATA"]
)
def test_commands_and_hosts_measure_nothing(topic: str, source: Any, read: Any) -> None:
    assert read(source, f"spBv1.0/{topic}", b"\xff") == []


@pytest.mark.parametrize(
    "payload", [b"\xff", b"\x12\xff\xff", b"{}", b'{"timestamp":1}', b"\x12\x04\x0a\x02a\xff"]
)
def test_what_is_no_payload(payload: bytes, source: Any, read: Any) -> None:
    with pytest.raises(ForeignError, match="not-sparkplug"):
        read(source, "spBv1.0/G/NDATA/E", payload)


@given(st.binary(max_size=80))
def test_any_bytes_are_parsed_or_refused(payload: bytes) -> None:
    with suppress(ForeignError):
        assert len(parse(payload).metrics) <= 80


def test_births_are_bounded() -> None:
    births = Births()
    for born in range(MAX_BIRTHS + 3):
        aliases = {1: Meaning(f"m{born}", 9, "")}
        births.add(Birth("g/n", born, None, aliases, {}, born * 1000))
        births.add(Birth("g/n/d", born, None, {}, {}, born * 1000))
    assert births.of("g/n", 2, 10_000) is None
    known = births.known("g/n")
    assert [birth.born for birth in known] == list(range(3, MAX_BIRTHS + 3))
    assert births.of("g/n", MAX_BIRTHS + 3, 10_000) == known[-1]
    assert [birth.who for birth in births.devices("g/n")] == ["g/n/d"]


def test_the_node_of_a_topic() -> None:
    assert node_of("spBv1.0/G/DDATA/E/D") == node_of("spBv1.0/G/NBIRTH/E") == "G/E"
    assert node_of("spBv1.0/STATE/x") == ""
