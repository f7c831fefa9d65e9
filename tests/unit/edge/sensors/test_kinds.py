import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.errors import SettingsError
from edge.batches import Scalar
from edge.config import read_config
from edge.sensors.kinds import kinds, read_sensor
from edge.sensors.run import SensorRun

LEAST = "device: usti-belehradska/box\nuplink:\n  url: mqtt://broker\n"
GAUGE = """
from edge.sensors.plugin import Polled, Reading

class Gauge(Polled):
    height_m: float

    @property
    def place(self):
        return "gauge"

    def units(self):
        return {"river.level": "m"}

    def read(self, watch):
        yield None
        yield [Reading(watch.clock(), "river.level", self.height_m, "m"),
               Reading(watch.clock(), "river.level", float("nan"), "m"),
               Reading(watch.clock(), "air.temperature", 300.0, "K")]
        raise KeyError("a mistake of the plugin's")

no_sensor = 1
"""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install another author's package."""
    folder = tmp_path / "site"
    info = folder / "river_gauge-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "river_gauge.py").write_text(GAUGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: river-gauge\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tepna.sensors]\ngauge = river_gauge:Gauge\nnone = river_gauge:no_sensor\n"
        "broken = river_gauge:Absent\nnmea = river_gauge:Gauge\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "river_gauge", raising=False)


def test_ours_are_found() -> None:
    assert set(kinds()) >= {"lines", "nmea", "modbus", "mavlink", "gpio", "http", "mmcli", "at"}


@pytest.mark.usefixtures("foreign")
def test_another_package_adds_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    found: list[Scalar] = []
    sensor = read_sensor({"kind": "gauge", "height_m": 2.5})

    def sink(samples: list[Scalar]) -> None:
        found.extend(samples)
        run.stop()

    run = SensorRun(sensor, sink, lambda: 7)  # type: ignore[arg-type]
    run.run(until_done=False)
    assert found == [Scalar(7, "river.level", 2.5)]
    assert run.bad == 3, "no number, another unit, and what the plugin stumbled over"
    assert "river.level is nan" in caplog.text


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("'none'", r"sensors\.0\.kind is 'none': .*river_gauge:no_sensor is no .*Sensor; repair"),
        ("'broken'", r"river_gauge:Absent cannot be loaded .*install what it needs"),
        ("'nmea'", r"several packages bring it \(.*river-gauge.*\); uninstall all but one"),
        ("'sonar'", "no such kind is installed; known are at, broken, gauge, gpio, http, lines"),
        ("5", "sensors.0.kind is 5: no such kind"),
        ("'gauge'", "sensors.0.height_m is not set: write it into the file$"),
    ],
)
def test_what_is_wrong_is_said_with_key_value_and_fix(kind: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "box.yaml"
    path.write_text(f"{LEAST}sensors:\n  - kind: {kind}\n")
    with pytest.raises(SettingsError, match=said):
        read_config(path, (), {})


def test_what_is_no_table() -> None:
    with pytest.raises(ValueError, match="not a table; write its keys below"):
        read_sensor("tcp://127.0.0.1:1")
    with pytest.raises(ValidationError, match="no such kind"):
        read_sensor({"kind": ""})
