import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import app

PILOT = Path(__file__).parents[4] / "pilots" / "usti-belehradska"
ROWS = tomllib.loads((PILOT / "cam-1.toml").read_text())["camera"]["calibration"]
CONFIG = """\
device = "usti-belehradska/cam-1"
[uplink]
url = "mqtt://broker"
[camera]
source = "none.avi"
calibration = []
[[camera.lines]]
id = "east-out"
a = [241.06, 234.61]
b = [338.12, 214.22]
[[camera.lines]]
id = "far"
a = [20, 40]
b = [80, 20]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "cam-1.toml"
    path.write_text(CONFIG)
    return path


def call(*arguments, code=0):
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def pairs(folder, rows):
    path = folder / "pairs.csv"
    path.write_text("u,v,x,y\n" + "\n".join(",".join(map(str, row)) for row in rows))
    return path


def test_a_wrong_pair_is_told_and_the_rest_written(config, tmp_path):
    rows = [list(row) for row in ROWS]
    rows[2][0] += 60
    said = call(config, "--pairs", pairs(tmp_path, rows), "--size", "640x360", "--write")
    assert "12 pairs, 11 of them used" in said
    assert "pairs 3 do not agree" in said
    assert "line east-out: known to 0." in said
    assert "line far: not between the points" in said
    camera = tomllib.loads(config.read_text())["camera"]
    assert camera["calibration"] == [row for n, row in enumerate(ROWS) if n != 2]
    assert [line["id"] for line in camera["lines"]] == ["east-out", "far"]
    again = json.loads(call(config, "--size", "640x360", "--json"))
    assert [pair["used"] for pair in again["pairs"]] == [True] * 11
    assert max(pair["left_out_m"] for pair in again["pairs"]) < 0.1
    assert again["lens"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "none.avi"),
        (("--size", "640x360"), "camera.calibration is empty"),
        (("--size", "640"), "not WIDTHxHEIGHT"),
        (("--size", "640x360", "--pairs", "none.csv"), "cannot be read"),
        (("--page", "--listen", "here"), "not HOST:PORT"),
        (("--page", "--picture", "none.png"), "no picture"),
        (("--page", "--picture", "none.png", "--site", "none.toml"), "none.toml: cannot be read"),
        (("--page", "--picture", "none.png", "--origin", "1,200"), "not LON,LAT"),
    ],
)
def test_what_cannot_be_used_ends_with_two(config, arguments, said):
    assert said in call(config, *arguments, code=2)


def test_pairs_on_a_line_and_a_box_without_a_camera(config, tmp_path):
    line = pairs(tmp_path, [(10 * n, 20 * n, n, n) for n in range(7)])
    assert "one line" in call(config, "--pairs", line, "--size", "640x360", code=2)
    config.write_text(CONFIG.partition("[camera]")[0])
    assert "camera is not set" in call(config, code=2)
