"""The detector beside motion: at its own rate, and done without where it fails."""

import numpy as np
import onnx
import pytest

from edge.errors import DetectorError
from edge.vision.frames import Frame
from edge.vision.naming import RETRY, Naming
from edge.vision.pipeline import Pipeline
from edge.vision.settings import VisionSettings

# Finds nothing, and fails in the middle of a run where a picture has a white pixel in it: the
# brightest one, times 1.01, is then an index beyond the end of a list of one.
DAZZLED = """<ir_version: 8, opset_import: ["": 17]>
dazzled (float[1,3,64,96] images) => (float[1,84,126] output) {
    shape = Constant<value_ints=[1, 84, 126]>() nothing = ConstantOfShape(shape)
    brightest = ReduceMax<keepdims=0>(images)
    more = Constant<value_float=1.01>() grown = Mul(brightest, more)
    whole = Floor(grown) index = Cast<to=7>(whole)
    list = Constant<value_floats=[0.0]>() item = Gather(list, index)
    output = Add(nothing, item)
}"""
DARK = np.full((64, 96, 3), 60, np.uint8)
WHITE = np.full((64, 96, 3), 255, np.uint8)


@pytest.fixture
def dazzled(tmp_path):
    path = tmp_path / "dazzled.onnx"
    onnx.save(onnx.parser.parse_model(DAZZLED), path)
    return path


def settings(path, **options):
    return VisionSettings(detector=path, detector_every=1, **options)


def test_a_failure_in_mid_run_is_told_and_lived_with(dazzled):
    naming = Naming(settings(dazzled), must=False)
    assert naming.step(Frame(DARK, 0, 0)) is not None
    assert naming.spent is not None
    well = naming.state
    assert (well.head, well.fault) == ("YOLOv8, v9, v11, v12", "")
    assert naming.step(Frame(WHITE, 100_000, 1)) is None
    assert naming.spent is None
    assert "the model failed" in naming.state.fault
    assert naming.rate == 0
    assert naming.step(Frame(DARK, 200_000, 2)) is None


def test_it_is_tried_again_and_counts_as_well_once_it_answers(dazzled):
    naming = Naming(settings(dazzled), must=False)
    naming.step(Frame(WHITE, 0, 0))
    assert naming.step(Frame(DARK, RETRY - 1, 1)) is None  # the wait begins with the next frame
    assert naming.step(Frame(WHITE, 2 * RETRY, 2)) is None
    assert "the model failed" in naming.state.fault
    naming.step(Frame(DARK, 2 * RETRY + 1, 3))
    assert naming.step(Frame(DARK, 3 * RETRY + 1, 4)) is not None
    assert naming.state.fault == ""


def test_a_file_that_comes_later_is_taken(tmp_path):
    path = tmp_path / "late.onnx"
    naming = Naming(settings(path), must=False)
    assert naming.step(Frame(DARK, 0, 0)) is None
    assert "No such file" in naming.state.fault
    onnx.save(onnx.parser.parse_model(DAZZLED), path)
    assert naming.step(Frame(DARK, RETRY, 1)) is not None
    assert naming.state.fault == ""


def test_where_it_must_be_there_a_failure_is_raised(dazzled, tmp_path):
    naming = Naming(settings(dazzled))
    with pytest.raises(DetectorError, match="the model failed"):
        naming.step(Frame(WHITE, 0, 0))
    with pytest.raises(DetectorError, match="No such file"):
        Naming(settings(tmp_path / "none.onnx"))


def test_without_a_detector_there_is_nothing_to_tell():
    naming = Naming(VisionSettings())
    assert naming.step(Frame(DARK, 0, 0)) is None
    assert naming.state is None


def drive(pipeline):
    """Ways in which a bright box crosses the middle, while a detector is dazzled by it."""
    rng = np.random.default_rng(1)
    road = rng.integers(90, 130, (360, 640, 1)).repeat(3, 2).astype(float)
    ways = []
    for number in range(65):
        picture = road + rng.normal(0, 3, road.shape)
        if number >= 30:
            left = 40 + 16 * (number - 30)
            picture[150:186, left : left + 90] = 255
        frame = Frame(picture.clip(0, 255).astype(np.uint8), number * 100_000, number)
        ways += [crossing.direction for crossing in pipeline.step(frame).crossings]
    return ways


def test_motion_goes_on_counting_without_the_detector(dazzled):
    line = {"id": "gate", "a": (320, 360), "b": (320, 0)}
    alone = Pipeline(VisionSettings(lines=[line]))
    left_alone = Pipeline(settings(dazzled, lines=[line]), must_name=False)
    assert drive(alone) == drive(left_alone) == ["in"]
    assert "the model failed" in left_alone.naming.state.fault
