"""Counts on real recordings against what was counted by eye.

The totals must hold, with the detector as well as without or better. Totals flatter, as an invented
passage makes up for a missed one: where the moment of each passage is known too, the detector must
not be worse by what was missed and what invented either.
"""

from collections import Counter
from functools import cache

import av
import numpy as np
import pytest

from edge.vision.frames import Frame
from edge.vision.pipeline import Pipeline
from edge.vision.settings import VisionSettings

# video, line drawn so that the first figure is "in", and who passed it
PEDESTRIANS = ("pets09_s2l1.avi", (384, 576), (384, 0))
PEDESTRIANS_TRUTH = {"in": 14, "out": 18}
HIGHWAY = ("highway_320x240.avi", (20, 150), (240, 150))
HIGHWAY_FRAMES = (
    136, 251, 272, 352, 422, 668, 771, 802, 817, 845, 862, 883, 906, 987, 1047, 1078, 1103, 1174,
    1202, 1343, 1392, 1456, 1500, 1514, 1620, 1643, 1669,
)  # fmt: skip
OVERHEAD = ("cars_overhead.mp4", (0, 220), (768, 220))


@cache
def passages(data, video, every=None):
    """Passages of the line: frame and direction; with the detector in every n-th frame."""
    name, a, b = video
    settings = VisionSettings(
        detector=None if every is None else data / "models" / "yolox_nano_coco.onnx",
        detector_every=every or 1,
        lines=[{"id": "line", "a": a, "b": b}],
    )
    pipeline = Pipeline(settings)
    found = []
    with av.open(str(data / "video" / name)) as container:
        base = container.streams.video[0].time_base
        for number, picture in enumerate(container.decode(video=0)):
            captured = int(picture.pts * base * 1_000_000)
            seen = pipeline.step(Frame(picture.to_ndarray(format="bgr24"), captured, number))
            found += [(number, crossing.direction) for crossing in seen.crossings]
    return tuple(found)


def totals(found):
    count = Counter(direction for _, direction in found)
    return {"in": count["in"], "out": count["out"]}


def off(found, truth):
    """How far the totals are from the truth, both directions together."""
    return sum(abs(totals(found)[way] - truth[way]) for way in truth)


def wrong(found, truth, tolerance=20):
    """How many passages were missed or invented, if moments differ by at most so many frames."""
    left, missed = list(found), 0
    for frame, direction in truth:
        near = [f for f in left if f[1] == direction and abs(f[0] - frame) <= tolerance]
        if near:
            left.remove(min(near, key=lambda f: abs(f[0] - frame)))
        else:
            missed += 1
    return missed + len(left)


def pedestrian_truth(data):
    """Moments at which the foot points of the annotated boxes pass x = 384."""
    rows = np.loadtxt(data / "tracks" / "pets09" / "gt.txt", delimiter=",")
    events = []
    for who in np.unique(rows[:, 1]):
        track = rows[rows[:, 1] == who]
        track = track[np.argsort(track[:, 0])]
        away = track[:, 2] + track[:, 4] / 2 - 384
        side = away[0] > 0
        for frame, distance in zip(track[1:, 0], away[1:], strict=True):
            if (distance > 0) != side and abs(distance) > 8:  # boxes tremble by some pixels
                side = distance > 0
                events.append((int(frame) - 1, "in" if side else "out"))
    return sorted(events)


def test_pedestrians_on_a_campus(shared_data):
    truth = pedestrian_truth(shared_data)
    assert totals(truth) == PEDESTRIANS_TRUTH
    motion, both = passages(shared_data, PEDESTRIANS), passages(shared_data, PEDESTRIANS, 1)
    assert totals(motion) == pytest.approx(PEDESTRIANS_TRUTH, rel=0.15)
    assert totals(both) == pytest.approx(PEDESTRIANS_TRUTH, rel=0.15)
    assert off(both, PEDESTRIANS_TRUTH) <= off(motion, PEDESTRIANS_TRUTH)
    assert wrong(both, truth) <= wrong(motion, truth)


def test_vehicles_on_a_highway(shared_data):
    truth = [(frame, "in") for frame in HIGHWAY_FRAMES]
    # 60 frames a second: every other one is as much as a test may cost
    motion, both = passages(shared_data, HIGHWAY), passages(shared_data, HIGHWAY, 2)
    assert totals(motion) == pytest.approx(totals(truth), rel=0.10)
    assert totals(both) == pytest.approx(totals(truth), rel=0.10)
    assert off(both, totals(truth)) <= off(motion, totals(truth))
    assert wrong(both, truth) <= wrong(motion, truth)


def test_vehicles_at_the_rate_that_the_agent_chooses_for_a_recording(shared_data):
    truth = [(frame, "in") for frame in HIGHWAY_FRAMES]
    found = passages(shared_data, HIGHWAY, "auto")
    assert off(found, totals(truth)) <= 1
    assert wrong(found, truth) <= 1


def test_cars_from_straight_above_with_jumps_of_exposure(shared_data):
    truth = {"in": 2, "out": 2}
    assert totals(passages(shared_data, OVERHEAD)) == truth
    assert totals(passages(shared_data, OVERHEAD, 1)) == truth
