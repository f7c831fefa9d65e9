"""Shelly's second generation, by its documentation and what others have recorded."""

from typing import Any

import pytest

from ingest.foreign.reading import ForeignError, Presence, Text, Value


@pytest.fixture
def rpc(make_source: Any) -> Any:
    return make_source("shelly", "+/events/rpc")


@pytest.fixture
def status(make_source: Any) -> Any:
    return make_source("shelly", "+/status/#")


def test_a_notification(payloads: Any, rpc: Any, read: Any) -> None:
    button = payloads("shelly")["button"]
    [reading] = read(rpc, button["topic"], button["payload"])
    assert reading.source == "shellypro4pm-f008d1d8b8b8"
    assert reading.values == [Value(1631186545_040000, "switch:0.output", 1.0)]
    [again] = read(rpc, button["topic"], button["payload"])
    [later] = read(rpc, button["topic"], button["payload"].replace("545.04", "545.05"))
    assert again.key == reading.key != later.key


def test_a_meter(payloads: Any, rpc: Any, read: Any) -> None:
    meter = payloads("shelly")["meter"]
    [reading] = read(rpc, meter["topic"], meter["payload"])
    assert reading.values == [
        Value(1750612659_620000, "em:0.voltage", 234.2, "V"),
        Value(1750612659_620000, "em:0.current", 2.09, "A"),
        Value(1750612659_620000, "em:0.act_power", 100.9, "W"),
    ]


def test_the_whole_status(payloads: Any, rpc: Any, read: Any) -> None:
    climate = payloads("shelly")["climate"]
    [reading] = read(rpc, climate["topic"], climate["payload"])
    found = {value.name: (value.value, value.unit) for value in reading.values}
    assert found["temperature:0.tC"] == (19.9, "Cel")
    assert found["temperature:0.tF"] == (67.8, "[degF]")
    assert found["humidity:0.rh"] == (58.9, "%")
    assert found["devicepower:0.battery.percent"] == (65, "%")
    assert found["wifi.rssi"] == (-68, "dB[mW]")
    assert not [name for name in found if name.endswith((".id", ".mac", "cfg_rev", ".ts"))]


def test_a_component_names_no_time(payloads: Any, status: Any, read: Any) -> None:
    battery = payloads("shelly")["battery"]
    [reading] = read(status, battery["topic"], battery["payload"])
    assert reading.source == "shellyht-livingroom"
    assert reading.values == [
        Value(None, "devicepower:0.battery.V", 5.46, "V"),
        Value(None, "devicepower:0.battery.percent", 73, "%"),
        Value(None, "devicepower:0.external.present", 0.0),
    ]
    assert reading.key is None


def test_the_same_metric_by_either_way(payloads: Any, rpc: Any, status: Any, read: Any) -> None:
    humidity, climate = payloads("shelly")["humidity"], payloads("shelly")["climate"]
    [one] = read(status, humidity["topic"], humidity["payload"])
    [other] = read(rpc, climate["topic"], climate["payload"])
    assert one.values[0].name in [value.name for value in other.values]


def test_minutes_that_the_total_holds_already(rpc: Any, read: Any) -> None:
    payload = (
        '{"src":"a","method":"NotifyStatus","params":{"ts":1656354250.0,"switch:0":{"id":0,'
        '"aenergy":{"by_minute":[0,0,0],"minute_ts":1656354249,"total":3.5},'
        '"ret_aenergy":{"by_minute":[0,0,0],"minute_ts":1656354249,"total":1}},'
        '"input:2":{"id":2,"counts":{"by_minute":[1,0],"xby_minute":[0.1,0],"total":7}},'
        '"rgb:0":{"id":0,"rgb":[255,0,3],"parts":[{"id":1,"x":5}]}}}'
    )
    [reading] = read(rpc, "a/events/rpc", payload)
    assert [v[1:4] for v in reading.values] == [
        ("switch:0.aenergy.total", 3.5, "W.h"),
        ("switch:0.ret_aenergy.total", 1, "W.h"),
        ("input:2.counts.total", 7, ""),  # pulses, of whatever is counted
        ("rgb:0.rgb.0", 255, ""),
        ("rgb:0.rgb.1", 0, ""),
        ("rgb:0.rgb.2", 3, ""),
        ("rgb:0.parts.0.x", 5, ""),
    ]


def test_events_are_words(rpc: Any, read: Any) -> None:
    payload = (
        '{"src":"a","method":"NotifyEvent","params":{"ts":1631266595.44,"events":'
        '[{"component":"input:0","id":0,"event":"single_push","ts":1631266595.44}]}}'
    )
    [reading] = read(rpc, "a/events/rpc", payload)
    assert reading.texts == [Text(1631266595_440000, "input:0", "single_push")]


def test_a_clock_that_counts_from_the_start(rpc: Any, read: Any) -> None:
    payload = '{"src":"a","method":"NotifyStatus","params":{"ts":12.5,"input:0":{"state":true}}}'
    [reading] = read(rpc, "a/events/rpc", payload)
    assert (reading.values, reading.key) == ([Value(None, "input:0.state", 1.0)], None)


def test_presence(make_source: Any, read: Any) -> None:
    [reading] = read(make_source("shelly", "+/online"), "a/online", "false")
    assert (reading.source, reading.presence) == ("a", Presence(online=False))


def test_answers_measure_nothing(rpc: Any, read: Any) -> None:
    assert read(rpc, "a/events/rpc", '{"id":1,"src":"a","result":{}}') == []


@pytest.mark.parametrize(
    "payload",
    ["", "1", '{"params":{}}', '{"src":"a","params":{"ts":1e300},"method":"NotifyStatus"}'],
)
def test_what_is_no_notification(payload: str, rpc: Any, read: Any) -> None:
    with pytest.raises(ForeignError):
        read(rpc, "a/events/rpc", payload)
