"""No pixel of a road user is in any picture, by truth that others have annotated."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from contracts.clock import utc_now
from edge.configuration.camera import Camera
from edge.darkroom import LIVE, STILL, Darkroom, Wish
from edge.proof import Proof, read_proof
from edge.sources import open_video
from edge.vision.frames import Frame
from edge.vision.pipeline import Pipeline
from edge.vision.privacy import over, pixelate

BLOCKY = 6.0
"""Mean difference of a cell that JPEG makes. [grey levels]"""
SETTLED = 400
"""Picture from which the price is taken: by then the street was seen empty."""


class Shown(NamedTuple):
    """One picture, and the frame that it shows."""

    frame: Frame
    jpeg: bytes
    proof: Proof


def pictures(camera: Camera, purpose: str, numbers: Sequence[int] | None = None) -> Iterator[Shown]:
    """Make a picture of every frame, or of some, as the camera's process does."""
    darkroom = Darkroom(camera, "town/cam")
    kept: dict[int, Frame] = {}
    with open_video(camera, utc_now) as video:
        pipeline = Pipeline(camera.vision(video.width, video.height))
        for frame in video.frames:
            wishes = [Wish(purpose)] if numbers is None or frame.number in numbers else []
            if wishes:
                kept[frame.captured] = frame
            for picture in darkroom.step(frame, pipeline.step(frame).hide, wishes):
                proof = read_proof(picture.jpeg)
                assert proof is not None
                yield Shown(kept.pop(picture.captured), picture.jpeg, proof)


def truth_boxes(frame: Frame, table: Any) -> Iterator[tuple[slice, slice]]:
    """Pixels of the boxes of a frame; MOTChallenge counts frames and pixels from 1."""
    height, width = frame.height, frame.width
    for left, top, wide, high in table[table[:, 0] == frame.number + 1, 2:6]:
        x = np.clip([np.floor(left - 1), np.ceil(left - 1 + wide)], 0, width).astype(int)
        y = np.clip([np.floor(top - 1), np.ceil(top - 1 + high)], 0, height).astype(int)
        yield slice(*y), slice(*x)


def is_pixelated(shown: Shown) -> bool:
    """Whether the picture itself shows only blocks where its proof says so."""
    image = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR)
    cells = shown.proof.hidden_cells()
    apart = np.abs(image.astype(int) - pixelate(shown.frame.image, cells)).mean(axis=2)
    rows, columns = cells.shape
    each = cv2.resize(apart, (columns, rows), interpolation=cv2.INTER_AREA)
    return bool((each[cells] < BLOCKY).all())


@pytest.mark.parametrize("detector", [False, True])
def test_no_pixel_of_a_pedestrian_is_shown(shared_data: Path, detector: bool) -> None:
    truth = np.loadtxt(shared_data / "tracks/pets09/gt.txt", delimiter=",")
    camera = Camera(source=str(shared_data / "video/pets09_s2l1.avi"), pace="fast")
    if detector:
        model = shared_data / "models/yolox_nano_coco.onnx"
        camera = camera.model_copy(update={"detector": model, "detector_every": 5})
    hidden, boxes, leaks = [], 0, []
    for shown in pictures(camera, LIVE if detector else STILL):
        mask = over(shown.proof.hidden_cells(), shown.frame.width, shown.frame.height)
        hidden.append(shown.proof.hidden)
        for box in truth_boxes(shown.frame, truth):
            boxes += mask[box].size > 0
            if (mask[box] == 0).any():
                leaks.append((shown.frame.number, box, int((mask[box] == 0).sum())))
        if not detector and shown.frame.number % 10 == 0:
            assert is_pixelated(shown), shown.frame.number
    assert len(hidden) >= 780
    assert boxes > 4500
    assert not leaks
    assert np.mean(hidden[SETTLED:]) < 0.4, "it hides what it must, not everything"


def test_no_vehicle_on_the_line_is_shown(shared_data: Path) -> None:
    """Where somebody has seen a vehicle's front on the line, a piece of the line is hidden."""
    moments = [668, 771, 802, 817, 845, 862, 883, 906]
    camera = Camera(source=str(shared_data / "video/highway_320x240.avi"), pace="fast")
    seen = []
    for shown in pictures(camera, LIVE, moments):
        mask = over(shown.proof.hidden_cells(), 320, 240)
        seen.append(int((mask[150, 20:240] > 0).sum()))
        assert shown.proof.hidden < 0.95
        if len(seen) == len(moments):
            break
    assert min(seen) > 15, "a car is wider"
