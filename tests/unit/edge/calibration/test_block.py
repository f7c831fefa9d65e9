import tomllib

import pytest

from edge.calibration.block import Block, pasted, write
from edge.calibration.read import CalibrationError
from edge.configuration.document import parse_yaml

CONFIG = """\
device: usti-belehradska/cam-1
camera:
  source: street.avi  # the kerb camera
  calibration: []
"""
ROWS = [[0.1, 0.2, 3.0, 4.0], [0.5, 0.6, 7.0, 8.0]]
ROAD = {"id": "road", "a": [0.21, 0.15], "b": [0.24, 0.15]}
ZONE = {"id": "stop", "corners": [[0.0, 0.0], [0.9, 0.0], [0.9, 0.9]]}
MASK = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]
BLOCK = Block(ROWS, {"k1": -0.2}, [ROAD], [ZONE], [MASK])
ONLY = Block(ROWS, None, [], [], None)


def test_the_block_is_what_was_meant(tmp_path):
    meant = {
        "calibration": ROWS, "lens": {"k1": -0.2}, "lines": [ROAD], "zones": [ZONE],
        "masks": [MASK],
    }  # fmt: skip
    text = pasted(tmp_path / "cam-1.yaml", BLOCK)
    assert "    - [0.1, 0.2, 3, 4]\n" in text
    assert parse_yaml(text, "").table == {"camera": meant}
    assert tomllib.loads(pasted(tmp_path / "cam-1.toml", BLOCK)) == {"camera": meant}


def test_what_was_deleted_is_said_where_nothing_is_left(tmp_path):
    gone = {("lines", "road"), ("zones", "old"), ("masks", "")}
    block = ONLY._replace(zones=[ZONE])
    meant = {"calibration": ROWS, "lines": [], "zones": [ZONE], "masks": []}
    for read, path in ((tomllib.loads, "a.toml"), (lambda text: parse_yaml(text, "").table, "a")):
        assert read(pasted(tmp_path / path, block, gone)) == {"camera": meant}


def test_a_file_is_written_unless_comments_would_be_lost(tmp_path):
    path = tmp_path / "cam-1.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    assert "is written" in write(path, ONLY, None)
    assert parse_yaml(path.read_text(), "").table["camera"]["calibration"] == ROWS
    assert "# the kerb camera" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "says so already" in write(path, ONLY, None)
    noted = CONFIG.replace("calibration: []", "calibration:\n    - [1, 2, 3, 4]  # kerb")
    path.write_text(noted)
    said = write(path, ONLY, None)
    assert "comments would be lost" in said
    assert "-    - [1, 2, 3, 4]  # kerb" in said
    assert "+    - [0.5, 0.6, 7, 8]" in said
    assert path.read_text() == noted
    assert list(tmp_path.iterdir()) == [path]


def test_toml_is_not_written(tmp_path):
    with pytest.raises(CalibrationError, match="only YAML is written"):
        write(tmp_path / "cam-1.toml", BLOCK, "stream")
