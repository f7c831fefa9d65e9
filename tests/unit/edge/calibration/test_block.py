import tomllib

import pytest

from edge.calibration.block import Block, edited, toml, write
from edge.calibration.read import CalibrationError

CONFIG = """\
device = "usti-belehradska/cam-1"  # who

[uplink]
url = "mqtt://broker"

[camera]
source = "street.avi"   # the kerb camera
calibration = []

[[camera.lines]]
id = "road"
a = [20, 150]  # left
b = [240, 150]
enters = "in"

[[sensors]]
source = "tcp://127.0.0.1:5503"
"""
ROWS = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
ROAD = {"id": "road", "a": [21.0, 150.0], "b": [240.0, 150.0]}
SIDE = {"id": "side", "a": [1.0, 2.0], "b": [3.0, 4.0]}
ZONE = {"id": "stop", "corners": [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]]}
MASK = [[0.0, 0.0], [5.0, 0.0], [5.0, 5.0]]
BLOCK = Block(ROWS, {"k1": -0.2}, [ROAD, SIDE], [ZONE], [MASK])


def test_the_block_is_what_was_meant():
    camera = tomllib.loads(toml(BLOCK))["camera"]
    assert camera == {
        "calibration": ROWS,
        "lens": {"k1": -0.2},
        "lines": [ROAD, SIDE],
        "zones": [ZONE],
        "masks": [MASK],
    }


def test_all_else_stays_as_it_was():
    after = edited(CONFIG, BLOCK)
    table, before = tomllib.loads(after), tomllib.loads(CONFIG)
    assert table["camera"]["calibration"] == ROWS
    assert table["camera"]["lines"] == [{"enters": "in"} | ROAD, SIDE]
    assert table["camera"]["zones"] == [ZONE]
    assert {**table, "camera": None} == {**before, "camera": None}
    for comment in ("# who", "# the kerb camera"):
        assert comment in after
    assert edited(after, BLOCK) == after


def test_what_is_not_drawn_is_not_touched():
    only = Block(ROWS, None, [], [], None)
    assert edited(CONFIG, only) == CONFIG.replace(
        "calibration = []",
        "calibration = [\n    [1.0, 2.0, 3.0, 4.0],\n    [5.0, 6.0, 7.0, 8.0],\n]",
    )


def test_a_file_is_written_unless_comments_would_be_lost(tmp_path):
    path = tmp_path / "cam-1.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    only = Block(ROWS, None, [], [], None)
    assert "is written" in write(path, only)
    assert tomllib.loads(path.read_text())["camera"]["calibration"] == ROWS
    assert path.stat().st_mode & 0o777 == 0o600
    assert "says so already" in write(path, only)
    noted = CONFIG.replace("calibration = []", "calibration = [\n [1, 2, 3, 4], # kerb\n]")
    path.write_text(noted)
    said = write(path, only)
    assert "comments would be lost" in said
    assert "- [1, 2, 3, 4], # kerb" in said
    assert "+    [5.0, 6.0, 7.0, 8.0]," in said
    assert path.read_text() == noted
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_edited_says_so(tmp_path):
    with pytest.raises(CalibrationError, match="no table"):
        edited('device = "a/b"\n', BLOCK)
    with pytest.raises(CalibrationError, match="in one line"):
        edited('[camera]\nsource = "a"\nlines = [{ id = "x", a = [1, 2], b = [3, 4] }]\n', BLOCK)
    with pytest.raises(CalibrationError, match="only TOML"):
        write(tmp_path / "cam-1.yaml", BLOCK)
