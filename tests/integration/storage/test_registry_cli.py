"""`tepna registry`: devices and metrics from the command line and from a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.site import Name, Site
from storage.pool import Connection, StorageSettings, connect
from storage.registry import (
    Device,
    find_devices,
    metric_numbers,
    metric_ranges,
    register_site,
)
from storage.registry_cli import app

Command = Callable[..., Result]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    name = Name(cs="Ulice", en="Street")
    plan = Site(
        id="street",
        pilot="usti",
        name=name,
        latitude=50,
        longitude=14,
        speed_limit_km_h=50,
        signal_device="lights",
    )
    with connect(StorageSettings(database_url=database_url)) as connection:
        register_site(connection, plan)
        yield connection


@pytest.fixture
def registry(connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    assert not connection.closed
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, arguments)


def device_of(connection: Connection, identity: str) -> Device | None:
    return find_devices(connection, [identity]).get(identity)


def test_device_is_registered_changed_retired_and_back(
    connection: Connection, registry: Command
) -> None:
    new = ("device", "usti/meter-1", "--site", "street", "--kind", "sensor", "--stream", "obs")
    assert registry(*new).exit_code == 0
    first = device_of(connection, "usti/meter-1")
    assert first is not None
    assert first.streams == {"obs"}
    assert "sensor" in registry("devices").output
    # What is not said stays; a device may be changed without saying where it stands.
    assert registry("device", "usti/meter-1", "--stream", "events").exit_code == 0
    assert device_of(connection, "usti/meter-1") == first._replace(streams=frozenset({"events"}))
    assert registry("device", "usti/meter-1", "--all-streams").exit_code == 0
    assert device_of(connection, "usti/meter-1") == first._replace(streams=None)
    assert "sensor" in registry("devices", "--site", "usti/street").output

    assert "retired" in registry("retire", "usti/meter-1").output
    assert device_of(connection, "usti/meter-1") is None
    assert "meter-1" not in registry("devices").output
    assert "meter-1" in registry("devices", "--retired").output
    assert registry("device", "usti/meter-1").exit_code == 0
    assert device_of(connection, "usti/meter-1") == first._replace(streams=None)


def test_a_plan_says_what_its_devices_are_and_brings_no_retired_one_back(
    connection: Connection, registry: Command
) -> None:
    assert "controller" in registry("devices").output
    registry("retire", "usti/lights")
    stored = connection.execute("SELECT plan FROM site").fetchall()[0][0]
    register_site(connection, Site.model_validate(stored))
    assert device_of(connection, "usti/lights") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("device", "usti/new"), "--site NAME"),
        (("device", "new", "--site", "street"), "PILOT/DEVICE"),
        (("device", "usti/New", "--site", "street"), "PILOT/DEVICE"),
        (("device", "usti/new", "--site", "nowhere"), "no site 'nowhere'"),
        (("device", "usti/lights", "--stream", "gossip"), "events, obs, signal, tracks"),
        (("device", "usti/lights", "--kind", "Big One"), "--kind: 'Big One'"),
        (("retire", "usti/nobody"), "not registered"),
        (("metric", "air.pm10", "--unit", "ug/cubic"), "'cubic' is no unit"),
        (("metric", "air.pm10", "--unit", "°C"), "write 'Cel'"),
        (("metric", "air.pm10", "--low", "nan"), "--low: nan"),
        (("metric", "air.pm10", "--low", "5", "--high", "1"), "low 5 is above high 1"),
        (("import", "/nowhere/at.toml"), "cannot be read"),
    ],
)
def test_what_cannot_be(registry: Command, arguments: tuple[str, ...], said: str) -> None:
    result = registry(*arguments)
    assert result.exit_code in {1, 2}
    assert said in result.output
    assert "Traceback" not in result.output


def test_metric_is_pending_until_it_is_explained(connection: Connection, registry: Command) -> None:
    number = metric_numbers(connection, ["air.no2", "modem.rsrp"])["air.no2"]
    assert "air.no2" in registry("metrics", "--pending").output
    assert "modem.rsrp" not in registry("metrics", "--pending").output
    assert "dB[mW]" in registry("metrics").output
    assert "pending" in registry("metric", "air.no2", "--high", "500").output
    assert "ug/m3" in registry("metric", "air.no2", "--unit", "ug/m3", "--low", "0").output
    assert "air.no2" not in registry("metrics", "--pending").output
    assert (number, 0.0, 500.0) in metric_ranges(connection)
    assert registry("metric", "air.no2", "--low", "600").exit_code == 1
    assert (number, 0.0, 500.0) in metric_ranges(connection)
    registry("metric", "air.no2", "--no-range", "--low", "-1")
    assert (number, -1.0, None) in metric_ranges(connection)
    # One that nobody has sent yet may be explained beforehand.
    registry("metric", "air.nox", "--unit", "ug/m3")
    assert "air.nox" in registry("metrics").output


FILE = """
[devices."usti/meter-1"]
site = "street"
kind = "sensor"
streams = ["obs"]

[metrics."air.pm10"]
unit = "ug/m3"
low = 0
"""


def test_file_is_taken_whole_or_not_at_all(
    connection: Connection, registry: Command, tmp_path: Path
) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(FILE)
    for _ in range(2):
        assert registry("import", str(file)).output == "1 devices, 1 metrics\n"
    assert [row[1:] for row in metric_ranges(connection)] == [(0.0, None)]
    assert device_of(connection, "usti/meter-1") is not None

    file.write_text(FILE.replace("meter-1", "meter-2") + '[devices."usti/x"]\nsite = "nowhere"\n')
    assert "no site 'nowhere'" in registry("import", str(file)).output
    assert device_of(connection, "usti/meter-2") is None


@pytest.mark.parametrize(
    ("was", "wrong", "said"),
    [
        ("ug/m3", "mcg", "metrics.air.pm10.unit is 'mcg': 'mcg': 'mcg' is no unit"),
        ('"ug/m3"', "3", "metrics.air.pm10.unit is 3: Input should be a valid string"),
        ("low = 0", "low = 3\nhigh = 1", "low 3 is above high 1; exchange them"),
        ("low = 0", "low = nan", "metrics.air.pm10.low is nan"),
        ("low", "lowest", "metrics.air.pm10.lowest is no key of it"),
        ("usti/meter-1", "meter", "devices.meter is 'meter': String should match"),
        ('["obs"]', '["gossip"]', "there is no stream 'gossip'; write one of events, obs"),
        ('site = "street"', "", "devices.usti/meter-1.site is missing; add it"),
        ("[metrics", "[metrics", ""),
        ("= 0", "=", "Invalid value"),
    ],
)
def test_a_wrong_file_is_told_where(
    registry: Command, tmp_path: Path, was: str, wrong: str, said: str
) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(FILE.replace(was, wrong))
    result = registry("import", str(file))
    assert result.exit_code == (2 if said else 0)
    assert said in result.output
