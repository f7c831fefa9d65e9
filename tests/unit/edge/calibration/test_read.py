import numpy as np
import pytest

from edge.calibration.read import CalibrationError, read_marks

SIZE = (640, 360)


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_toml_and_a_czech_spreadsheet_say_the_same(tmp_path):
    files = [
        write(tmp_path, "a.csv", "u,v,x,y\n10.5,20,1.5,-2\n30,40,5,6\n"),
        write(tmp_path, "b.csv", "\ufeffnote;u;v;x;y\nkerb;10,5;20;1,5;-2\n;30;40;5;6\n"),
        write(
            tmp_path, "c.toml",
            "pairs = [{ u = 10.5, v = 20, x = 1.5, y = -2 }, { u = 30, v = 40, x = 5, y = 6 }]",
        ),
    ]  # fmt: skip
    for file in files:
        pairs = read_marks(file).pairs(SIZE, "stream", None)
        assert pairs.image.tolist() == [[10.5, 20], [30, 40]]
        assert pairs.ground.tolist() == [[1.5, -2], [5, 6]]


def test_degrees_need_an_origin(tmp_path):
    marks = read_marks(write(tmp_path, "a.csv", "u,v,lon,lat\n1,2,14.03,50.66\n3,4,14.03,50.661\n"))
    with pytest.raises(CalibrationError, match="--origin"):
        marks.pairs(SIZE, "stream", None)
    ground = marks.pairs(SIZE, "stream", (14.03, 50.66)).ground
    assert np.allclose(ground, [[0, 0], [0, 111.24]], atol=0.01)


def test_pixels_are_not_taken_for_shares(tmp_path):
    marks = read_marks(write(tmp_path, "a.csv", "u,v,x,y\n0.5,0.25,1,2\n320,90,3,4\n"))
    with pytest.raises(CalibrationError, match=r"pair 2: .* 320, 90: .* shares of the picture"):
        marks.pairs(SIZE, None, None)
    assert marks.pairs(SIZE, (1280, 720), None).image.tolist() == [[0.25, 0.125], [160, 45]]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "1,2,3,4\n", "no header"),
        ("a.csv", "", "no header"),
        ("a.csv", "u,v,x,y\n", "0 pairs"),
        ("a.csv", "u,v,x,y\n1,2,3,four\n", "line 2: y is 'four'"),
        ("a.csv", "u,v,x,y\n1,2,3\n", "line 2: y is None"),
        ("a.csv", "u,v,x,y\n1,2,nan,4\n", "line 2: x is 'nan'"),
        ("a.csv", "u,v,x,y\n" + "1,2,3,4\n" * 201, "201 pairs"),
        ("a.toml", "pairs = 3", "has no pairs"),
        ("a.toml", "pairs = [", "no TOML"),
        ("a.toml", "pairs = [{u=1,v=2,x=3,y=4},{u=1,v=2,lon=3,lat=4}]", "all the same way"),
        ("none/a.csv", None, "cannot be read"),
    ],
)
def test_what_cannot_be_used_says_where_and_why(tmp_path, name, text, said):
    path = tmp_path / name if text is None else write(tmp_path, name, text)
    with pytest.raises(CalibrationError, match=said):
        read_marks(path)
