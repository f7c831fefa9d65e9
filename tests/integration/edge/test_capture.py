from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import pytest

from contracts.clock import MICROSECONDS
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.proof import read_proof
from edge.vision.backdrop import PROVEN
from edge.wire import Message, Opened, Picture, Seen


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A noisy street for 12 s, whose picture then stands still for 2 s; 10 frames a second."""
    path = tmp_path / "street.nut"
    rng = np.random.default_rng(1)
    tiles = rng.integers(60, 190, (24, 32, 3), np.uint8)
    still = tiles.repeat(4, axis=0).repeat(4, axis=1)
    images = [still + rng.integers(0, 5, still.shape, np.uint8) for _ in range(120)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        stream.bit_rate = 8_000_000  # what the codec adds must not look like somebody
        for n, image in enumerate([*images, *[images[-1]] * 20]):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = n, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_what_leaves_the_camera_process(recording: Path) -> None:
    messages: list[Message] = []
    files: list[str] = []

    def take(message: Message) -> None:
        messages.append(message)
        if isinstance(message, Opened | Picture):
            watch.want_picture()
        if isinstance(message, Opened):
            watch.want_snapshot("wrong-way-7", "wrong.way")
        if isinstance(message, Picture):
            files.extend(written(watch.pid))

    changes: list[bool] = []
    left = [(0, 0), (48, 0), (48, 96), (0, 96)]
    camera = Camera(source=str(recording), drawn_on=(128, 96), masks=[left])
    watch = CameraWatch(camera, on_message=take, on_change=changes.append, device="town/cam")
    watch.run(until_done=True)
    assert watch.over.is_set()
    assert changes == [True]
    assert messages[0] == Opened(128, 96, 10.0)
    seen = [message for message in messages if isinstance(message, Seen)]
    start = seen[0].captured
    assert [s.captured - start for s in seen] == [n * MICROSECONDS // 10 for n in range(140)]
    assert [s.same for s in seen] == [False] * 120 + [True] * 20
    pictures = [message for message in messages if isinstance(message, Picture)]
    assert pictures, "it was asked for"
    assert files == [], "frames are in memory alone"
    (snapshot,) = [picture for picture in pictures if picture.snapshot]
    assert (snapshot.purpose, snapshot.snapshot) == ("snapshot", "wrong-way-7")
    hidden = []
    for picture in pictures:
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image[:, :40].max() < 20, "it is masked"
        proof = read_proof(picture.jpeg)
        assert proof is not None
        assert (proof.device, proof.frame, proof.model) == ("town/cam", (128, 96), None)
        assert proof.masks == [left]
        hidden.append(proof.hidden)
        if proof.hidden in {0.0, 1.0}:
            assert is_coarse(image[:, 48:]) == bool(proof.hidden)
    assert hidden[0] == 1.0, "nothing is known of the street yet"
    assert hidden[-1] == 0.0, hidden
    soon = PROVEN * MICROSECONDS - 2 * MICROSECONDS
    assert all(h == 1.0 for p, h in zip(pictures, hidden, strict=True) if p.captured < start + soon)


def written(pid: int | None) -> list[str]:
    """Files that a process has open to write to; its messages and what it logs are none."""
    opened = psutil.Process(pid).open_files()
    return [file.path for file in opened if file.fd > 2 and file.mode != "r"]


def is_coarse(image: np.ndarray) -> bool:
    """Whether all of a picture is pixelated: blocks of 16 pixels that say nothing within."""
    height, width = image.shape
    blocks = image.reshape(height // 16, 16, width // 16, 16)
    return bool(blocks.std(axis=(1, 3)).mean() < 2.0)


def test_nobody_asks_no_picture(recording: Path) -> None:
    messages: list[Message] = []
    camera = Camera(source=str(recording), pace="fast")
    CameraWatch(camera, on_message=messages.append, on_change=lambda _: None).run(until_done=True)
    assert len(messages) == 141
    assert not any(isinstance(message, Picture) for message in messages)
