"""Cameras that are read over HTTP: MJPEG in a multipart answer, and HLS."""

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from contracts.clock import MICROSECONDS, utc_now
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.sources import open_video
from edge.wire import Message, Seen

RATE = 10
ACCOUNT = "Basic " + b64encode(b"user:secret").decode()


class Server(ThreadingHTTPServer):
    """An HTTP server that can hang: connections stay, nothing is said."""

    def __init__(self, handler: Any, port: int = 0) -> None:
        self.hung, self.gone = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that have gone."""


@contextmanager
def served(handler: Any, port: int = 0) -> Iterator[Server]:
    server = Server(handler, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.gone.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Mjpeg(BaseHTTPRequestHandler):
    """Sends a picture every tenth of a second in one answer without end (RFC 2046)."""

    server: Server

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != ACCOUNT:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.server.gone.wait(1 / RATE):
            if self.server.hung.is_set():
                continue
            _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), number % 200, np.uint8))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
            number += 1

    def log_message(self, *_: Any) -> None: ...


class Files(SimpleHTTPRequestHandler):
    """Serves a folder."""

    server: Server

    def do_GET(self) -> None:
        while self.server.hung.is_set() and not self.server.gone.wait(0.05):
            pass
        super().do_GET()

    def log_message(self, *_: Any) -> None: ...


def mjpeg(server: Server, **keys: Any) -> Camera:
    source = f"http://user:secret@127.0.0.1:{server.server_port}/a.mjpg"
    return Camera.model_validate({"source": source, **keys})


def test_mjpeg_is_captured_when_it_arrives() -> None:
    """Its stamps count the pictures as if they were 25 a second, which they are not."""
    before = utc_now()
    with served(Mjpeg) as server, open_video(mjpeg(server), utc_now) as video:
        frames = list(islice(video.frames, 12))
        after = utc_now()
    assert (video.width, video.height, video.dropped) == (64, 48, 0)
    assert before <= frames[0].captured < frames[-1].captured <= after
    apart = np.diff([frame.captured for frame in frames[2:]])
    assert np.median(apart) == pytest.approx(MICROSECONDS / RATE, rel=0.3)
    brightness = [frame.image.mean() for frame in frames]
    assert brightness == sorted(brightness), "in order"


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.sources.OPEN_TIMEOUT", 0.4)
    with served(Mjpeg) as server, open_video(mjpeg(server, lost_after_s=0.4), utc_now) as video:
        next(video.frames)
        server.hung.set()
        with pytest.raises(SourceError, match="gives nothing any more"):
            list(video.frames)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        for scheme in ("http", "rtsp", "tcp"):
            source = f"{scheme}://user:secret@127.0.0.1:{silent.getsockname()[1]}/a"
            with (
                pytest.raises(SourceError, match=r"not answer within 0\.4 s") as fault,
                open_video(Camera(source=source), utc_now),
            ):
                pass
            assert "secret" not in str(fault.value)


def test_a_wrong_password_is_told_without_telling_it() -> None:
    with served(Mjpeg) as server:
        camera = mjpeg(server).model_copy(
            update={"source": f"http://user:wrong@127.0.0.1:{server.server_port}/a.mjpg"}
        )
        with (
            pytest.raises(SourceError, match=r"user:\*\*\*@.*401 Unauthorized") as fault,
            open_video(camera, utc_now),
        ):
            pass
    assert "wrong" not in str(fault.value)


def test_a_server_that_comes_back_is_seen_again(
    eventually: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    messages: list[Message] = []
    changes: list[bool] = []
    with served(Mjpeg) as server:
        port = server.server_port
        camera = mjpeg(server, lost_after_s=2)
        watch = CameraWatch(camera, on_message=messages.append, on_change=changes.append)
        thread = threading.Thread(target=watch.run, kwargs={"until_done": False})
        thread.start()
        eventually("frames", lambda: any(isinstance(m, Seen) for m in messages))
    eventually("a lost camera", lambda: changes == [True, False])
    with served(Mjpeg, port):
        eventually("a camera that is back", lambda: changes == [True, False, True])
        watch.stop()
        thread.join()
    assert "secret" not in caplog.text
    assert caplog.text.count(f"camera http://user:***@127.0.0.1:{port}/a.mjpg lost") == 1


@pytest.fixture
def playlist(tmp_path: Path) -> Iterator[Path]:
    """A camera that writes segments of half a second, and deletes them again."""
    path, stopping, ready = tmp_path / "a.m3u8", threading.Event(), threading.Event()
    options = {
        "hls_time": "0.5",
        "hls_list_size": "4",
        "hls_flags": "delete_segments+temp_file",
    }

    def write() -> None:
        with av.open(str(path), "w", format="hls", options=options) as container:
            stream = container.add_stream("libx264", rate=RATE, options={"tune": "zerolatency"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.gop_size = RATE // 2
            number = 0
            while not stopping.wait(1 / RATE):
                image = np.full((48, 64, 3), number % 200, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(stream.encode(frame))
                number += 1
                if path.exists():
                    ready.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert ready.wait(20)
    yield path
    stopping.set()
    thread.join()


def test_hls_is_read_and_its_server_may_go_and_hang(playlist: Path) -> None:
    files = partial(Files, directory=str(playlist.parent))
    with served(files) as server:
        port = server.server_port
        camera = Camera(source=f"http://127.0.0.1:{port}/a.m3u8", lost_after_s=2)
        with open_video(camera, utc_now) as video:
            captured = [frame.captured for frame in islice(video.frames, 15)]
            after = utc_now()
            assert (video.width, video.height, video.dropped) == (64, 48, 0)
            assert np.diff(captured) == pytest.approx(MICROSECONDS / RATE, rel=0.05)
            assert after - 5 * MICROSECONDS < captured[-1] <= after
            server.hung.set()
            with pytest.raises(SourceError, match="gives nothing any more"):
                list(video.frames)
    with (
        pytest.raises(SourceError, match="cannot be opened: Connection refused"),
        open_video(camera, utc_now),
    ):
        pass
    with served(files, port), open_video(camera, utc_now) as video:
        assert next(video.frames).image.shape == (48, 64, 3)
