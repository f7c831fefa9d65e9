"""Who passes behind something that stands in the way, composited: what passes is known."""

from functools import cache

import numpy as np
import pytest

from edge.vision.frames import Frame
from edge.vision.pipeline import Pipeline
from edge.vision.settings import VisionSettings

WIDTH, HEIGHT, RATE = 320, 240, 10
UPRIGHT = {"id": "line", "a": (160, 240), "b": (160, 0)}
LEVEL = {"id": "line", "a": (0, 120), "b": (320, 120)}
CAR = (40, 18)


@cache
def streets():
    """Pictures (8, h, w, 3) of the empty street with a camera's noise."""
    random = np.random.default_rng(1)
    road = random.integers(90, 130, (HEIGHT, WIDTH, 1))
    noise = random.normal(0, 3, (8, HEIGHT, WIDTH, 3))
    return (road + noise).clip(0, 255).astype(np.uint8)


def passages(*paths, post, seconds, line=UPRIGHT):
    """Passages while boxes drive behind a post.

    A path is where a box is at first, its speed [px/s], its size and its colour; `post` is the
    left, top, right and bottom of what hides it. [px]
    """
    pipeline, found = Pipeline(VisionSettings(lines=[line], anchor="centre")), []
    left, top, right, bottom = post
    for number in range(round((seconds + 1) * RATE)):
        street = streets()[number % len(streets())]
        picture = street.copy()
        for start, speed, size, colour in paths:
            at = np.array(start) + np.array(speed) * max(number / RATE - 1, 0)
            (x0, y0), (x1, y1) = at.round().astype(int), (at + size).round().astype(int)
            picture[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = colour
        picture[top:bottom, left:right] = street[top:bottom, left:right]
        found += pipeline.step(Frame(picture, (number + 1) * 1_000_000 // RATE, number)).crossings
    return found


@pytest.mark.parametrize(
    ("middle", "width", "speed"),
    [(160, 24, 60), (160, 24, -110), (148, 32, 110), (170, 44, -60)],
)
def test_a_car_that_a_post_parts_or_hides_passes_once(middle, width, speed):
    start = (-40 if speed > 0 else WIDTH, 100)
    post = (middle - width // 2, 0, middle + width // 2, HEIGHT)
    found = passages((start, (speed, 0), CAR, (30, 40, 200)), post=post, seconds=360 / abs(speed))
    assert [crossing.direction for crossing in found] == ["in" if speed > 0 else "out"]


def test_a_beam_hides_as_a_post_does():
    path = ((140, -38), (0, 80), (22, 38), (30, 40, 200))
    found = passages(path, post=(0, 104, WIDTH, 136), seconds=3.6, line=LEVEL)
    assert [crossing.direction for crossing in found] == ["in"]


def test_two_who_meet_behind_a_post_pass_once_each():
    one = ((-40, 90), (80, 0), CAR, (30, 40, 200))
    other = ((WIDTH, 125), (-80, 0), CAR, (200, 60, 40))
    found = passages(one, other, post=(148, 0, 172, HEIGHT), seconds=4.5)
    assert sorted(crossing.direction for crossing in found) == ["in", "out"]


def test_who_turns_back_behind_a_post_has_not_passed():
    """One walks up to the wall and vanishes behind it; later it comes out where it went in."""
    pipeline, found = Pipeline(VisionSettings(lines=[UPRIGHT], anchor="centre")), []
    way = np.concatenate((np.arange(-14, 150, 5), np.full(5, 150), np.arange(150, -20, -5)))
    for number, x in enumerate(np.concatenate((np.full(10, -14), way)).tolist()):
        street = streets()[number % len(streets())]
        picture = street.copy()
        picture[90:126, max(x, 0) : max(x + 14, 0)] = (30, 40, 200)
        picture[:, 140:190] = street[:, 140:190]
        found += pipeline.step(Frame(picture, (number + 1) * 100_000, number)).crossings
    assert found == []
