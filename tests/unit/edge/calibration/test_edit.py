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


def edit(text, wanted, drawn_on=None, gone=frozenset()):
    return edited(text, "cam-1.yaml", wanted, drawn_on, gone)


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


def test_what_is_gone_is_deleted_and_what_is_only_not_wanted_stays():
    after = edit(CONFIG, {"lines": [THIRD]}, gone={("lines", "road"), ("zones", "side")})
    head, _, tail = CONFIG.partition("  - id: road")
    side = "  - {id: side, a: [0.10, 0.2], b: [0.3, 0.4]}  # the lane\n"
    third = '  - id: "12"\n    a: [0, 0.2]\n    b: [1, 0.4]\n'
    assert after.text == head + side + third + tail.partition(side)[2]
    assert after.loses_comments
    assert edit(after.text, {"lines": [THIRD]}, gone={("lines", "road")}).text == after.text


@pytest.mark.parametrize("key", ["lines", "zones", "masks"])
def test_a_list_of_which_all_is_gone_is_empty_and_one_that_is_not_there_stays_away(key):
    gone = {(key, ""), *((key, shape["id"]) for shape in (ROAD, SIDE, THIRD, ZONE))}
    camera = parse_yaml(edit(AFTER, {key: []}, gone=gone).text, "").table["camera"]
    assert camera == parse_yaml(AFTER, "").table["camera"] | {key: []}
    text = "device: a/b\ncamera:\n  source: a\n  masks:\n"
    assert edit(text, {key: []}, gone=gone) == (text, False)


@pytest.mark.parametrize(
    "lines",
    [
        "[{id: a, a: [0, 0], b: [1, 1]}, {id: b, a: [0, 0], b: [1, 1]},\n    {id: c}, {id: d}]",
        "\n  - {id: a, a: [0, 0], b: [1, 1]}\n  -\n    id: b\n  - id: c\n\n  -   id: d\n",
        "\n    -\n      # l - r\n      id: a\n    - id: b\n    - id: c\n    # d\n    - id: d",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_any_of_them_may_go_however_it_is_written(lines, newline):
    text = f"device: a/b\ncamera:\n  lines: {lines}\n  source: a\n".replace("\n", newline)
    own = parse_yaml(text, "").table["camera"]
    for number in range(16):
        gone = {("lines", id_) for bit, id_ in enumerate("abcd") if number >> bit & 1}
        kept = [line for line in own["lines"] if ("lines", line["id"]) not in gone]
        added = [THIRD] if number % 3 else []
        after = edit(text, {"lines": added}, gone=gone).text
        assert parse_yaml(after, "").table["camera"] == own | {"lines": kept + added}
        assert after.count("\r\n") == after.count("\n") * (newline == "\r\n")


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
