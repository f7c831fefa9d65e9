"""Zigbee2MQTT, by its documentation and the logs of two bridges."""

from typing import Any

import pytest

from contracts.clock import to_micros
from ingest.foreign.reading import ForeignError, Presence, Text, Value, moment


@pytest.fixture
def source(make_source: Any) -> Any:
    return make_source("zigbee2mqtt", "zigbee2mqtt/#", zone="Europe/Prague")


def test_without_last_seen(payloads: Any, source: Any, read: Any) -> None:
    climate = payloads("zigbee2mqtt")["climate"]
    [reading] = read(source, climate["topic"], climate["payload"])
    assert reading.source == "hall"
    assert reading.values == [
        Value(None, "humidity", 44.72, "%"),
        Value(None, "temperature", 27.34, "Cel"),
    ]
    assert reading.key is None


def test_with_last_seen(payloads: Any, source: Any, read: Any) -> None:
    seen = payloads("zigbee2mqtt")["seen"]
    [reading] = read(source, seen["topic"], seen["payload"])
    t = to_micros(moment("2019-12-14T15:38:56.796Z"))
    assert reading.values == [Value(t, "linkquality", 102, "{lqi}"), Value(t, "state", 1.0)]
    [again] = read(source, seen["topic"], seen["payload"])
    [later] = read(source, seen["topic"], seen["payload"].replace("796", "797"))
    assert again.key == reading.key != later.key


@pytest.mark.parametrize(
    ("stated", "t"),
    [
        ("1576337936796", 1576337936_796000),
        ('"2019-12-14T15:38:56.796Z"', 1576337936_796000),
        ('"2019-12-14T16:38:56+01:00"', 1576337936_000000),
        ('"2019-12-14T16:38:56"', 1576337936_000000),
        ("null", None),
        ("true", None),
    ],
)
def test_each_spelling_of_last_seen(stated: str, t: int | None, source: Any, read: Any) -> None:
    [reading] = read(source, "zigbee2mqtt/a", f'{{"battery":50,"last_seen":{stated}}}')
    assert reading.values == [Value(t, "battery", 50.0, "%")]


def test_names_may_be_folders(payloads: Any, source: Any, read: Any) -> None:
    folder, away = (payloads("zigbee2mqtt")[name] for name in ("folder", "availability"))
    [reading] = read(source, folder["topic"], folder["payload"])
    assert reading.source == "bedroom/motion"
    assert ("occupancy", 1.0) in [(v.name, v.value) for v in reading.values]
    [gone] = read(source, away["topic"], away["payload"])
    assert (gone.source, gone.presence) == ("bedroom/motion", Presence(online=False))
    [plain] = read(source, "zigbee2mqtt/hall/availability", "online")
    assert plain.presence == Presence(online=True)


def test_an_action_is_an_event(payloads: Any, source: Any, read: Any) -> None:
    switch = payloads("zigbee2mqtt")["switch"]
    [reading] = read(source, switch["topic"], switch["payload"])
    assert (reading.values, reading.texts) == ([], [Text(None, "action", "single")])


def test_an_action_is_no_measurement(source: Any, read: Any) -> None:
    """Not even the `on` of a remote, which would be a switch elsewhere."""
    [reading] = read(source, "zigbee2mqtt/a", '{"action":"on","battery":50}')
    assert [value.name for value in reading.values] == ["battery"]
    assert reading.texts == [Text(None, "action", "on")]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ('{"state":"LOCK","lock_state":"locked"}', [("state", "LOCK"), ("lock_state", "locked")]),
        ('{"state":"OPEN","position":100}', [("state", "OPEN")]),
        ('{"state_left":"ON","state_right":"STOP"}', [("state_right", "STOP")]),
        ('{"running_state":"idle","system_mode":"heat"}', [("running_state", "idle")]),
        ('{"state":"","lock_state":null,"effect":"blink","update":{"state":"idle"}}', []),
    ],
)
def test_states_that_are_words_are_events(
    payload: str, words: list[tuple[str, str]], source: Any, read: Any
) -> None:
    [reading] = read(source, "zigbee2mqtt/a", payload)
    assert reading.texts == [Text(None, *word) for word in words]


def test_lamps(payloads: Any, source: Any, read: Any) -> None:
    lamp = payloads("zigbee2mqtt")["lamp"]
    [reading] = read(source, lamp["topic"], lamp["payload"])
    assert [(v.name, v.value) for v in reading.values] == [
        ("brightness", 215),
        ("color_temp", 325),
        ("state", 1.0),
    ]


@pytest.mark.parametrize(
    ("payload", "units"),
    [
        ('{"illuminance":49}', ["lx"]),
        ('{"illuminance":16994,"illuminance_lux":49}', ["{raw}", "lx"]),
        ('{"voc":12}', [""]),  # ug/m3, ppb or ppm, as the device has it
    ],
)
def test_units_that_hang_on_the_device(
    payload: str, units: list[str], source: Any, read: Any
) -> None:
    [reading] = read(source, "zigbee2mqtt/a", payload)
    assert [value.unit for value in reading.values] == units


def test_lists_are_numbered(source: Any, read: Any) -> None:
    [reading] = read(source, "zigbee2mqtt/a", '{"power":[1,2.5],"color":{"xy":[0.1,0.2]}}')
    assert [v[1:4] for v in reading.values] == [
        ("color.xy.0", 0.1, ""),
        ("color.xy.1", 0.2, ""),
        ("power.0", 1, "W"),
        ("power.1", 2.5, "W"),
    ]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("bridge/state", '{"state":"online"}'),
        ("bridge/devices", "[]"),
        ("lamp/set", '{"state":"ON"}'),
        ("lamp/set/color", '{"r":46,"g":102}'),
        ("hall/lamp/set/state", "ON"),
        ("lamp/get", '{"state":""}'),
        ("lamp/get/state", '{"a":1}'),
        ("lamp/availability", '{"state":"maybe"}'),
        ("lamp", ""),
        ("lamp/brightness", "215"),
    ],
)
def test_what_no_device_says(topic: str, payload: str, source: Any, read: Any) -> None:
    assert read(source, f"zigbee2mqtt/{topic}", payload) == []


def test_what_is_no_json(source: Any, read: Any) -> None:
    with pytest.raises(ForeignError, match="not-json"):
        read(source, "zigbee2mqtt/lamp", "{")
