"""Sizes of bodies that are known, as cameras of which all is known would box them."""

import numpy as np
import pytest

from contracts.classes import SIZE, RoadUser
from edge.vision.classify import HEIGHT
from edge.vision.ground import Ground
from edge.vision.lens import Lens, LensSettings
from edge.vision.pose import projection
from edge.vision.sizes import Sizes, View, placed, sides_of

WIDTH, HEIGHT_PX = 1280, 720


def true_camera(position, target, focal=1.0, width=WIDTH, height=HEIGHT_PX):
    """Projection (3, 4) of a camera of square pixels with a level horizon."""
    position = np.array(position, float)
    ahead = np.array([*target, 0.0]) - position
    ahead /= np.linalg.norm(ahead)
    side = np.cross(ahead, [0, 0, 1])
    side /= np.linalg.norm(side)
    turn = np.array([side, np.cross(ahead, side), ahead])
    inner = np.array([[focal * width, 0, width / 2], [0, focal * width, height / 2], [0, 0, 1]])
    return inner @ np.column_stack((turn, -turn @ position))


MAST = true_camera((0.0, -18.0, 9.0), (0.0, 6.0))
DRONE = true_camera((0.0, -0.02, 60.0), (0.0, 0.0))


def ground_of(camera):
    """Ground from four places that the camera shows."""
    road = np.array([[-8.0, -2.0], [8.0, -2.0], [-8.0, 30.0], [8.0, 30.0], [0.0, 10.0]])
    u = np.column_stack((road, np.ones(5))) @ camera[:, [0, 1, 3]].T
    return Ground.from_pairs(u[:, :2] / u[:, 2:], road)


def view(camera, *, from_above=False, focal=None):
    ground, lens = ground_of(camera), Lens.ideal(WIDTH, HEIGHT_PX)
    return View(projection(ground, lens, focal), ground.matrix, lens, from_above)


def normalised(camera):
    return camera / np.linalg.norm(camera[2, :3])


@pytest.mark.parametrize("focal", [0.6, 1.0, 2.5])
def test_the_ground_tells_the_camera(focal):
    camera = true_camera((3.0, -18.0, 9.0), (0.0, 6.0), focal)
    assert np.allclose(normalised(view(camera).camera), normalised(camera), rtol=1e-3, atol=1e-3)


def test_mirrored_ground_has_its_camera_above_too():
    ground = ground_of(MAST)
    mirrored = Ground(np.diag([1.0, -1.0, 1.0]) @ ground.matrix)
    found = projection(mirrored, Lens.ideal(WIDTH, HEIGHT_PX))
    top = found @ [0.0, -6.0, 2.0, 1.0]
    bottom = found @ [0.0, -6.0, 0.0, 1.0]
    assert top[1] / top[2] < bottom[1] / bottom[2]


def boxes_of(camera, way, heading, shape, lens=None):
    """Boxes (n, 4) that bodies make on their way."""
    n = len(way)
    sides = sides_of(
        View(camera, np.eye(3), Lens.ideal(WIDTH, HEIGHT_PX), from_above=False),
        way, np.full(n, heading), np.tile(shape, (n, 1)),
    )  # fmt: skip
    half = sides.size / 2
    middle = sides.point - np.column_stack((np.zeros(n), half[:, 1]))
    boxes = np.hstack((middle - half, middle + half))
    if lens is None:
        return boxes
    x, y = middle.T
    ends = [(boxes[:, 0], y), (x, boxes[:, 1]), (boxes[:, 2], y), (x, boxes[:, 3])]
    bent = [lens.distort(np.column_stack(end)) for end in ends]
    return np.column_stack((bent[0][:, 0], bent[1][:, 1], bent[2][:, 0], bent[3][:, 1]))


def drive(seen, boxes, heading, kind, *, rng=None):
    """What is said in the end of one road user whose boxes come five times a second."""
    sizes = Sizes(seen)
    for i, box in enumerate(boxes):
        sides = box[2:] - box[:2]
        shaken = box if rng is None else box + rng.normal(0, 0.03, 4) * np.tile(sides, 2)
        said = sizes.step(
            np.array([7], np.uint32), shaken[None], np.ones(1, bool), np.array([heading]),
            np.array([kind], np.uint8), i * 200_000,
        )  # fmt: skip
    return said.length[0], said.width[0]


def way(heading, middle=(0.0, 6.0), speed=1.6, n=14):
    steps = np.arange(n) - n / 2
    return np.array(middle) + speed * steps[:, None] * np.array([np.cos(heading), np.sin(heading)])


@pytest.mark.parametrize("kind", [RoadUser.CAR, RoadUser.VAN, RoadUser.TRUCK, RoadUser.BICYCLE])
@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_length_of_what_passes_by(kind, factor):
    shape = np.array([SIZE[kind][0] * factor, SIZE[kind][1], HEIGHT[kind]])
    errors = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        boxes = boxes_of(MAST, way(0.1), 0.1, shape)
        length, _ = drive(view(MAST), boxes, 0.1, kind, rng=rng)
        errors.append(length / shape[0] - 1)
    assert np.abs(errors).max() < 0.15
    assert abs(np.mean(errors)) < 0.07


def test_width_of_what_comes_towards_the_camera_and_not_its_length():
    shape = np.array([4.2, 2.0, 1.5])
    boxes = boxes_of(MAST, way(-np.pi / 2, (0.0, 12.0)), -np.pi / 2, shape)
    rng = np.random.default_rng(1)
    _, width = drive(view(MAST), boxes, -np.pi / 2, RoadUser.CAR, rng=rng)
    assert width == pytest.approx(2.0, rel=0.1)
    far = true_camera((0.0, -90.0, 9.0), (0.0, 6.0), 4.0)  # under so flat an angle it is hidden
    boxes = boxes_of(far, way(-np.pi / 2, (0.0, 12.0)), -np.pi / 2, shape)
    length, width = drive(view(far), boxes, -np.pi / 2, RoadUser.CAR, rng=rng)
    assert np.isnan(length)
    assert width == pytest.approx(2.0, rel=0.1)


def test_from_straight_above_no_class_is_needed():
    for heading in (0.0, 0.5, np.pi / 2):
        path = way(heading, (0.0, 0.0))
        shape = np.array([5.1, 1.9, 1.5])
        boxes = boxes_of(DRONE, path, heading, shape)
        rng = np.random.default_rng(2)
        length, width = drive(
            view(DRONE, from_above=True), boxes, heading, RoadUser.UNKNOWN, rng=rng
        )
        assert length == pytest.approx(5.1, rel=0.12)
        if heading == 0.5:  # length hides width: said with less certainty, or not
            assert np.isnan(width)
        else:
            assert width == pytest.approx(1.9, rel=0.12)


def test_the_lens_is_unbent_first():
    lens = LensSettings(k1=-0.3).lens(WIDTH, HEIGHT_PX)
    shape = np.array([4.0, 1.8, 1.5])
    left = way(0.0, (-7.0, 2.0), 0.2)
    boxes = boxes_of(MAST, left, 0.0, shape, lens)
    bent = view(MAST)._replace(lens=lens)
    assert drive(bent, boxes, 0.0, RoadUser.CAR)[0] == pytest.approx(4.0, rel=0.05)


def test_one_box_is_not_enough_and_a_wild_one_changes_little():
    shape = np.array([4.5, 1.8, 1.5])
    boxes = boxes_of(MAST, way(0.0), 0.0, shape)
    assert np.isnan(drive(view(MAST), boxes[:1], 0.0, RoadUser.CAR)).all()
    before = drive(view(MAST), boxes, 0.0, RoadUser.CAR)[0]
    boxes[8, 2] += 2 * (boxes[8, 2] - boxes[8, 0])
    assert drive(view(MAST), boxes, 0.0, RoadUser.CAR)[0] == pytest.approx(before, rel=0.06)


def test_no_size_of_who_has_no_heading_and_none_that_its_class_cannot_have():
    boxes = boxes_of(MAST, way(0.0), 0.0, np.array([4.5, 1.8, 1.5]))
    assert np.isnan(drive(view(MAST), boxes, np.nan, RoadUser.CAR)).all()
    assert np.isnan(drive(view(MAST), boxes, 0.0, RoadUser.PEDESTRIAN)).all()


def test_tracks_are_not_mixed_up():
    sizes = Sizes(view(MAST))
    short = boxes_of(MAST, way(0.0), 0.0, np.array([3.8, 1.8, 1.5]))
    long = boxes_of(MAST, way(0.0, (0.0, 14.0)), 0.0, np.array([5.2, 1.8, 1.5]))
    kind = np.full(2, RoadUser.CAR, np.uint8)
    for i in range(14):
        one = sizes.step(
            np.array([3, 9], np.uint32), np.stack((short[i], long[i])), np.ones(2, bool),
            np.zeros(2), kind, i * 200_000,
        )  # fmt: skip
    assert one.length == pytest.approx([3.8, 5.2], rel=0.07)
    two = sizes.step(
        np.array([9, 12], np.uint32), np.stack((long[-1], long[-1])), np.zeros(2, bool),
        np.zeros(2), kind, 15 * 200_000,
    )  # fmt: skip
    assert two.length[0] == pytest.approx(5.2, rel=0.07)
    assert np.isnan(two.length[1])


def test_a_body_is_put_where_its_box_touches_the_ground():
    shape = np.array([[4.5, 1.8, 1.5]])
    seen = view(MAST)
    where = np.array([[2.0, 8.0]])
    sides = sides_of(seen, where, np.zeros(1), shape)
    middle, again = placed(seen, sides.point, np.zeros(1), shape)
    assert np.allclose(middle, where, atol=1e-3)
    assert np.allclose(again.size, sides.size, rtol=1e-4)
