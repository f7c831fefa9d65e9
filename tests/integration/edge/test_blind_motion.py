"""Where motion is blind the real detector goes on alone, at whatever rate it is asked."""

from itertools import islice

import av
import numpy as np
import pytest

from edge.vision.boxes import iou
from edge.vision.frames import Frame
from edge.vision.pipeline import Pipeline
from edge.vision.settings import VisionSettings

FRAMES, FLICKERS = 30, 10


def flickering(image, number):
    """The picture, and its negative: each pixel changes as far as it can."""
    return 255 - image if number % 2 else image


@pytest.mark.parametrize(("every", "least"), [(1, 0.7), (3, 0.45)])
def test_people_are_followed_while_all_of_the_picture_flickers(shared_data, every, least):
    pipeline = Pipeline(
        VisionSettings(
            detector=shared_data / "models" / "yolox_nano_coco.onnx", detector_every=every
        )
    )
    true = np.loadtxt(shared_data / "tracks" / "pets09" / "gt.txt", delimiter=",")
    blind, found = [], []
    with av.open(str(shared_data / "video" / "pets09_s2l1.avi")) as container:
        for number, picture in enumerate(islice(container.decode(video=0), FRAMES)):
            image = picture.to_ndarray(format="bgr24")
            image = flickering(image, number) if number >= FLICKERS else image
            seen = pipeline.step(Frame(image, number * 142_857, number))
            rows = true[true[:, 0] == number + 1]
            boxes = np.hstack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
            alike = iou(boxes, seen.box.astype(float)).max(axis=1, initial=0)
            blind.append(pipeline.blind)
            found.append(float((alike > 0.5).mean()))
    assert not any(blind[2:FLICKERS])
    assert np.mean(blind[FLICKERS:]) > 0.4  # what it learns, it forgets in the next frame
    assert np.mean(found[FLICKERS:]) > least
