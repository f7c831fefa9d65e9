import configparser
from pathlib import Path

import pytest

from edge.config import read_config
from edge.service.unit import unit


def made(folder: Path, more: str = "") -> dict[str, list[str]]:
    """Keys of the unit, each with its values."""
    file = folder / "b ox.toml"
    file.write_text(f'device = "town/box"\n[uplink]\nurl = "mqtt://broker"\n{more}')
    keys: dict[str, list[str]] = {}
    for line in unit(read_config(file, environment={}), file, "tepna").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            keys.setdefault(key, []).append(value)
    return keys


def test_the_agent_writes_to_its_outbox_only_and_opens_no_device(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert found["ReadWritePaths"] == [str(tmp_path)]
    assert found["PrivateDevices"] == ["yes"]
    assert found["ExecStart"][0].endswith(f'-m tepna edge run "{tmp_path}/b ox.toml"')
    assert found["Type"] == ["notify"]
    assert "DeviceAllow" not in found


CAMERA = '[camera]\nsource = "usb:0"\n'
GNSS = '[[sensors]]\nkind = "nmea"\nport = "/dev/ttyACM0"\nbaud = 9600\n'
RAIN = """
[[sensors]]
kind = "gpio"
chip = "/dev/gpiochip0"
line = 4
metric = "rain.tip"
unit = "mm"
"""


@pytest.mark.parametrize(
    ("more", "device", "group"),
    [
        (CAMERA, "char-video4linux rw", "video"),
        (GNSS, "char-ttyACM rw", "dialout"),
        (RAIN, "char-gpiochip rw", "gpio"),
    ],
)
def test_what_is_plugged_in_may_be_opened(
    tmp_path: Path, more: str, device: str, group: str
) -> None:
    found = made(tmp_path, more)
    assert device in found["DeviceAllow"]
    assert found["SupplementaryGroups"] == [group]
    assert found["PrivateDevices"] == ["no"]


def test_it_is_a_unit_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('device = "town/box"\n[uplink]\nurl = "mqtt://broker"\n')
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(unit(read_config(file, environment={}), file, "tepna"))
    assert parser.sections() == ["Unit", "Service", "Install"]
