"""Each head, recognised and read: by graphs of its form, and YOLOX by the real thing."""

import numpy as np
import onnx
import pytest

from contracts.classes import RoadUser
from edge.errors import DetectorError
from edge.models.heads import HEADS
from edge.vision.detector import Detector

NAMES = [head.name for head in HEADS]


def picture(left, top, right, bottom, width=192, height=108):
    image = np.full((height, width, 3), 90, np.uint8)
    image[top:bottom, left:right] = (0, 0, 255)
    return image


def assert_finds(detector, box=(60, 30, 120, 70), **size):
    seen = detector(picture(*box, **size))
    assert seen.kind.tolist() == [RoadUser.CAR]
    assert seen.score == pytest.approx([0.75], abs=0.02)
    assert np.abs(seen.boxes - box).max() <= 4.0  # twice the size of the network's picture


@pytest.mark.parametrize("name", NAMES)
def test_each_head_is_recognised_and_read(make_model, name):
    detector = Detector(make_model(name))
    assert detector.head.name == name
    assert_finds(detector)
    assert_finds(detector, (10, 100, 40, 180), width=120, height=200)
    assert len(detector(np.full((108, 192, 3), 90, np.uint8)).score) == 0


@pytest.mark.parametrize(
    ("name", "dtype"), [("YOLOX", "float16"), (NAMES[4], "float16"), (NAMES[4], "uint8")]
)
def test_pictures_of_other_numbers(make_model, name, dtype):
    detector = Detector(make_model(name, dtype=dtype))
    assert detector.signature.picture.dtype == dtype
    assert_finds(detector)


def test_sizes_that_the_file_leaves_open(make_model):
    noted = {"imgsz": "[64, 96]", "stride": "32", "task": "detect"}
    shape = ("batch", 3, "height", "width")
    detector = Detector(make_model("YOLOv8, v9, v11, v12", shape=shape, metadata=noted))
    assert (detector.signature.width, detector.signature.height) == (96, 64)
    assert_finds(detector)


def test_names_of_the_file_say_what_a_class_is(make_model):
    names = {n: f"thing {n}" for n in range(80)} | {2: "Delivery Van", 3: "van", 7: "e-scooter"}
    detector = Detector(make_model("YOLOv5, v7", metadata={"names": str(names)}))
    assert detector.classes.used == {3: RoadUser.VAN, 7: RoadUser.SCOOTER}
    assert len(detector.classes.unused) == 78
    assert len(detector(picture(60, 30, 120, 70)).score) == 0


def test_where_the_answer_does_not_tell_the_classes_they_are_assumed(make_model):
    assert Detector(make_model("RT-DETR, D-FINE (labels, boxes, scores)")).classes.assumed
    assert not Detector(make_model("YOLOX")).classes.assumed


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"metadata": {"task": "segment"}}, "made to segment, not to detect"),
        ({"metadata": {"names": "['dog', 'cat']"}}, "none of its classes is a road user: dog, cat"),
        ({"metadata": {"names": str(dict.fromkeys(range(99), "car"))}}, "80 classes, and 99 names"),
    ],
)
def test_what_its_file_says_against_it(make_model, options, why):
    with pytest.raises(DetectorError, match=why) as fault:
        Detector(make_model("YOLOv8, v9, v11, v12", **options))
    assert "red.onnx" in str(fault.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("float[1,64,96,3] x) => (float[1,64,96,3] y", "channels come last; .*NCHW"),
        ("float[8,3,64,96] x) => (float[8,3,64,96] y", "batch of 1"),
        ("float[1,1,64,96] x) => (float[1,1,64,96] y", "three channels"),
        ("double[1,3,64,96] x) => (double[1,3,64,96] y", "float32, float16, uint8 is wanted"),
        ("float[10] x) => (float[10] y", "one picture is wanted"),
        ("float[1,3,64,96] x) => (float[1,3,64,96] y", "outputs y float32 3x64x96: none of the he"),
    ],
)
def test_what_is_no_detector_is_refused_with_what_was_found(tmp_path, text, why):
    path = tmp_path / "other.onnx"
    model = f'<ir_version: 8, opset_import: ["": 17]> other ({text}) {{ y = Identity(x) }}'
    onnx.save(onnx.parser.parse_model(model), path)
    with pytest.raises(DetectorError, match=why):
        Detector(path)


def test_classes_that_nobody_names_are_refused(tmp_path):
    path = tmp_path / "own.onnx"
    model = """<ir_version: 8, opset_import: ["": 17]>
    own (float[1,3,64,96] x) => (float[1,11,126] y) {
        shape = Constant<value_ints=[1, 11, 126]>() y = ConstantOfShape(shape)
    }"""
    onnx.save(onnx.parser.parse_model(model), path)
    with pytest.raises(DetectorError, match=r"v8.* with 7 classes, .* metadata as \"names\""):
        Detector(path)


def test_numbers_that_are_none_are_a_fault(tmp_path):
    path = tmp_path / "nan.onnx"
    model = """<ir_version: 8, opset_import: ["": 17]>
    nan (float[1,3,64,96] x) => (float[1,84,126] y) {
        shape = Constant<value_ints=[1, 84, 126]>() zero = ConstantOfShape(shape)
        y = Div(zero, zero)
    }"""
    onnx.save(onnx.parser.parse_model(model), path)
    detector = Detector(path)
    with pytest.raises(DetectorError, match="no number"):
        detector(picture(0, 0, 9, 9))


def test_the_real_one_decoded_in_its_own_graph_finds_the_same(shared_data, tmp_path):
    whole = onnx.load(shared_data / "models" / "yolox_nano_coco.onnx")
    grids = []
    for side in (8, 16, 32):
        y, x = np.mgrid[: 416 // side, : 416 // side]
        grids.append(np.column_stack((x.ravel(), y.ravel(), np.full(x.size, side))))
    grid = np.concatenate(grids).astype(np.float32)[None]
    text = """<ir_version: 8, opset_import: ["": 11]>
    d (float[1,3549,85] raw) => (float[1,3549,85] decoded) {
        xy, wh, rest = Split<axis=2, split=[2, 2, 81]>(raw)
        moved = Add(xy, cell) middle = Mul(moved, side)
        grown = Exp(wh) size = Mul(grown, side)
        decoded = Concat<axis=2>(middle, size, rest)
    }"""
    tail = onnx.parser.parse_model(text)
    for name, array in (("cell", grid[..., :2]), ("side", grid[..., 2:])):
        tail.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    whole.ir_version = 8
    joined = onnx.compose.merge_models(whole, tail, io_map=[("output", "raw")])
    onnx.save(joined, tmp_path / "decoded.onnx")
    raw = Detector(shared_data / "models" / "yolox_nano_coco.onnx")
    decoded = Detector(tmp_path / "decoded.onnx")
    assert (raw.head.name, decoded.head.name) == ("YOLOX", "YOLOX, decoded")
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (576, 768, 3), np.uint8)
    one, other = raw(image), decoded(image)
    assert np.allclose(one.boxes, other.boxes, atol=0.01)
    assert one.kind.tolist() == other.kind.tolist()
