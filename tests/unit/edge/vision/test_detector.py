import av
import numpy as np
import pytest

from contracts.classes import RoadUser
from edge.errors import DetectorError
from edge.vision.boxes import iou
from edge.vision.detections import Detections
from edge.vision.detector import Detector, settle, suppress


def found(*things):
    boxes, scores, kinds = zip(*things, strict=True)
    return Detections.of(np.array(boxes, float), np.array(scores), np.array(kinds, np.uint8))


def test_of_two_answers_about_one_thing_the_better_stays():
    boxes = np.array([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [50.0, 0, 60, 10]])
    kind = np.full(3, RoadUser.CAR, np.uint8)
    assert suppress(boxes, np.array([0.5, 0.9, 0.3]), kind).tolist() == [1, 2]


def test_a_rider_and_the_bicycle_are_one():
    seen = settle(found(
        ((40, 20, 60, 70), 0.8, RoadUser.PEDESTRIAN), ((30, 50, 75, 90), 0.6, RoadUser.BICYCLE)
    ))  # fmt: skip
    assert seen.kind.tolist() == [RoadUser.BICYCLE]
    assert seen.boxes.tolist() == [[30, 20, 75, 90]]


def test_the_driver_is_not_a_pedestrian_but_who_stands_before_the_car_is():
    seen = settle(found(
        ((0, 0, 100, 60), 0.8, RoadUser.CAR), ((40, 10, 60, 30), 0.5, RoadUser.PEDESTRIAN),
        ((80, 10, 110, 90), 0.5, RoadUser.PEDESTRIAN),
    ))  # fmt: skip
    assert seen.kind.tolist() == [RoadUser.CAR, RoadUser.PEDESTRIAN]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DetectorError, match=r"none\.onnx.*No such file"):
        Detector(tmp_path / "none.onnx")


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "wrong.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(DetectorError, match="not a model"):
        Detector(path)


def test_a_file_with_another_checksum_is_refused(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(
        DetectorError, match=r"^camera\.detector_sha256 is '0000.* has [0-9a-f]{64}; put"
    ):
        Detector(path, sha256="0" * 64)


def test_people_in_a_real_picture_are_found(shared_data):
    detector = Detector(shared_data / "models" / "yolox_nano_coco.onnx")
    with av.open(str(shared_data / "video" / "pets09_s2l1.avi")) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24")
    seen = detector(image)
    people = seen.boxes[(seen.kind == RoadUser.PEDESTRIAN) & (seen.score > 0.4)]
    truth = np.array([[499, 158, 530, 233], [258, 219, 291, 308], [633, 242, 675, 323]], float)
    assert (iou(truth, people).max(axis=1) > 0.5).all()
