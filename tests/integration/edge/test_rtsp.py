import socket
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any, Self

import av
import numpy as np
import pytest

from contracts.clock import MICROSECONDS, utc_now
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.sources import open_video

WIDTH, HEIGHT, RATE = 320, 240, 10


class RtspCamera:
    """A camera that speaks RTSP over TCP (RFC 2326) to one client at a time.

    FFmpeg makes the RTP packets, this carries them. `silent` stops the pictures, not the
    connection.
    """

    def __init__(self) -> None:
        self.silent = threading.Event()
        self._stopping = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(("127.0.0.1", 0))
        self._packets.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve)
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/camera"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._server.close()
        self._packets.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            with client:
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        requests = client.makefile("rb")
        while not self._stopping.is_set():
            lines = iter(lambda: requests.readline().decode().strip(), "")
            head = list(lines)
            if not head:
                return
            method = head[0].split()[0]
            number = next(line for line in head if line.lower().startswith("cseq"))
            more, body = "Session: 1\r\n", ""
            if method == "OPTIONS":
                more = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 26\r\na=control:video\r\n"
                )
                more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            client.sendall(f"RTSP/1.0 200 OK\r\n{number}\r\n{more}\r\n{body}".encode())
            if method == "PLAY":
                self._play(client)
                return

    def _play(self, client: socket.socket) -> None:
        port = self._packets.getsockname()[1]
        with av.open(f"rtp://127.0.0.1:{port}?pkt_size=1200", "w", format="rtp") as rtp:
            stream = rtp.add_stream("mjpeg", rate=RATE, options={"huffman": "default"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
            stream.codec_context.time_base = Fraction(1, RATE)
            number = 0
            while not self._stopping.wait(1 / RATE):
                if self.silent.is_set():
                    continue
                image = np.full((HEIGHT, WIDTH, 3), number % 200, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
                    format="yuvj420p"
                )
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                rtp.mux(stream.encode(frame))
                number += 1
                try:
                    self._forward(client)
                except OSError:
                    return  # the client has gone

    def _forward(self, client: socket.socket) -> None:
        """Send what FFmpeg has made of a picture: its last packet bears the marker."""
        while True:
            try:
                packet = self._packets.recv(1 << 16)
            except TimeoutError:
                return
            if packet[1] & 0x7F == 26:  # RTP of the picture, not RTCP
                client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                if packet[1] & 0x80:
                    return


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    with RtspCamera() as camera:
        yield camera


def test_frames_come_with_their_capture_times(camera: RtspCamera) -> None:
    before = utc_now()
    with open_video(Camera(source=camera.url), utc_now) as video:
        frames = list(islice(video.frames, 10))
        after = utc_now()
    assert (video.width, video.height) == (WIDTH, HEIGHT)
    assert all(frame.image.shape == (HEIGHT, WIDTH, 3) for frame in frames)
    assert before <= frames[0].captured < frames[-1].captured <= after
    for one, other in pairwise(frames):
        assert other.captured - one.captured == pytest.approx(MICROSECONDS / RATE, rel=0.02)
        assert one.image.mean() < other.image.mean() + 1, "in order"


def test_a_camera_that_falls_silent_is_lost(camera: RtspCamera) -> None:
    with open_video(Camera(source=camera.url, lost_after_s=0.5), utc_now) as video:
        next(video.frames)
        camera.silent.set()
        with pytest.raises(SourceError, match="gives nothing any more"):
            list(video.frames)


def test_the_agent_comes_back_to_a_camera_that_does(
    camera: RtspCamera, platform: Any, run_agent: Any, eventually: Callable[..., Any]
) -> None:
    agent = run_agent(camera__source=camera.url, camera__lost_after_s="1")
    eventually("frames", lambda: platform.values("camera.frames"))
    camera.silent.set()
    eventually("a lost camera", lambda: platform.events("camera.lost"))
    camera.silent.clear()
    eventually("a camera that is back", lambda: platform.events("camera.back"))
    assert agent.terminate() == 0
    assert agent.log.count("gives nothing any more") == 1, "said once"
