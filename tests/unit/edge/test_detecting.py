import logging
import math

import pytest

from contracts.events import DETECTOR_LOST, DETECTOR_READY, MOTION_BACK, MOTION_LOST
from contracts.metrics import DETECTOR_RATE, DETECTOR_TIME
from edge.detecting import DetectorWatch, MotionWatch
from edge.wire import Detecting, Seen

SECOND = 1_000_000


def state(t, *, every=2, fault="", sha256="ab" * 32):
    return Detecting(t * SECOND, "" if fault else "YOLOX", sha256, every, fault, 12.5)


def seen(t, detector=None):
    return Seen(captured=round(t * SECOND), processing=0.01, dropped=0, detector=detector)


@pytest.fixture
def watch(caplog):
    caplog.set_level(logging.INFO)
    return DetectorWatch()


def test_each_second_tells_how_often_and_how_long(watch):
    watch.change(state(100))
    assert watch.add(seen(100.0, 0.030)) == []
    assert watch.add(seen(100.5, 0.050)) == []
    assert watch.add(seen(100.9)) == []
    rate, spent = watch.add(seen(101.0, 0.020))
    assert (rate.t, rate.metric, rate.value) == (101 * SECOND - 1, DETECTOR_RATE, 2)
    assert (spent.metric, spent.value) == (DETECTOR_TIME, pytest.approx(40.0))
    assert [scalar.value for scalar in watch.opened()] == [1, pytest.approx(20.0)]
    assert watch.opened() == []


def test_without_a_detector_nothing_is_told(watch):
    assert watch.add(seen(1.0)) == watch.add(seen(2.0)) == watch.opened() == []


def test_changes_make_one_event_and_one_line_each(watch, caplog):
    (ready,) = watch.change(state(100))
    assert (ready.kind, ready.object) == (DETECTOR_READY, "ab" * 32)
    assert math.isnan(ready.value)
    assert watch.change(state(110, every=3)) == []
    (lost,) = watch.change(state(120, fault="broken"))
    assert lost.kind == DETECTOR_LOST
    assert watch.change(state(180, fault="broken otherwise")) == []
    (back,) = watch.change(state(200))
    assert (back.kind, back.value) == (DETECTOR_READY, 80.0)
    text = [record.getMessage() for record in caplog.records]
    assert text == [
        f"detector YOLOX ready: sha256 {'ab' * 32}, asked every 2 frames, 12.5 times a second",
        "detector: asked every 3 frames, 12.5 times a second",
        "detector lost, motion goes on alone: broken",
        f"detector YOLOX ready: sha256 {'ab' * 32}, asked every 2 frames, 12.5 times a second",
    ]


def test_a_camera_process_that_begins_anew_says_nothing_new(watch):
    assert len(watch.change(state(100))) == 1
    watch.opened()
    assert watch.change(state(160)) == []


def test_another_file_is_news_and_an_unread_one_has_no_checksum(watch):
    watch.change(state(100))
    (ready,) = watch.change(state(160, sha256="cd" * 32))
    assert ready.object == "cd" * 32
    assert DetectorWatch().change(state(1, fault="none", sha256=""))[0].object == "unknown"


def looks(watch, frames):
    """Events of frames, ten a second, each either blind or not."""
    told = [watch.add(Seen(n * SECOND // 10, 0.01, 0, blind=blind)) for n, blind in frames]
    return [event for events in told for event in events]


def test_motion_that_says_nothing_for_long_is_told_once_and_its_return_too(caplog):
    caplog.set_level(logging.INFO)
    blink = [(n, n % 10 == 0) for n in range(100)]
    every_other = [(n, n % 2 == 0) for n in range(100, 200)]
    again = [(n, False) for n in range(200, 300)]
    lost, back = looks(MotionWatch(), blink + every_other + again)
    assert lost.kind == MOTION_LOST
    assert 10 * SECOND < lost.t < 13 * SECOND
    assert back.kind == MOTION_BACK
    assert 22 * SECOND < back.t < 24 * SECOND
    assert back.value == pytest.approx((back.t - lost.t) / SECOND)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
