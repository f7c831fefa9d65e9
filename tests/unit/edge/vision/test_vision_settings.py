import pytest
from pydantic import ValidationError

from edge.vision.settings import VisionSettings

LINE = {"id": "north", "a": [0, 10], "b": [20, 10]}


def test_defaults_need_nothing():
    settings = VisionSettings()
    assert settings.detector is None
    assert settings.lines == []


def test_a_line_is_read_from_lists():
    assert VisionSettings.model_validate({"lines": [LINE]}).lines[0].b == (20, 10)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lines": [{**LINE, "b": [0, 10]}]}, "give two different points"),
        ({"lines": [LINE, LINE]}, "north.*used twice"),
        ({"lines": [{**LINE, "id": "No way"}]}, "pattern"),
        ({"ground": [{"image": [0, 0], "ground": [0, 0]}]}, "at least four"),
        ({"detector_every": 0}, "no number of frames from 1 to 100"),
        ({"anchor": "nose"}, "'foot' or 'centre'"),
        ({"masks": [[[0, 0], [1, 1]]]}, "at least 3"),
        ({"modell": "x.onnx"}, "modell"),
    ],
)
def test_mistakes_are_named(wrong, said):
    with pytest.raises(ValidationError, match=f"(?s){said}"):
        VisionSettings.model_validate(wrong)
