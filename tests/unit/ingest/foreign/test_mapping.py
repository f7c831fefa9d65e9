"""The declarative mapping, on an uplink of ChirpStack and made-up corners."""

from typing import Any

import jsonpath
import pytest

from contracts.clock import to_micros
from ingest.foreign.mapping import finder
from ingest.foreign.reading import ForeignError, Text, Value, moment

CHIRPSTACK = {
    "id": "$.deviceInfo.devEui",
    "time": "$.time",
    "message_id": "$.deduplicationId",
    "values": [
        {"path": "$.rxInfo[0].rssi", "metric": "lora.rssi", "unit": "dB[mW]"},
        {"path": "$.rxInfo[*].snr", "metric": "lora.snr", "unit": "dB"},
        {"path": "$.fCnt", "metric": "lora.counter", "factor": 2, "offset": -1},
        {"path": "$.devAddr", "metric": "lora.address"},
        {"path": "$.adr", "metric": "lora.adr"},
        {"path": "$.object.temperature", "metric": "air.temperature", "unit": "Cel"},
    ],
}


def test_chirpstack(payloads: Any, make_source: Any, read: Any) -> None:
    uplink = payloads("mapping")["uplink"]
    source = make_source("mapping", "application/+/device/+/event/up", mapping=CHIRPSTACK)
    [reading] = read(source, uplink["topic"], uplink["payload"])
    t = to_micros(moment("2023-05-22T07:47:05.404859Z"))
    assert reading.source == "1000000000000001"
    assert reading.values == [
        Value(t, "lora.rssi", -35.0, "dB[mW]"),
        Value(t, "lora.snr", 11.5, "dB"),
        Value(t, "lora.counter", 7.0),
        Value(t, "lora.address", 20000001.0),  # a number, though it is written as a text
        Value(t, "lora.adr", 1.0),
    ]
    # The message's own id names it, whatever else differs.
    [again] = read(source, uplink["topic"], uplink["payload"].replace("-35", "-36"))
    [other] = read(source, uplink["topic"], uplink["payload"].replace("57433366", "57433367"))
    assert again.key == reading.key != other.key


def test_records_are_messages_of_their_own(make_source: Any, read: Any) -> None:
    mapping = {
        "records": "$.items[*]",
        "id": "$.id",
        "time": "$.ts",
        "time_unit": "ms",
        "values": [{"path": "$.v", "metric": "v"}],
    }
    source = make_source("mapping", "m/+", mapping=mapping)
    readings = read(
        source, "m/x", '{"items":[{"id":1,"ts":5,"v":1.5},{"id":"b","ts":6,"v":"off"}]}'
    )
    assert [(r.source, r.values) for r in readings] == [
        ("1", [Value(5000, "v", 1.5)]),
        ("b", [Value(6000, "v", 0.0)]),
    ]


def test_a_text_is_a_record_and_no_document(make_source: Any, read: Any) -> None:
    mapping = {
        "records": "$[*]",
        "values": [{"path": "$", "metric": "v"}, {"path": "$.a", "metric": "a"}],
    }
    source = make_source("mapping", "m/+", mapping=mapping)
    readings = read(source, "m/x", '[5, "7.5", "[", "{\\"a\\": 1}", {"a": 2}]')
    assert [(r.values, r.texts) for r in readings] == [
        ([Value(None, "v", 5.0)], []),
        ([Value(None, "v", 7.5)], []),
        ([], [Text(None, "v", "[")]),
        ([], [Text(None, "v", '{"a": 1}')]),
        ([Value(None, "a", 2.0)], []),
    ]


@pytest.mark.parametrize(
    ("unit", "stated", "t"),
    [
        ("s", "1.5", 1_500_000),
        ("us", "7", 7),
        ("ms", '"2"', 2000),
        ("iso8601", '"1970-01-01T01:00:01"', 1_000_000),
    ],
)
def test_times(unit: str, stated: str, t: int, make_source: Any, read: Any) -> None:
    mapping = {"time": "$.t", "time_unit": unit, "values": [{"path": "$.v", "metric": "v"}]}
    source = make_source("mapping", "m/+", mapping=mapping, zone="Europe/Prague")
    [reading] = read(source, "m/x", f'{{"t":{stated},"v":1}}')
    assert (reading.source, reading.values) == ("x", [Value(t, "v", 1.0)])


def test_what_is_not_there_is_not_said(make_source: Any, read: Any) -> None:
    mapping = {
        "time": "$.t",
        "values": [{"path": "$.v", "metric": "v"}, {"path": "$.w", "metric": "w"}],
    }
    source = make_source("mapping", "m/+", mapping=mapping)
    [reading] = read(source, "m/x", '{"w":"word","v":null}')
    assert (reading.values, reading.texts, reading.key) == ([], [Text(None, "w", "word")], None)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ("{", "not-json"),
        ('{"t":"soon","id":1}', "ISO 8601"),
        ('{"t":"2020-01-01","id":1}', "zone"),
        ("[]", "finds nothing"),
    ],
)
def test_what_cannot_be_mapped(payload: str, says: str, make_source: Any, read: Any) -> None:
    mapping = {"id": "$.id", "time": "$.t", "values": [{"path": "$.v", "metric": "v"}]}
    source = make_source("mapping", "m/+", mapping=mapping)
    with pytest.raises(ForeignError, match=says):
        read(source, "m/x", payload)


@pytest.mark.parametrize(
    "path", ["$.a", "$['a'].b", "$.l[0]", "$.l[-1]", "$.l[5]", "$.s[0]", "$.a.b.c", "$"]
)
def test_the_short_way_finds_what_the_library_finds(path: str) -> None:
    document = {"a": {"b": 1}, "l": [1, {"x": 2}], "s": "text"}
    assert finder(path)(document) == jsonpath.findall(path, document)
