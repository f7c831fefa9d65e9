"""Uplinks of The Things Stack, by its documentation."""

import json
from typing import Any

import pytest

from contracts.clock import to_micros
from ingest.foreign.reading import ForeignError, Value, moment

TOPIC = "v3/app1@tenant1/devices/dev1/up"
T = to_micros(moment("2020-02-12T15:15:45.787Z"))


@pytest.fixture
def source(make_source: Any) -> Any:
    return make_source("things-stack", "v3/+/devices/+/up")


def changed(payload: str, **uplink: Any) -> str:
    found = json.loads(payload)
    for name, value in uplink.items():
        if value is None:
            del found["uplink_message"][name]
        else:
            found["uplink_message"][name] = value
    return json.dumps(found)


def test_an_uplink(payloads: Any, source: Any, read: Any) -> None:
    [reading] = read(source, TOPIC, payloads("things_stack")["uplink"]["payload"])
    assert (reading.source, reading.simulated, reading.texts) == ("dev1", False, [])
    assert reading.values == [
        Value(T, "temperature", 1.0),
        Value(T, "luminosity", 0.64),
        Value(T, "gateways", 1.0, "1"),
        Value(T, "rssi", -35.0, "dB[mW]"),
        Value(T, "snr", 5.0, "dB"),
        Value(T, "f_cnt", 1.0, "1"),
    ]


def test_a_frame_is_named_by_session_and_counter(payloads: Any, source: Any, read: Any) -> None:
    payload = payloads("things_stack")["uplink"]["payload"]
    [first] = read(source, TOPIC, payload)
    # Heard by another gateway as well, and handed over later: the same frame.
    better = [{"gateway_ids": {"gateway_id": "gtw2"}, "rssi": -20, "snr": 9}]
    handed = json.loads(changed(payload, rx_metadata=better))
    handed["received_at"] = "2020-02-12T16:00:00Z"
    [again] = read(source, TOPIC, json.dumps(handed))
    assert again.key == first.key
    assert ("rssi", -20.0) in [(v.name, v.value) for v in again.values]
    [later] = read(source, TOPIC, changed(payload, f_cnt=2))
    [rejoined] = read(source, TOPIC, changed(payload, session_key_id="AXBSH1Pk6Z0G166RlH16CQ=="))
    [zero] = read(source, TOPIC, changed(payload, f_cnt=None))  # protobuf leaves a zero out
    assert len({first.key, later.key, rejoined.key, zero.key}) == 4
    assert ("f_cnt", 0.0) in [(v.name, v.value) for v in zero.values]


def test_a_counter_that_begins_anew_in_its_session(payloads: Any, source: Any, read: Any) -> None:
    """As those of ABP devices do that are switched on again (resets_f_cnt)."""
    payload = payloads("things_stack")["uplink"]["payload"]
    [first] = read(source, TOPIC, payload)
    [anew] = read(source, TOPIC, changed(payload, received_at="2020-02-12T16:00:00Z"))
    assert anew.key != first.key


def test_the_time_is_the_first_that_anybody_noted(payloads: Any, source: Any, read: Any) -> None:
    payload = payloads("things_stack")["uplink"]["payload"]
    [reading] = read(source, TOPIC, changed(payload, settings={}, rx_metadata=[]))
    assert reading.values[0].t == to_micros(moment("2020-02-12T15:15:45.789585Z"))


def test_simulated_words_and_nested_values(payloads: Any, source: Any, read: Any) -> None:
    found = json.loads(changed(payloads("things_stack")["uplink"]["payload"]))
    found["simulated"] = True
    found["uplink_message"]["decoded_payload"] = {
        "battery": {"voltage": 3.6}, "door": "open", "lamp": "on", "alarm": True, "none": None,
    }  # fmt: skip
    [reading] = read(source, TOPIC, json.dumps(found))
    assert reading.simulated
    assert [(v.name, v.value) for v in reading.values[:3]] == [
        ("battery.voltage", 3.6),
        ("lamp", 1.0),
        ("alarm", 1.0),
    ]
    assert [text[1:] for text in reading.texts] == [("door", "open")]


def test_measurements_in_a_list(payloads: Any, source: Any, read: Any) -> None:
    found = json.loads(payloads("things_stack")["uplink"]["payload"])
    found["uplink_message"]["decoded_payload"] = {  # of a SenseCAP S2120
        "err": 0,
        "messages": [
            {"measurementId": "4097", "measurementValue": 1.8, "type": "Air Temperature"},
            {"measurementId": "4098", "measurementValue": 72, "type": "Air Humidity"},
        ],
        "valid": True,
        "bytes": [1, 2, 3],  # of a formatter that decodes nothing
    }
    [reading] = read(source, TOPIC, json.dumps(found))
    assert [(v.name, v.value) for v in reading.values[:-4]] == [
        ("err", 0),
        ("messages.0.measurementValue", 1.8),
        ("messages.1.measurementValue", 72),
        ("valid", 1),
    ]


def test_a_join_measures_nothing(payloads: Any, make_source: Any, read: Any) -> None:
    join = payloads("things_stack")["join"]
    assert (
        read(make_source("things-stack", "v3/+/devices/+/+"), join["topic"], join["payload"]) == []
    )


NOON = '{"uplink_message":{"received_at":"noon"},"end_device_ids":{"device_id":"a"}}'


@pytest.mark.parametrize("payload", ["", "[]", '{"uplink_message":{}}', NOON])
def test_what_is_no_uplink(payload: str, source: Any, read: Any) -> None:
    with pytest.raises(ForeignError):
        read(source, TOPIC, payload)
