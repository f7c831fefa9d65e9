"""Tasmota's telemetry, by its documentation."""

from typing import Any

import pytest

from contracts.clock import to_micros
from ingest.foreign.reading import ForeignError, Presence, Value, moment


@pytest.fixture
def source(make_source: Any) -> Any:
    return make_source("tasmota", "tele/+/+", zone="Europe/Prague")


def test_nested_sensors_and_their_units(payloads: Any, source: Any, read: Any) -> None:
    air = payloads("tasmota")["air"]
    [reading] = read(source, air["topic"], air["payload"])
    t = to_micros(moment("2023-05-28T20:04:27+02:00"))  # Prague's summer
    assert reading.source == "tasmota"
    assert reading.values == [
        Value(t, "SCD40.CarbonDioxide", 618, "[ppm]"),
        Value(t, "SCD40.eCO2", 623),
        Value(t, "SCD40.Temperature", 23.8, "Cel"),
        Value(t, "SCD40.Humidity", 61.1, "%"),
        Value(t, "SCD40.DewPoint", 15.8, "Cel"),
    ]


def test_phases(payloads: Any, source: Any, read: Any) -> None:
    meter = payloads("tasmota")["phases"]
    [reading] = read(source, meter["topic"], meter["payload"])
    assert [v[1:4] for v in reading.values] == [
        ("ENERGY.Total.0", 0.005, "kW.h"),
        ("ENERGY.Total.1", 1.507, "kW.h"),
        ("ENERGY.Power.0", 0, "W"),
        ("ENERGY.Power.1", 26, "W"),
        ("ENERGY.Voltage", 231, "V"),
    ]


def test_epoch_needs_no_zone(payloads: Any, source: Any, read: Any) -> None:
    sleeper = payloads("tasmota")["sleeper"]
    [reading] = read(source, sleeper["topic"], sleeper["payload"])
    assert {value.t for value in reading.values} == {1567595328_000000}
    names = [value.name for value in reading.values]
    assert "UptimeSec" in names
    assert "Wifi.Signal" not in names
    assert ("Wifi.RSSI", 100) in [(v.name, v.value) for v in reading.values]


def test_state_of_a_switch(payloads: Any, source: Any, read: Any) -> None:
    state = payloads("tasmota")["state"]
    [reading] = read(source, state["topic"], state["payload"])
    assert reading.source == "TH16"
    assert [(v.name, v.value, v.unit) for v in reading.values] == [
        ("Vcc", 3.151, "V"),
        ("POWER", 0.0, ""),
        ("Wifi.AP", 1, ""),
        ("Wifi.RSSI", 66, ""),
    ]


def test_fahrenheit_says_so(source: Any, read: Any) -> None:
    payload = '{"Time":"2024-01-01T00:00:00","DS18B20-1":{"Temperature":70},"TempUnit":"F"}'
    [reading] = read(source, "tele/x/SENSOR", payload)
    assert [v[1:4] for v in reading.values] == [("DS18B20-1.Temperature", 70.0, "[degF]")]


def test_a_field_may_hold_a_dot(source: Any, read: Any) -> None:
    [reading] = read(source, "tele/x/SENSOR", '{"SDS0X1":{"PM2.5":3.2,"PM10":5}}')
    assert [v[1:4] for v in reading.values] == [
        ("SDS0X1.PM2.5", 3.2, "ug/m3"),
        ("SDS0X1.PM10", 5, "ug/m3"),
    ]


@pytest.mark.parametrize(
    ("sensor", "unit"),
    [
        ("SR04", "cm"),
        ("SR04-2", "cm"),
        ("TFminiPlus", "cm"),
        ("AS3935", "km"),
        ("VL53L0X", ""),  # mm in the documentation, cm in firmware since 2021
        ("VL53L1X-1", ""),
        ("Elsewhere", ""),
    ],
)
def test_each_sensor_has_its_own_unit_of_distance(
    sensor: str, unit: str, source: Any, read: Any
) -> None:
    [reading] = read(source, "tele/x/SENSOR", f'{{"{sensor}":{{"Distance":263}}}}')
    assert [v[1:4] for v in reading.values] == [(f"{sensor}.Distance", 263, unit)]


def test_telemetry_is_named_by_its_content(payloads: Any, source: Any, read: Any) -> None:
    probe = payloads("tasmota")["probe"]
    [first] = read(source, probe["topic"], probe["payload"])
    [again] = read(source, probe["topic"], probe["payload"], received=1_900_000_000_000_000)
    [other] = read(source, "tele/other/SENSOR", probe["payload"])
    assert first.key == again.key != other.key


@pytest.mark.parametrize(
    ("received", "t"),
    [
        ("2024-10-27T00:30:01Z", "2024-10-27T00:30:00Z"),
        ("2024-10-27T01:30:01Z", "2024-10-27T01:30:00Z"),
    ],
)
def test_an_hour_that_the_clock_shows_twice(received: str, t: str, source: Any, read: Any) -> None:
    payload = '{"Time":"2024-10-27T02:30:00","A":1}'
    [reading] = read(source, "tele/x/SENSOR", payload, to_micros(moment(received)))
    assert reading.values == [Value(to_micros(moment(t)), "A", 1.0)]


def test_what_is_said_twice_in_an_hour_that_comes_twice(source: Any, read: Any) -> None:
    payload = '{"Time":"2026-10-25T02:10:00","A":1}'
    times = ("2026-10-25T00:10:01Z", "2026-10-25T00:10:09Z", "2026-10-25T01:10:01Z")
    first, again, later = (
        read(source, "tele/x/SENSOR", payload, to_micros(moment(at)))[0].key for at in times
    )
    assert first == again != later


def test_time_as_a_number_is_the_epoch(source: Any, read: Any) -> None:
    """As the command `Time 3` has it."""
    [reading] = read(source, "tele/x/SENSOR", '{"Time":1567600289,"A":1}')
    assert reading.values == [Value(1567600289_000000, "A", 1.0)]
    assert reading.key is not None


@pytest.mark.parametrize(
    "time",
    [
        "",
        '"Time":"1970-01-01T00:00:12",',
        '"Time":"1970-01-01T00:00:12","Epoch":12,',
        '"Time":12,',
        '"Time":true,',
        '"Time":"2015-12-31T23:00:00",',
        '"Time":"1970-01-01T00:00:12Z",',
        '"Time":null,',
    ],
)
def test_a_clock_that_was_never_set(time: str, source: Any, read: Any) -> None:
    [reading] = read(source, "tele/x/SENSOR", f'{{{time}"A":1}}')
    assert (reading.values, reading.key) == ([Value(None, "A", 1.0)], None)


@pytest.mark.parametrize(("word", "online"), [("Online", True), ("Offline", False)])
def test_will(word: str, online: bool, source: Any, read: Any) -> None:
    [reading] = read(source, "tele/x/LWT", word)
    assert reading.presence == Presence(online=online)


def test_other_topics_measure_nothing(source: Any, read: Any) -> None:
    assert read(source, "tele/x/INFO1", '{"Info1":{"Module":"Generic"}}') == []


@pytest.mark.parametrize("payload", ["", "[1]", '{"Time":"noon"}', "\x00"])
def test_what_is_no_telemetry(payload: str, source: Any, read: Any) -> None:
    with pytest.raises(ForeignError):
        read(source, "tele/x/SENSOR", payload)
