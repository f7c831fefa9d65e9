import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.classes import RoadUser
from edge.errors import TruthError
from edge.verify.truth import Annotations, Counted, kind_of, read_truth

LINE = {"id": "road", "a": [0, 0.5], "b": [1, 0.5]}
PASSAGE = {"line": "road", "direction": "in", "frame": 3}
TOTAL = {"line": "road", "direction": "in", "count": 3}
OWN = Path(__file__).parents[3] / "data"


@pytest.fixture
def write(tmp_path):
    def write(text, name="truth.json"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_toml_and_json_say_the_same(write):
    toml = write(
        """
        lines = [{ id = "road", a = [0.0, 0.5], b = [1.0, 0.5] }]
        [[passages]]
        line = "road"
        direction = "in"
        time_s = 1.5
        class = "truck"
        speed_km_h = 36
        """,
        "truth.toml",
    )
    passage = {"line": "road", "direction": "in", "time_s": 1.5, "class": "truck"}
    same = {"lines": [LINE], "passages": [{**passage, "speed_km_h": 36.0}]}
    found = read_truth(toml)
    assert found == read_truth(write(json.dumps(same)))
    assert isinstance(found, Counted)
    assert kind_of(found.passages[0].kind) == RoadUser.TRUCK


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lines": [LINE, LINE]}, r"lines: ids \['road'\] are used twice"),
        ({"lines": []}, r"lines is \[\]: .*at least 1"),
        ({"lines": [{**LINE, "a": [0, 1.5]}]}, r"lines\.0\.a\.1 is 1\.5: .*less than or equal"),
        ({"lines": [{**LINE, "b": LINE["a"]}]}, r"lines\.0: a and b are both"),
        ({"passages": [{**PASSAGE, "line": "x"}]}, r"passages\.0\.line is 'x': no such line"),
        ({"passages": [{**PASSAGE, "direction": "up"}]}, r"passages\.0\.direction is 'up'"),
        ({"passages": [PASSAGE, {**PASSAGE, "time_s": 1}]}, r"passages\.1: either frame or time_s"),
        ({"passages": [{**PASSAGE, "class": "ox"}]}, r"passages\.0\.class is 'ox'"),
        ({"passages": [{**PASSAGE, "speed": 3}]}, r"passages\.0\.speed is 3: no such key"),
        ({"passages": [PASSAGE], "totals": [TOTAL]}, r"totals\.0\.count is 3, but 1 passages"),
        ({"totals": [TOTAL, TOTAL]}, r"totals\.1: .*has a total already"),
        ({"totals": [{**TOTAL, "classes": {"car": 2}}]}, r"totals\.0: classes are 2 together"),
        ({"totals": [{**TOTAL, "count": -1}]}, r"totals\.0\.count is -1"),
        ({"lines": [{**LINE, "id": "Nábřeží"}]}, r"lines\.0\.id is 'Nábřeží': an id has"),
        ({}, r"nothing is said of the lines \['road'\]"),
    ],
)
def test_what_cannot_be_used_is_named(write, change, said):
    path = write(json.dumps({"lines": [LINE], **change}))
    with pytest.raises(TruthError, match=rf"truth\.json: {said}"):
        read_truth(path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "lines = []\na = x", r"a\.toml: no TOML: .*line 2"),
        ("a.toml", b"\xff", r"a\.toml: no text in UTF-8"),
        ("a.json", '{\n"lines": x}', r"a\.json:2: no JSON"),
        ("a.json", "[]", r"a\.json: the whole is \[\]"),
        ("a.json", "[" * 100_000, r"a\.json: cannot be used: maximum recursion"),
        ("a.json", '{"a": 1' + "0" * 5000 + "}", r"a\.json: cannot be used: .*digits"),
        ("a.json", '{"lines": [], "lines": []}', r"a\.json: cannot be used: 'lines' is .* twice"),
        ("a.docx", "", r"a\.docx: no kind of truth"),
        ("gt.txt", "", r"gt\.txt: has no boxes"),
        ("gt.txt", "1,1,5,5,10,20,1\n\n2,1,5,5\n", r"gt\.txt:3: .*4 columns, at least 7"),
        ("gt.txt", "1,1,5,5,10,x,1\n", r"gt\.txt:1: .*could not convert"),
        ("gt.txt", "1,1,5,5,10,nan,1\n", r"gt\.txt:1: .*not all are finite"),
        ("gt.txt", "0,1,5,5,10,20,1\n", r"gt\.txt:1: .*frame is a whole number from 1"),
        ("gt.txt", "1,1,5,5,0,20,1\n", r"gt\.txt:1: .*greater than 0"),
        ("gt.txt", "1,1,5,5,1,2,1\n1,1,6,5,1,2,1\n", r"gt\.txt:2: frame 1 has id 1 in line 1"),
    ],
)
def test_files_that_are_none_name_the_place(write, name, text, said):
    with pytest.raises(TruthError, match=said):
        read_truth(write(text, name))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TruthError, match=r"none\.toml: cannot be read \(No such file"):
        read_truth(tmp_path / "none.toml")


def test_boxes_of_mot15_and_mot16(write):
    """Ten columns or nine; frames and pixels begin with 1, and `conf` 0 is to be ignored."""
    path = write("2,7,11,21,10,20,1,-1,-1,-1\n1,7,1,1,10,20,1,1,0.5\n2,8,1,1,5,5,0,8,1\n", "gt.txt")
    found = read_truth(path)
    assert isinstance(found, Annotations)
    assert found.boxes.frame.tolist() == [1, 0]
    assert found.boxes.box.tolist() == [[10, 20, 20, 40], [0, 0, 10, 20]]
    assert found.ignored.id.tolist() == [8]
    assert found.last == (1, 1)
    assert found.kinds == {RoadUser.PEDESTRIAN}


def test_annotated_classes_of_mot16_are_judged(write):
    """Of those with `conf` 0 none; where a file has no classes they are pedestrians."""
    rows = "1,1,1,1,10,10,1,3,1\n1,2,1,1,10,10,1,4,1\n1,3,1,1,10,10,0,1,1\n"
    four_wheels = {RoadUser.CAR, RoadUser.VAN, RoadUser.TRUCK, RoadUser.BUS}
    assert read_truth(write(rows, "gt.txt")).kinds == four_wheels | {RoadUser.BICYCLE}
    assert read_truth(write("1,1,1,1,9,9,1,3,-1,-1\n", "gt.txt")).kinds == {RoadUser.PEDESTRIAN}


def test_a_byte_order_mark_is_no_part_of_a_truth(write):
    mark = b"\xef\xbb\xbf"
    total = json.dumps({"lines": [LINE], "totals": [TOTAL]}).encode()
    assert read_truth(write(mark + total)) == read_truth(write(total))
    assert len(read_truth(write(mark + b"1,1,1,1,10,10,1\r\n", "gt.txt")).boxes.id) == 1


rows = st.lists(
    st.tuples(
        st.integers(1, 99), st.integers(1, 9), *[st.integers(1, 500)] * 4, st.sampled_from([0, 1])
    ),
    min_size=1,
    unique_by=lambda row: row[:2],
)


@given(rows)
def test_boxes_come_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("mot") / "gt.txt"
    path.write_text("".join(",".join(map(str, row)) + ",-1,-1,-1\n" for row in rows))
    found = read_truth(path)
    back = [
        (frame + 1, who, left + 1, top + 1, right - left, bottom - top, conf)
        for boxes, conf in ((found.boxes, 1), (found.ignored, 0))
        for frame, who, (left, top, right, bottom) in zip(*(c.tolist() for c in boxes), strict=True)
    ]
    assert sorted(back) == sorted(rows)
    frame, line = found.last
    assert rows[line - 1][0] == frame + 1 == max(row[0] for row in rows)


@pytest.mark.parametrize("path", sorted(OWN.glob("*.toml")), ids=lambda path: path.stem)
def test_our_own_files_can_be_read(path):
    assert isinstance(read_truth(path), Counted)


def test_metres_are_read_where_there_are_some(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("1,1,2,3,4,5,1,-7.5,2.25,0\n1,2,9,9,4,5,0,8,8,0\n2,1,2,3,4,5,1,-1,-1,0\n")
    assert read_truth(path).place.tolist() == [[-7.5, 2.25], [-1, -1]]
    path.write_text("1,1,2,3,4,5,1,-1,-1,-1\n")
    assert read_truth(path).place is None
    path.write_text("1,1,2,3,4,5,1,1,0.5\n")  # MOT16: class and visibility
    assert read_truth(path).place is None
    path.write_text("1,1,2,3,4,5,1,nan,2,0\n")
    with pytest.raises(TruthError, match="x and y are not finite"):
        read_truth(path)
