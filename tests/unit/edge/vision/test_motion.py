import numpy as np
import pytest

from edge.vision.boxes import iou
from edge.vision.frames import Frame
from edge.vision.motion import Motion, blobs
from edge.vision.small import WORKING_WIDTH, small

NOBODY = np.zeros((0, 4))


class Camera:
    """A textured road under a noisy camera at 10 frames a second."""

    def __init__(self, width=640, height=360):
        self.rng = np.random.default_rng(1)
        self.road = self.rng.integers(90, 130, (height, width, 1)).repeat(3, 2).astype(float)
        scale = max(width / WORKING_WIDTH, 1)
        self.motion, self.number = Motion(round(width / scale), round(height / scale)), 0

    def look(self, *boxes, gain=1.0, standing=NOBODY):
        picture = self.road.copy()
        for left, top, right, bottom in boxes:
            picture[top:bottom, left:right] = (30, 40, 200)
        picture = gain * picture + self.rng.normal(0, 3, picture.shape)
        image = picture.clip(0, 255).astype(np.uint8)
        self.number += 1
        frame = Frame(image, self.number * 100_000, self.number)
        return self.motion.look(small(frame), frame.captured, standing)


def found(blobs):
    return blobs.boxes * blobs.scale


def test_an_empty_road_is_empty():
    camera = Camera()
    for _ in range(40):
        seen = camera.look()
    assert len(seen.boxes) == 0


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1280, 720)])
def test_what_moves_is_found_where_it_is(size):
    camera = Camera(*size)
    w, h = size
    for _ in range(30):
        camera.look()
    for i in range(10):
        x = w // 4 + i * w // 40
        box = (x, h // 3, x + w // 8, h // 3 + h // 6)
        seen = camera.look(box)
    assert len(seen.boxes) == 1
    assert iou(found(seen), np.array([box], float))[0, 0] > 0.85


def test_a_jump_of_exposure_is_no_motion():
    camera = Camera()
    for _ in range(30):
        camera.look()
    for gain in (0.7, 0.55, 0.55, 0.7, 1.0):
        seen = camera.look((100, 100, 180, 160), gain=gain)
        assert len(seen.boxes) == 1
        assert iou(found(seen), np.array([[100.0, 100.0, 180.0, 160.0]]))[0, 0] > 0.7


def test_after_an_upheaval_the_first_picture_is_the_background():
    camera = Camera()
    for _ in range(30):
        camera.look()
    camera.road += np.array([90.0, -40.0, 20.0])  # it is seen by another lamp
    assert len(camera.look().boxes) == 1
    assert len(camera.look().boxes) == 0


def test_who_enters_in_the_first_second_is_one_thing():
    camera = Camera()
    for x in range(0, 500, 6):
        seen = camera.look((max(x - 120, 0), 100, x + 1, 160))
        if x > 200:
            box = np.array([[x - 120.0, 100, x + 1, 160]])
            assert len(seen.boxes) == 1
            assert iou(found(seen), box)[0, 0] > 0.6


def test_a_known_road_user_that_stands_for_a_minute_is_still_there():
    camera = Camera(320, 240)
    box = (100, 100, 180, 160)
    for _ in range(30):
        camera.look()
    for _ in range(600):
        seen = camera.look(box, standing=np.array([box], float))
    assert iou(found(seen), np.array([box], float))[0, 0] > 0.8
    assert len(camera.look().boxes) == 0  # and leaves no ghost behind


def test_an_unknown_thing_that_stands_becomes_background():
    camera = Camera()
    for _ in range(30):
        camera.look()
    for _ in range(100):
        seen = camera.look((100, 100, 180, 160))
    assert len(seen.boxes) == 0


def test_a_shadow_is_no_part_of_who_casts_it():
    camera = Camera()
    for _ in range(30):
        camera.look()
    camera.road[200:240, 100:200] *= 0.65
    assert len(camera.look().boxes) == 0


def test_blobs_are_numbered_by_size_and_small_ones_dropped():
    mask = np.zeros((90, 160), np.uint8)
    mask[10:14, 10:14] = mask[40:60, 50:90] = 255
    mask[80, 100] = 255
    seen = blobs(mask, 2.0)
    assert seen.boxes.tolist() == [[50, 40, 90, 60], [10, 10, 14, 14]]
    assert seen.area.tolist() == [800, 16]
    assert seen.pixels(np.array([0]), np.s_[50:51, 60:62]).all()
    assert not seen.pixels(np.array([0, 1]), np.s_[80:81, 100:101]).any()
    assert seen.pixels(np.array([1]), np.s_[::2, ::2]).sum() == 4
