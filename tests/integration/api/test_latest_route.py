"""What it is now, what metrics there are, and how devices and their clocks are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from contracts.clock import from_micros, to_micros
from contracts.metrics import Quality
from storage.catalogue import explain_metric
from storage.clocks import LEAST_DELAY, Sending, keep_clocks, spans
from storage.latest import Latest, keep_latest
from storage.registry import find_devices, metric_numbers, register_device, retire_device

NOW = to_micros(datetime.now(UTC))
CAM = "/v1/devices/town/cam"


@pytest.fixture
def device(database: psycopg.Connection, site: int) -> int:
    assert site
    return find_devices(database, ["town/cam"])["town/cam"].device


def put(database: psycopg.Connection, device: int, metric: str, **given: Any) -> None:
    row = {"captured": NOW, "received": NOW, "value": 1.0, "quality": 0, "simulated": False} | given
    number = metric_numbers(database, [metric])[metric]
    columns = {name: np.array([x]) for name, x in (row | {"device": device}).items()}
    keep_latest(database, Latest(metric=np.array([number]), **columns))


async def get(api: Any, path: str, **params: Any) -> Any:
    async with api.client() as client:
        answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_newest_values(api: Any, database: Any, device: int) -> None:
    flag = int(Quality.IMPLAUSIBLE | Quality.RECEPTION)
    put(database, device, "modem.rsrp", value=12.0, quality=flag, received=NOW + 5)
    put(database, device, "what.is.this", value=7.5, quality=int(Quality.RECEPTION))
    put(database, device, "modem.sinr", simulated=True)
    first, second = (await get(api, CAM + "/latest"))["items"]
    assert (first["metric"], first["unit"], first["value"]) == ("modem.rsrp", "dB[mW]", 12.0)
    assert (first["flags"], first["usable"]) == (["implausible", "reception"], False)
    assert datetime.fromisoformat(first["captured"]) == from_micros(NOW)
    assert datetime.fromisoformat(first["received"]) == from_micros(NOW + 5)
    assert (second["metric"], second["pending"], second["unit"]) == ("what.is.this", True, None)
    assert (second["flags"], second["usable"]) == (["reception"], True)
    [simulated] = (await get(api, CAM + "/latest", simulated=True))["items"]
    assert simulated["metric"] == "modem.sinr"


async def test_pages_of_newest_values(api: Any, database: Any, device: int) -> None:
    names = [f"channel.{i}" for i in range(5)]
    for name in names:
        put(database, device, name)
    found, cursor = [], {}
    while True:
        page = await get(api, CAM + "/latest", limit=2, **cursor)
        found += [each["metric"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == names


async def test_a_device_without_values_is_not_an_unknown_one(api: Any, device: int) -> None:
    assert device
    assert (await get(api, CAM + "/latest"))["items"] == []
    async with api.client() as client:
        answer = await client.get("/v1/devices/town/nobody/latest")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:tepna:problem:unknown-device")


async def test_metric_types(api: Any, database: Any, device: int) -> None:
    put(database, device, "modem.rsrp")
    put(database, device, "air.no2")
    put(database, device, "what.is.this")
    explain_metric(database, "air.no2", {"unit": "ug/m3", "low": 0.0})
    found = {each["metric"]: each for each in (await get(api, "/v1/metric-types"))["items"]}
    assert list(found) == ["air.no2", "modem.rsrp", "what.is.this"]
    assert [each["pending"] for each in found.values()] == [False, False, True]
    air, modem = found["air.no2"], found["modem.rsrp"]
    assert (air["unit"], air["low"], air["high"], air["title_en"]) == ("ug/m3", 0.0, None, None)
    assert (modem["unit"], modem["low"], modem["high"]) == ("dB[mW]", -156.0, -31.0)
    assert modem["title_cs"] == "RSRP"
    [pending] = (await get(api, "/v1/metric-types", pending=True))["items"]
    assert pending["metric"] == "what.is.this"
    page = await get(api, "/v1/metric-types", limit=2)
    [rest] = (await get(api, "/v1/metric-types", limit=2, cursor=page["next"]))["items"]
    assert rest["metric"] == "what.is.this"


async def test_registered_and_retired(api: Any, database: Any, device: int) -> None:
    assert device
    pilot = {"pilot": "town", "site": "junction"}
    register_device(database, **pilot, name="meter", kind="sensor", streams=["obs"])
    retire_device(database, pilot="town", name="controller")
    cam, controller, meter = (await get(api, "/v1/devices"))["items"]
    assert (cam["kind"], cam["state"], cam["streams"]) == ("camera", "active", None)
    assert (meter["kind"], meter["streams"]) == ("sensor", ["obs"])
    assert (controller["kind"], controller["state"]) == ("controller", "retired")
    assert controller["retired_at"] is not None
    for state, names in (("active", ["town/cam", "town/meter"]), ("retired", ["town/controller"])):
        items = (await get(api, "/v1/devices", state=state))["items"]
        assert [each["device"] for each in items] == names


async def test_clock_of_a_device(api: Any, database: Any, device: int) -> None:
    assert (await get(api, CAM))["clock"] is None

    def send(ahead: float, *, simulated: bool = False, ago: float = 0.0) -> None:
        received = NOW - round(ago * 1e6)
        sending = Sending(device, simulated, received + round(ahead * 1e6), received)
        keep_clocks(database, spans([sending]))

    send(-90.0, simulated=True, ago=1500)
    send(-0.02, ago=1)
    clock = (await get(api, CAM))["clock"]
    assert clock["off"] is False
    assert abs(clock["offset_s"]) <= clock["error_s"] < 1
    send(3.0)
    clock = (await get(api, CAM))["clock"]
    assert clock["off"] is True
    assert clock["offset_s"] == pytest.approx(3 + LEAST_DELAY / 2)


async def test_held_samples_are_a_number(api: Any, database: Any, device: int) -> None:
    assert (await get(api, CAM))["unconfirmed_rows"] == 0
    at = from_micros(NOW) - timedelta(seconds=1)
    for rows in (3, 4):
        database.execute(
            "INSERT INTO unconfirmed (stored, received, sent, first, last, device, boot, seq,"
            " stream, simulated, rows, detail, payload) VALUES (%s, %s, %s, 12, 12, %s,"
            " gen_random_uuid(), 0, 'obs', false, %s, '', '')",
            [at, at, at, device, rows],
        )
    assert (await get(api, CAM))["unconfirmed_rows"] == 7
