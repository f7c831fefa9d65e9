"""A camera whose resolution changes while it runs: the same places, the same counts."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import av
import cv2
import numpy as np
import pytest

from contracts.clock import utc_now
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.sources import CHANGED, open_video
from edge.wire import Ended, Message, Opened, Picture, Resized, Seen

RATE = 10
SIZES = ((320, 192), (480, 288))
FRAMES = 80
LINES = [{"id": "gate", "a": (0.5, 1), "b": (0.5, 0)}]


def street(number: int, width: int, height: int, rng: Any) -> Any:
    """A car drives to the right and passes the middle of the picture."""
    picture = np.full((192, 320, 3), 110.0)
    picture[::4] = 90
    front = 22 + 8 * (number - 20)
    picture[80:98, max(front - 45, 0) : max(front, 0)] = (30, 40, 200)
    small = (picture + rng.normal(0, 3, picture.shape)).clip(0, 255).astype(np.uint8)
    return cv2.resize(small, (width, height))


def record(path: Path, codec: str, size: tuple[int, int], first: int) -> None:
    """Record a street from a moment on, as a camera that is set to this resolution does."""
    rng = np.random.default_rng(1)
    options = {"g": "5"} if codec == "libx264" else {"qscale": "3"}
    with av.open(str(path), "w", format="mpegts") as container:
        stream: Any = container.add_stream(codec, rate=RATE, options=options)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for number in range(FRAMES):
            image = street(number, *size, rng)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = first + number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transport stream of H.264 whose parameter sets change half way."""
    folder = tmp_path_factory.mktemp("resized")
    parts = [folder / f"{n}.ts" for n in range(2)]
    for n, (part, size) in enumerate(zip(parts, SIZES, strict=True)):
        record(part, "libx264", size, n * FRAMES)
    whole = folder / "whole.ts"
    with whole.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, out)
    return whole


def test_the_stream_is_one_with_two_sizes(clip: Path) -> None:
    with open_video(Camera(source=str(clip), pace="fast"), utc_now) as video:
        seen = [(frame.image.shape[1::-1], (video.width, video.height)) for frame in video.frames]
    assert {shown for shown, _ in seen} == set(SIZES)
    assert all(shown == told for shown, told in seen)
    assert video.dropped >= 2
    assert len(seen) + video.dropped == 2 * FRAMES


def watched(camera: Camera) -> list[Message]:
    messages: list[Message] = []
    watch = CameraWatch(camera, on_message=messages.append, on_change=lambda _: None)
    watch.run(until_done=True)
    return messages


def test_counting_goes_on_at_the_same_place(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera.model_validate(
        {"source": str(clip), "pace": "fast", "anchor": "centre", "lines": LINES}
    )
    with caplog.at_level("INFO"):
        messages = watched(camera)
    sizes = [m for m in messages if isinstance(m, Opened | Resized)]
    assert [(type(m), m.width, m.height) for m in sizes] == [
        (Opened, *SIZES[0]),
        (Resized, *SIZES[1]),
    ]
    changed = messages.index(sizes[1])
    for part in (messages[:changed], messages[changed:]):
        crossed = [c for m in part if isinstance(m, Seen) for c in m.crossings]
        assert [(c.line, c.direction) for c in crossed] == [("gate", 1)]
    tracks = [c.track for m in messages if isinstance(m, Seen) for c in m.crossings]
    assert len(set(tracks)) == 2, "an id is never used twice"
    assert caplog.text.count("changed its picture to 480x288") == 1
    assert not [m for m in messages if isinstance(m, Ended) and m.reason]


class Mjpeg(BaseHTTPRequestHandler):
    """Sends pictures in one answer without end; number 10, and all from 25 on, are larger."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        rng = np.random.default_rng(1)
        number = 0
        server: Any = self.server
        while not server.gone.wait(0.02):
            size = SIZES[number == 10 or number >= 25]
            _, jpeg = cv2.imencode(".jpg", street(number % FRAMES, *size, rng))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
            number += 1

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def mjpeg() -> Iterator[str]:
    """Address of a camera that is set to another resolution."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Mjpeg)
    server.gone, server.handle_error = Event(), lambda *_: None
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a.mjpg"
    server.gone.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_single_odd_picture_is_left_out(mjpeg: str) -> None:
    with open_video(Camera(source=mjpeg), utc_now) as video:
        frames = list(islice(video.frames, 40))
    shapes = [frame.image.shape[1::-1] for frame in frames]
    turn = shapes.index(SIZES[1])
    assert set(shapes[:turn]) == {SIZES[0]}
    assert set(shapes[turn:]) == {SIZES[1]}
    assert frames[turn].captured - frames[turn - 1].captured >= CHANGED, "until it was certain"
    assert video.dropped == frames[-1].number - 39, "the odd one, and those of this time"
    assert 20 < turn <= 24


def test_pictures_are_covered_whole_until_the_new_background_is_learnt(mjpeg: str) -> None:
    """Whom the old picture showed, and where, says nothing about the new one."""
    found: list[Message] = []

    def note(message: Message) -> None:
        found.append(message)
        watch.want_picture()
        if isinstance(message, Picture) and any(isinstance(m, Resized) for m in found):
            watch.stop()

    camera = Camera(source=mjpeg)
    watch = CameraWatch(camera, on_message=note, on_change=lambda _: None, device="town/cam")
    watch.run(until_done=True)
    picture = next(m for m in reversed(found) if isinstance(m, Picture))
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[1::-1] == SIZES[1]
    # every fourth row of the street is darker: nothing of that is left
    assert np.abs(np.diff(image.astype(int).mean(axis=(1, 2)))).mean() < 3
