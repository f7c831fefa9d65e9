"""Cameras that speak RTSP, as GStreamer's server does."""

import signal
import threading
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from contracts.clock import MICROSECONDS, utc_now
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.sources import open_video
from edge.wire import Message, Seen
from tests.integration.edge.sources import certificates
from tests.integration.edge.sources.pictures import missing, read_picture
from tests.integration.edge.sources.proxy import Link

Start = Callable[..., Any]
PASSWORD = "p@ss:w/d"  # noqa: S105  # all that would end it early in an address


def camera(url: str, **keys: Any) -> Camera:
    return Camera.model_validate({"source": url, "lost_after_s": 5, **keys})


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "jpeg"])
def test_every_picture_comes_once_and_in_order(
    rtsp_server: Start, transport: str, codec: str
) -> None:
    server = rtsp_server(codec=codec, rate=20)
    with open_video(camera(server.url, transport=transport), utc_now) as video:
        frames = list(islice(video.frames, 30))
    taken = [read_picture(frame.image) for frame in frames]
    assert missing([picture.number for picture in taken]) == 0
    assert (video.width, video.height, video.dropped) == (320, 240, 0)
    for frame, picture in zip(frames, taken, strict=True):
        assert 0 < frame.captured - picture.at < 0.5 * MICROSECONDS, "on arrival"


def test_the_account_is_the_cameras_own_and_is_told_to_nobody(rtsp_server: Start) -> None:
    server = rtsp_server(user="admin", password=PASSWORD)
    with open_video(camera(server.url, user="admin", password=PASSWORD), utc_now) as video:
        assert next(video.frames).image.shape == (240, 320, 3)
    for keys in ({"user": "admin", "password": "hunter2"}, {}):
        with (
            pytest.raises(SourceError, match="401 Unauthorized") as fault,
            open_video(camera(server.url, **keys), utc_now),
        ):
            pass
        assert "hunter2" not in str(fault.value)


def test_a_certificate_is_verified(rtsp_server: Start, tmp_path: Path) -> None:
    good = certificates.make(tmp_path / "good", "IP:127.0.0.1")
    other = certificates.make(tmp_path / "other", "DNS:elsewhere.example")
    server = rtsp_server(certificate=str(good.server))
    with open_video(camera(server.url, ca=str(good.ca)), utc_now) as video:
        assert next(video.frames).image.shape == (240, 320, 3)
    stranger = rtsp_server(certificate=str(other.server))
    for url, ca in (
        (server.url, other.ca),  # of another authority
        (server.url, None),  # of one that the system does not know
        (stranger.url, other.ca),  # of the right one, for another name
    ):
        with (
            pytest.raises(SourceError, match="cannot be opened"),
            open_video(camera(url, ca=ca and str(ca)), utc_now),
        ):
            pass


def test_the_cameras_clock_is_not_late_however_slow_the_link(rtsp_server: Start) -> None:
    server = rtsp_server()
    errors = {}
    with Link(server.port, delay=0.3) as link:
        for clock in ("rtcp", "arrival"):
            source = f"rtsp://127.0.0.1:{link.port}/camera"
            with open_video(camera(source, clock=clock), utc_now) as video:
                frames = list(islice(video.frames, 15))
            errors[clock] = [f.captured - read_picture(f.image).at for f in frames]
            if video.sender is not None:
                assert video.sender.told is not None
                assert video.sender.told.clock == "rtcp"
                assert 0.3 < video.sender.told.delay / MICROSECONDS < 0.6
    assert max(map(abs, errors["rtcp"])) < 5_000
    assert min(errors["arrival"]) > 0.3 * MICROSECONDS


def test_a_clock_that_is_wrong_is_not_believed(rtsp_server: Start) -> None:
    server = rtsp_server()
    wrong = camera(server.url, clock="rtcp")
    with open_video(wrong, lambda: utc_now() + 3 * MICROSECONDS) as video:
        frame = next(video.frames)
    assert video.sender is not None
    assert video.sender.told is not None
    assert video.sender.told.clock == "arrival"
    assert "s behind this machine's" in video.sender.told.reason
    assert frame.captured > utc_now() + MICROSECONDS, "by this machine's clock"


def test_a_server_that_hangs_is_given_up(
    rtsp_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.OPEN_TIMEOUT", 5.0)
    server = rtsp_server()
    with open_video(camera(server.url, lost_after_s=1), utc_now) as video:
        next(video.frames)
        server.signal(signal.SIGSTOP)
        with pytest.raises(SourceError, match="gives nothing any more"):
            list(video.frames)
    monkeypatch.setattr("edge.sources.OPEN_TIMEOUT", 0.5)
    with (
        pytest.raises(SourceError, match=r"does not answer within 0\.5 s"),
        open_video(camera(server.url), utc_now),
    ):
        pass
    server.signal(signal.SIGCONT)
    monkeypatch.setattr("edge.sources.OPEN_TIMEOUT", 10.0)
    with open_video(camera(server.url), utc_now) as video:
        next(video.frames)


def test_a_server_that_was_killed_is_seen_again(
    rtsp_server: Start, eventually: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = rtsp_server(user="admin", password=PASSWORD, rate=20)
    messages: list[Message] = []
    changes: list[bool] = []
    watch = CameraWatch(
        camera(server.url, user="admin", password=PASSWORD, clock="rtcp", lost_after_s=3),
        on_message=messages.append,
        on_change=changes.append,
    )
    thread = threading.Thread(target=watch.run, kwargs={"until_done": False})
    thread.start()
    try:
        eventually("frames", lambda: len(captured(messages)) > 20)
        server.kill()
        eventually("a lost camera", lambda: changes == [True, False])
        before = len(captured(messages))
        server.start()
        eventually("it is back", lambda: len(captured(messages)) > before + 20)
    finally:
        watch.stop()
        thread.join()
    assert changes == [True, False, True]
    times = captured(messages)
    assert all(one < other for one, other in pairwise(times)), "no frame twice"
    assert np.median(np.diff(times)) == pytest.approx(MICROSECONDS / 20, rel=0.2)
    assert PASSWORD not in caplog.text
    assert caplog.text.count("camera is timed by its own clock") == 1, "said once"


def captured(messages: list[Message]) -> list[int]:
    return [message.captured for message in list(messages) if isinstance(message, Seen)]


def test_damaged_packets_cost_their_pictures_only(rtsp_server: Start) -> None:
    server = rtsp_server(rate=30)
    with Link(server.port, seed=7) as link:
        source = f"rtsp://127.0.0.1:{link.port}/camera"
        with open_video(camera(source), utc_now) as video:
            good = [read_picture(frame.image).number for frame in islice(video.frames, 10)]
            assert (missing(good), video.dropped) == (0, 0)
            link.damage = 0.3
            numbers = [read_picture(frame.image).number for frame in islice(video.frames, 60)]
            link.damage = 0.0
            dropped = video.dropped
            list(islice(video.frames, 40))  # what was under way, and up to the next key frame
            after = [read_picture(frame.image) for frame in islice(video.frames, 10)]
    assert link.damaged > 5
    assert dropped > 0
    assert len(numbers) == 60, "it went on"
    assert missing([picture.number for picture in after]) == 0, "and was whole again"


def test_an_agent_with_a_bad_link_neither_dies_nor_grows(
    rtsp_server: Start, eventually: Callable[..., Any]
) -> None:
    server = rtsp_server(rate=30)
    messages: list[Message] = []
    changes: list[bool] = []
    with Link(server.port, seed=3) as link:
        watch = CameraWatch(
            camera(f"rtsp://127.0.0.1:{link.port}/camera"),
            on_message=messages.append,
            on_change=changes.append,
        )
        thread = threading.Thread(target=watch.run, kwargs={"until_done": False})
        thread.start()
        try:
            link.damage = 0.2
            eventually("frames", lambda: len(captured(messages)) > 40)
            pid = watch.pid
            assert pid is not None
            began = psutil.Process(pid).memory_info().rss
            eventually("more frames", lambda: len(captured(messages)) > 160)
            assert watch.pid == pid, "the process that had begun"
            grown = psutil.Process(pid).memory_info().rss - began
        finally:
            watch.stop()
            thread.join()
    assert changes == [True]
    assert max(m.dropped for m in messages if isinstance(m, Seen)) > 0
    assert grown < 8 << 20
