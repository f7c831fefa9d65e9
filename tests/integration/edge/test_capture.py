from fractions import Fraction
from pathlib import Path

import av
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
    images = [rng.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(60)]
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
        if isinstance(message, Opened):
            watch.want_picture()

    changes: list[bool] = []
    camera = Camera(source=str(recording), pace="fast")
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
    for picture in pictures:
        assert picture.captured - start >= WARM_UP, "none before the background is learnt"
        assert picture.jpeg[:2] == b"\xff\xd8"


def test_nobody_asks_no_picture(recording: Path) -> None:
    messages: list[Message] = []
    camera = Camera(source=str(recording), pace="fast")
    CameraWatch(camera, on_message=messages.append, on_change=lambda _: None).run(until_done=True)
    assert len(messages) == 81
    assert not any(isinstance(message, Picture) for message in messages)
