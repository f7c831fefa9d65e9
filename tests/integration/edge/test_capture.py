from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from contracts.clock import MICROSECONDS
from edge.camera import CameraWatch
from edge.capture import WARM_UP
from edge.config import Camera
from edge.wire import Message, Opened, Picture, Seen


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A noisy street for 6 s, whose picture then stands still for 2 s; 10 frames a second."""
    path = tmp_path / "street.nut"
    rng = np.random.default_rng(1)
    still = rng.integers(0, 250, (96, 128, 3), np.uint8)
    images = [still + rng.integers(0, 5, still.shape, np.uint8) for _ in range(60)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for n, image in enumerate([*images, *[images[-1]] * 20]):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = n, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_what_leaves_the_camera_process(recording: Path) -> None:
    messages: list[Message] = []

    def take(message: Message) -> None:
        messages.append(message)
        if isinstance(message, Opened | Picture):
            watch.want_picture()

    changes: list[bool] = []
    camera = Camera(source=str(recording))
    watch = CameraWatch(camera, on_message=take, on_change=changes.append)
    watch.run(until_done=True)
    assert watch.over.is_set()
    assert changes == [True]
    assert messages[0] == Opened(128, 96, 10.0)
    seen = [message for message in messages if isinstance(message, Seen)]
    start = seen[0].captured
    assert [s.captured - start for s in seen] == [n * MICROSECONDS // 10 for n in range(80)]
    assert [s.same for s in seen] == [False] * 60 + [True] * 20
    pictures = [message for message in messages if isinstance(message, Picture)]
    assert pictures, "it was asked for"
    learning = [picture.captured - start < WARM_UP for picture in pictures]
    assert any(learning), "it was asked for before the background is learnt"
    assert not all(learning), "and after"
    assert [is_coarse(picture.jpeg) for picture in pictures] == learning


def is_coarse(jpeg: bytes) -> bool:
    """Whether all of a picture is pixelated: blocks of 16 pixels that say nothing within."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    height, width = image.shape
    blocks = image.reshape(height // 16, 16, width // 16, 16)
    return bool(blocks.std(axis=(1, 3)).mean() < 2.0)


def test_nobody_asks_no_picture(recording: Path) -> None:
    messages: list[Message] = []
    camera = Camera(source=str(recording), pace="fast")
    CameraWatch(camera, on_message=messages.append, on_change=lambda _: None).run(until_done=True)
    assert len(messages) == 81
    assert not any(isinstance(message, Picture) for message in messages)
