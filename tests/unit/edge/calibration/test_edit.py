import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibration.edit import edited
from edge.calibration.read import CalibrationError
from edge.configuration.document import parse_yaml

CONFIG = """\
# yaml-language-server: $schema=agent-1.json
device:   "usti-belehradska/cam-1"  # who

uplink:
    url: mqtt://broker
camera:
  source: 'street.avi'   # the kerb camera
  # Points of the picture and the ground.
  calibration: []  # none yet
  # Where nothing may be seen.
  lines:
  - id: road
    a: [0.1, 0.5]  # left
    b:
      - 0.9
      - 0.5
    enters: in
  - {id: side, a: [0.10, 0.2], b: [0.3, 0.4]}  # the lane

# What else there is.
sensors:
- source: tcp://127.0.0.1:5503
"""
ROWS = [[0.1, 0.2, 3.0, 4.0], [0.5, 0.6, -7.25, 8.0]]
ROAD = {"id": "road", "a": [0.125, 0.5], "b": [0.9, 0.5]}
SIDE = {"id": "side", "a": [0.1, 0.2], "b": [0.35, 0.4]}
THIRD = {"id": "12", "a": [0.0, 0.2], "b": [1.0, 0.4]}
ZONE = {"id": "no", "corners": [[0.0, 0.0], [0.9, 0.0], [0.9, 0.9]]}
MASK = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]
WANTED = {
    "calibration": ROWS, "lens": {"k1": -0.2}, "lines": [ROAD, SIDE, THIRD], "zones": [ZONE],
    "masks": [MASK],
}  # fmt: skip
AFTER = """\
# yaml-language-server: $schema=agent-1.json
device:   "usti-belehradska/cam-1"  # who

uplink:
    url: mqtt://broker
camera:
  source: 'street.avi'   # the kerb camera
  # Points of the picture and the ground.
  calibration:  # none yet
    - [0.1, 0.2, 3, 4]
    - [0.5, 0.6, -7.25, 8]
  # Where nothing may be seen.
  lines:
  - id: road
    a: [0.125, 0.5]  # left
    b:
      - 0.9
      - 0.5
    enters: in
  - {id: side, a: [0.10, 0.2], b: [0.35, 0.4]}  # the lane
  - id: "12"
    a: [0, 0.2]
    b: [1, 0.4]
  lens: {k1: -0.2}
  zones:
    - id: "no"
      corners: [[0, 0], [0.9, 0], [0.9, 0.9]]
  masks:
    - [[0, 0], [0.5, 0], [0.5, 0.5]]

# What else there is.
sensors:
- source: tcp://127.0.0.1:5503
"""


def edit(text, wanted, drawn_on=None):
    return edited(text, "cam-1.yaml", wanted, drawn_on)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_all_else_stays_as_it_was(newline):
    text, meant = CONFIG.replace("\n", newline), AFTER.replace("\n", newline)
    assert edit(text, WANTED) == (meant, False)
    assert edit(meant, WANTED) == (meant, False)


@pytest.mark.parametrize(
    "camera",
    [
        "source: a\n  calibration:",
        "source: a\n  calibration:\n  # - [0.1, 0.2, 3, 4]",
        "source: a",
        "source: a\n  lines: []\n  zones: [{id: x, corners: [[0, 0], [1, 0], [1, 1]],},]",
        "calibration: [[1, 2, 3, 4],\n    [5, 6, 7, 8]]\n  masks: [[[0, 0], [1, 1]]]\n  source: a",
        "source: a\n  calibration: null",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "\n", "\n# the end\n", "\nsensors:\n"])
def test_however_it_is_written(camera, end):
    text = f"device: a/b\ncamera:\n  {camera}{end}"
    after = edit(text, WANTED)
    assert not after.loses_comments
    found = parse_yaml(after.text, "").table["camera"]
    assert found["source"] == "a"
    for key in ("calibration", "lens", "lines", "masks"):
        assert found[key] == WANTED[key]
    assert found["zones"][-1] == ZONE
    assert yaml.safe_load(after.text)["camera"] == found
    assert edit(after.text, WANTED) == (after.text, False)


def test_comments_of_what_is_replaced_are_missed():
    noted = CONFIG.replace("[]  # none yet", "\n    - [1, 2, 3, 4]  # kerb")
    assert edit(noted, {"calibration": ROWS}).loses_comments
    assert not edit(noted, {"lines": [ROAD]}).loses_comments
    assert not edit(noted, {"calibration": [[1, 2, 3, 4]]}).loses_comments


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("device: a/b\n", "no table camera"),
        ("camera: {source: a}\n", "cannot be edited"),
        ("camera:\n  source: a\n  lines: [1]\n", "cannot be edited"),
        ("camera:\n  source: a\n  drawn_on: [640, 360]\n", "drawn_on"),
        ("camera: *x\n", "cam-1.yaml:1"),
    ],
)
def test_what_cannot_be_edited_says_so(text, said):
    with pytest.raises(CalibrationError, match=said):
        edit(text, WANTED)


SHARE = st.integers(-50_000, 150_000).map(lambda n: n / 1e5)
POINT = st.tuples(SHARE, SHARE).map(list)
SHAPE = st.text("abeinost0123456789-", min_size=1, max_size=6)


@settings(max_examples=50)
@given(
    st.lists(st.lists(SHARE, min_size=4, max_size=4), min_size=1, max_size=4),
    st.dictionaries(SHAPE, st.tuples(POINT, POINT), min_size=1, max_size=4),
)
def test_what_is_written_is_what_is_read(rows, shapes):
    lines = [{"id": name, "a": a, "b": b} for name, (a, b) in shapes.items()]
    after = edit(CONFIG, {"calibration": rows, "lines": lines}).text
    camera = parse_yaml(after, "").table["camera"]
    assert camera["calibration"] == rows
    own = {line["id"]: line for line in camera["lines"]}
    assert [own[line["id"]] | line for line in lines] == [own[line["id"]] for line in lines]
    assert yaml.safe_load(after)["camera"] == camera
