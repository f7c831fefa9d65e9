"""Incidents on real recordings: turned round, disturbed, and as they are."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from edge.vision.frames import Frame, Image
from edge.vision.incidents.health import Health
from edge.vision.incidents.settings import HealthSettings, IncidentSettings
from edge.vision.pipeline import Pipeline
from edge.vision.settings import VisionSettings

RATES = {"pets09_s2l1.avi": 7.0, "highway_320x240.avi": 60.0, "cars_overhead.mp4": 12.5}
DISTURBED = 12.0  # when the disturbance begins [s]
LEARNT = 2.5  # by then the road is known, and who passed before is gone [s]
GLANCE = 0.5  # so often the picture is looked at [s]


@cache
def pictures(path: Path, rate: float) -> list[Image]:
    """So many pictures a second; all if 0."""
    with av.open(str(path)) as container:
        step = max(round(RATES[path.name] / rate), 1) if rate else 1
        decoded = enumerate(container.decode(video=0))
        return [p.to_ndarray(format="bgr24") for n, p in decoded if n % step == 0]


@pytest.mark.parametrize(("backwards", "expected"), [(False, 0), (True, 23)])
def test_wrong_way_on_the_highway(shared_data: Path, backwards: bool, expected: int) -> None:
    """Of the 24 that pass when the road is known one is not found; three pass before."""
    incidents = {"wrong_way": [{"line": "road", "way": "in"}], "health": {"enabled": False}}
    pipeline = Pipeline(
        VisionSettings.model_validate(
            {
                "lines": [{"id": "road", "a": (20, 150), "b": (240, 150)}],
                "incidents": incidents,
            }
        )
    )
    name = "highway_320x240.avi"
    frames = pictures(shared_data / "video" / name, 0)[:: -1 if backwards else 1]
    began = []
    for n, image in enumerate(frames):
        seen = pipeline.step(Frame(image, round(n / RATES[name] * 1e6), n))
        began += [i for i in seen.incidents if i.phase == "begins"]
    learning = round(LEARNT * 1e6)
    assert sum(i.captured > learning for i in began) == expected
    assert sum(i.captured <= learning for i in began) <= (3 if backwards else 0)
    assert len({i.id for i in began}) == len(began)
    assert all(i.tracks and i.why for i in began)


def told(
    data: Path, name: str, disturb: Callable[[Image], Image] | None = None, until: float = 1e9
) -> list[tuple[str, str, float]]:
    frames = pictures(data / "video" / name, 1 / GLANCE)
    step = max(round(RATES[name] * GLANCE), 1) / RATES[name]
    health, found = Health(HealthSettings()), []
    for n, image in enumerate(frames):
        t = n * step
        if t > until:
            break
        shown = disturb(image) if disturb is not None and t >= DISTURBED else image
        seen = health.look(np.asarray(shown, np.uint8), round(t * 1e6))
        found += [(i.kind, i.phase, t - DISTURBED) for i in seen]
    return found


@pytest.mark.parametrize("name", RATES)
def test_no_false_alarm(shared_data: Path, name: str) -> None:
    assert told(shared_data, name) == []


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_another_exposure_is_no_fault(shared_data: Path, name: str, gain: float) -> None:
    assert told(shared_data, name, lambda i: cv2.convertScaleAbs(i, alpha=gain), 30) == []


def shift(image: Image) -> Any:
    height, width = image.shape[:2]
    by = np.array([[1, 0, 0.1 * width], [0, 1, 0]])
    return cv2.warpAffine(image, by, (width, height), borderMode=cv2.BORDER_REFLECT)


def rotate(image: Image) -> Any:
    height, width = image.shape[:2]
    by = cv2.getRotationMatrix2D((width / 2, height / 2), 8, 1.0)
    return cv2.warpAffine(image, by, (width, height), borderMode=cv2.BORDER_REFLECT)


def spray(image: Image) -> Any:
    random = np.random.default_rng(5)
    height, width = image.shape[:2]
    paint = np.zeros((height, width), np.uint8)
    for x, y, r in random.uniform(0, 1, (60, 3)):
        cv2.circle(
            paint, (int(x * width), int(y * height)), int((0.05 + 0.07 * r) * width), 255, -1
        )
    share = cv2.GaussianBlur(paint, (0, 0), width / 80)[..., None] / 255.0
    return image * (1 - share) + np.array([40, 40, 160]) * share


def blur(image: Image) -> Any:
    return cv2.GaussianBlur(image, (0, 0), 0.03 * image.shape[1])


DISTURBANCES = {
    "black": (np.zeros_like, "camera.dark"),
    "blur": (blur, "camera.covered"),
    "spray": (spray, "camera.covered"),
    "shift": (shift, "camera.moved"),
    "rotate": (rotate, "camera.moved"),
}


@pytest.mark.parametrize("name", ["pets09_s2l1.avi", "highway_320x240.avi"])
@pytest.mark.parametrize("what", DISTURBANCES)
def test_disturbances_are_found(shared_data: Path, name: str, what: str) -> None:
    disturb, kind = DISTURBANCES[what]
    found = told(shared_data, name, disturb, 26)
    assert [(k, phase) for k, phase, _ in found] == [(kind, "begins")]
    assert 0 < found[0][2] <= 14.0


@pytest.mark.parametrize("what", ["black", "blur", "shift"])
def test_they_are_found_even_on_an_empty_road(shared_data: Path, what: str) -> None:
    disturb, kind = DISTURBANCES[what]
    found = told(shared_data, "cars_overhead.mp4", disturb)
    assert found[0][:2] == (kind, "begins")
    assert found[0][2] <= 18.0


def test_a_moved_view_becomes_the_new_one(shared_data: Path) -> None:
    found = told(shared_data, "pets09_s2l1.avi", shift, 110)
    assert [(k, phase) for k, phase, _ in found] == [
        ("camera.moved", "begins"),
        ("camera.moved", "ends"),
    ]
    assert 60 < found[1][2] < 95


def test_a_night_with_a_lamp_is_not_dark() -> None:
    random = np.random.default_rng(2)
    night = np.clip(random.normal(8, 3, (240, 320, 3)), 0, 255).astype(np.uint8)
    lamp = night.copy()
    cv2.circle(lamp, (160, 60), 40, (200, 220, 220), -1)
    for image, expected in ((night, ["camera.dark"]), (lamp, [])):
        health = Health(IncidentSettings().health)
        told = [i for n in range(60) for i in health.look(image, n * 500_000)]
        assert [i.kind for i in told] == expected
