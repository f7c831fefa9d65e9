import re
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import MICROSECONDS
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.sources import Timeline, _paced, _timed, open_video
from edge.video import Video

NOW = 1_777_878_000_000_000


def camera(path: Path | str, **keys: Any) -> Camera:
    return Camera.model_validate({"source": str(path), "pace": "fast", **keys})


def captured(path: Path, **keys: Any) -> tuple[list[int], Video]:
    with open_video(camera(path, **keys), lambda: NOW) as video:
        return [frame.captured for frame in video.frames], video


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write an MJPEG recording whose frames have these stamps [us]."""

    def write(stamps: list[int], name: str = "a.nut", size: int = 64, codec: str = "mjpeg") -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = size, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if codec == "mjpeg":
                stream.time_base = stream.codec_context.time_base = Fraction(1, MICROSECONDS)
            for n, stamp in enumerate(stamps):
                frame = av.VideoFrame.from_ndarray(
                    np.full((48, size, 3), n % 256, np.uint8), format="bgr24"
                )
                frame.pts, frame.time_base = stamp, Fraction(1, MICROSECONDS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


def test_stamps_of_the_stream_are_capture_times(write: Any) -> None:
    stamps = [NOW + n * 100_000 + (n % 3) for n in range(20)]
    found, video = captured(write(stamps), clock="pts")
    assert found == stamps
    assert (video.width, video.height, video.dropped) == (64, 48, 0)


def test_a_recording_is_anchored_once(write: Any) -> None:
    stamps = [5_000_000 + n * 33_333 for n in range(20)]
    offsets = [n * 33_333 for n in range(20)]
    path = write(stamps)
    found, _ = captured(path, start="2026-05-04T07:00:00Z")
    assert found == [NOW + offset for offset in offsets]
    found, _ = captured(path, pace="realtime")
    assert found == [NOW + offset for offset in offsets], "the first frame is now"


def test_a_recording_read_fast_ends_now(shared_data: Path) -> None:
    found, _ = captured(shared_data / "video" / "cars_overhead.mp4")
    assert found[-1] <= NOW
    assert NOW - found[-1] < 0.2 * MICROSECONDS


def test_avi_with_b_frames_goes_forward_at_its_rate(shared_data: Path) -> None:
    """60 frames a second whose pts, as far as AVI has any, go back and forth."""
    found, video = captured(shared_data / "video" / "highway_320x240.avi")
    assert len(found) == 1699
    assert video.dropped == 0
    assert set(np.diff(found).tolist()) <= {16_666, 16_667}


def test_malformed_frames_are_read_as_far_as_they_can_be(shared_data: Path) -> None:
    found, _ = captured(shared_data / "video" / "malformed.avi")
    assert len(found) == 51


def test_corrupt_packets_are_skipped_and_counted(shared_data: Path, tmp_path: Path) -> None:
    content = bytearray((shared_data / "video" / "cars_overhead.mp4").read_bytes())
    rng = np.random.default_rng(1)
    for place in rng.integers(100_000, len(content) - 100_000, 200):
        content[place : place + 50] = rng.bytes(50)
    path = tmp_path / "scratched.mp4"
    path.write_bytes(content)
    found, video = captured(path)
    assert 0 < video.dropped < 377
    assert len(found) + video.dropped == 377
    assert found == sorted(set(found))


def test_packets_that_are_no_pictures_are_skipped_and_counted(write: Any) -> None:
    path = write([n * 100_000 for n in range(10)])
    content = bytearray(path.read_bytes())
    pictures = [match.start() for match in re.finditer(b"\xff\xd8\xff", content)]
    assert len(pictures) == 10
    for n in (3, 6):
        end = content.index(b"\xff\xd9", pictures[n]) + 2
        content[pictures[n] : end] = bytes(end - pictures[n])
    path.write_bytes(content)
    found, video = captured(path, start="2026-05-04T07:00:00Z")
    assert [(t - NOW) // 100_000 for t in found] == [0, 1, 2, 4, 5, 7, 8, 9]
    assert video.dropped == 2


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.ts", "a.flv"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_good_rest_of_a_damaged_recording_is_read_on(write: Any, name: str, seed: int) -> None:
    path = write(
        [n * 100_000 for n in range(200)], name, codec="mpeg4" if name != "a.flv" else "flv1"
    )
    content = bytearray(path.read_bytes())
    middle, length = len(content) // 2, len(content) // 10
    content[middle : middle + length] = np.random.default_rng(seed).bytes(length)
    path.write_bytes(content)
    found, video = captured(path, start="2026-05-04T07:00:00Z")
    gap = np.argmax(np.diff(found))
    assert len(found) >= 100, "half of it at least"
    assert len(found) - gap > 40, "and much of the rest"
    if name != "a.avi":  # it keeps no times but by the number of frames
        assert found[-1] - found[0] == pytest.approx(19.9 * MICROSECONDS, rel=0.02), "to its end"
    assert video.dropped < 200 - len(found) + 1


def test_damage_that_cannot_be_read_over_ends_a_recording_and_is_counted(write: Any) -> None:
    path = write([n * 100_000 for n in range(100)])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:] = np.random.default_rng(1).bytes(len(content) - middle)
    path.write_bytes(content)
    found, video = captured(path, start="2026-05-04T07:00:00Z")
    assert 40 <= len(found) <= 55
    assert video.dropped >= 1


@pytest.mark.parametrize("content", [None, b"", b"no video", b"RIFF" + bytes(4000)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.avi"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.avi"):
        captured(path)


@pytest.mark.parametrize("source", ["usb:none", "usb:99", "tcp://127.0.0.1:1"])
def test_a_live_source_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(SourceError, match=source), open_video(camera(source), lambda: NOW):
        pass


def decoded(stamps: list[int], size: int = 64) -> Any:
    for stamp in stamps:
        yield stamp, av.VideoFrame(size, 48, "bgr24")


def test_time_never_goes_back() -> None:
    video, line = Video(64, 48, 10.0), Timeline(lambda: NOW, offset=0, live=False)
    found = [f.captured for f in _timed(decoded([1, 5, 4, 5, 6]), video, line, None)]
    assert found == [1, 5, 6]
    assert video.dropped == 2


def test_a_camera_that_started_anew_is_opened_anew() -> None:
    video, line = Video(64, 48, 10.0), Timeline(lambda: NOW, offset=0, live=False)
    with pytest.raises(SourceError, match=r"went back by 8\.0 s"):
        list(_timed(decoded([10 * MICROSECONDS, 2 * MICROSECONDS]), video, line, None))


def sized(*sizes: int) -> Any:
    for stamp, size in enumerate(sizes):
        yield stamp * 500_000, av.VideoFrame(size, 48, "bgr24")


def test_another_size_is_taken_when_it_stays() -> None:
    video, line = Video(64, 48, 10.0), Timeline(lambda: NOW, offset=0, live=False)
    sizes = (64, 32, 64, 32, 96, 32, 32, 64, 96, 96, 96, 96, 64, 64, 64)
    found = [
        (f.captured // 500_000, f.image.shape[1], video.width)
        for f in _timed(sized(*sizes), video, line, None)
    ]
    assert found == [
        (0, 64, 64),
        (2, 64, 64),
        (7, 64, 64),
        (10, 96, 96),
        (11, 96, 96),
        (14, 64, 64),
    ]
    assert video.dropped == len(sizes) - len(found)


def test_a_few_pictures_of_another_size_are_damaged() -> None:
    video, line = Video(64, 48, 10.0), Timeline(lambda: NOW, offset=0, live=False)
    stream = chain(decoded([1]), decoded([2, 1_900_000], size=32), decoded([2_000_000]))
    found = [f.captured for f in _timed(stream, video, line, None)]
    assert (found, video.dropped) == ([1, 2_000_000], 2)


def test_what_is_too_old_is_left_out() -> None:
    video, line = Video(64, 48, 10.0), Timeline(lambda: NOW, offset=0, live=False)
    found = [f.captured for f in _timed(decoded([1, 2, 3, 4]), video, line, lambda: 3)]
    assert found == [3, 4]
    assert video.dropped == 2


class Watch:
    """A clock that goes on when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(("work", "naps"), [(0.03, [0.07] * 4), (0.2, [])])
def test_a_recording_runs_at_its_own_speed(work: float, naps: list[float]) -> None:
    watch = Watch()
    stamps = [7 * MICROSECONDS + n * 100_000 for n in range(5)]
    for _ in _paced(decoded(stamps), watch.monotonic, watch.sleep):
        watch.now += work
    assert watch.naps == pytest.approx(naps)


def test_what_a_live_camera_had_kept_does_not_move_its_time() -> None:
    """It begins with 1.5 s at once; afterwards each frame comes 30 ms after its capture."""
    now = 0
    line = Timeline(lambda: now, live=True)
    errors = []
    for n in range(100):
        true = n * 100_000
        now = max(true + 30_000, 1_500_000 + n)
        if (captured := line.captured(true)) is not None:
            errors.append(captured - true)
    assert set(errors) == {30_000}
    assert len(errors) == 100 - 35


def test_a_camera_that_is_never_caught_up_with_is_opened_anew() -> None:
    video, line = Video(64, 48, 10.0), Timeline(lambda: NOW, offset=0, live=False)
    stamps = [n * MICROSECONDS for n in range(20)]
    with pytest.raises(SourceError, match="too slow"):
        list(_timed(decoded(stamps), video, line, lambda: NOW))
    assert video.dropped == 11


@given(st.floats(-150e-6, 150e-6), st.integers(0, 1 << 30))
def test_a_live_camera_is_followed_whatever_its_crystal_does(drift: float, seed: int) -> None:
    """A day of frames that arrive 20 ms late or later: no drift, no jump."""
    jitter = np.random.default_rng(seed).exponential(30_000, 8640).astype(int)
    now = 0
    line = Timeline(lambda: now, live=True)
    errors = []
    for n in range(8640):
        true = n * 10 * MICROSECONDS
        now = true + 20_000 + int(jitter[n])
        captured = line.captured(int(true * (1 + drift)))
        errors.append(0 if captured is None else captured - true)
    settled = np.array(errors[1000:])
    assert np.abs(settled).max() < 200_000
    assert np.abs(np.diff(settled)).max() < 110_000
