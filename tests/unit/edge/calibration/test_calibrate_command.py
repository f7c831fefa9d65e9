import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edge.cli import app
from edge.configuration.document import read_document

PILOT = Path(__file__).parents[4] / "pilots" / "usti-belehradska"
ROWS = read_document(PILOT / "cam-1.yaml").table["camera"]["calibration"]
CONFIG = """\
device: usti-belehradska/cam-1
uplink: {url: mqtt://broker}
camera:
  source: none.avi
  calibration: []
  lines:
    - id: east-out
      a: [0.37666, 0.65169]  # the kerb
      b: [0.52831, 0.59506]
    - {id: far, a: [0.03125, 0.11111], b: [0.125, 0.05556]}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "cam-1.yaml"
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
    rows[2][0] += 0.1
    said = call(config, "--pairs", pairs(tmp_path, rows), "--size", "640x360", "--write")
    assert "12 pairs, 11 of them used" in said
    assert "pairs 3 do not agree" in said
    assert "line east-out: known to 0." in said
    assert "line far: not between the points" in said
    camera = read_document(config).table["camera"]
    assert camera["calibration"] == [row for n, row in enumerate(ROWS) if n != 2]
    assert config.read_text().partition("  lines:")[2] == CONFIG.partition("  lines:")[2]
    again = json.loads(call(config, "--size", "640x360", "--json"))
    assert [pair["used"] for pair in again["pairs"]] == [True] * 11
    assert max(pair["left_out_m"] for pair in again["pairs"]) < 0.1
    assert again["lens"] is None


def test_pixels_of_a_stated_picture(config, tmp_path):
    """On a picture of twice the size in each direction, in a camera's stream of 640x360."""
    config.write_text(CONFIG.replace("  lines:", "  drawn_on: [1280, 720]\n  lines:"))
    config.write_text(config.read_text().replace("0.", "1."))  # pixels near the corner
    rows = [[u * 1280, v * 720, x, y] for u, v, x, y in ROWS]
    call(config, "--pairs", pairs(tmp_path, rows), "--size", "640x360", "--write")
    found = read_document(config).table["camera"]["calibration"]
    assert np.allclose(found, rows, atol=0.0051)
    flag = "camera.drawn_on=[1280, 721]"
    said = call(config, "--size", "640x360", "--set", flag, "--write", code=2)
    assert "camera.drawn_on is not what" in said


def test_toml_is_printed_and_not_written(tmp_path):
    old = tmp_path / "cam-1.toml"
    old.write_text(
        'device = "a/b"\n[uplink]\nurl = "mqtt://broker"\n[camera]\nsource = "none.avi"\n'
    )
    rows = [[u * 640, v * 360, x, y] for u, v, x, y in ROWS]
    arguments = (old, "--pairs", pairs(tmp_path, rows), "--size", "640x360")
    assert "only YAML is written" in call(*arguments, "--write", code=2)
    block = tomllib.loads("[camera]" + call(*arguments).partition("[camera]")[2])
    assert np.allclose(block["camera"]["calibration"], rows, atol=0.0051)


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
    line = pairs(tmp_path, [(0.02 * n, 0.05 * n, n, n) for n in range(7)])
    assert "one line" in call(config, "--pairs", line, "--size", "640x360", code=2)
    config.write_text(CONFIG.partition("camera:")[0])
    assert "camera is not set" in call(config, code=2)
