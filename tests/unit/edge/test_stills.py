import os
import struct
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import MICROSECONDS, from_micros
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.sources import open_video
from edge.stills import MOST, POLL, arriving, by_name
from edge.video import Video

NOW = 1_777_878_000_000_000  # 2026-05-04 07:00:00 UTC


def picture(brightness: int, *, exif: bytes = b"", size: int = 64) -> bytes:
    _, jpeg = cv2.imencode(".jpg", np.full((48, size, 3), brightness, np.uint8))
    content = jpeg.tobytes()
    part = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif if exif else b""
    return content[:2] + part + content[2:]


def exif(original: str, subsecond: str, offset: str = "") -> bytes:
    """EXIF 2.31 of a camera: little-endian, one pointer to the folder that has the times."""
    texts = {0x9003: original, 0x9011: offset, 0x9291: subsecond}
    said = {tag: text.encode() + b"\0" for tag, text in texts.items() if text}
    at = 26 + 2 + 12 * len(said) + 4
    rows, rest = b"", b""
    for tag, text in said.items():
        short = len(text) <= 4
        rows += struct.pack("<HHI", tag, 2, len(text))
        rows += text.ljust(4, b"\0") if short else struct.pack("<I", at + len(rest))
        rest += b"" if short else text
    head = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    return b"Exif\0\0" + head + struct.pack("<H", len(said)) + rows + bytes(4) + rest


def captured(folder: Path, **keys: Any) -> tuple[list[int], Video]:
    camera = Camera.model_validate({"source": str(folder), "pace": "fast", **keys})
    with open_video(camera, lambda: NOW) as video:
        return [frame.captured for frame in video.frames], video


def test_times_of_exif_come_first(tmp_path: Path) -> None:
    for n in range(3):
        said = exif(f"2026:05:04 09:00:{n:02}", "25", "+02:00")
        (tmp_path / f"20200101_00000{n}.jpg").write_bytes(picture(n, exif=said))
    (tmp_path / "20200101_000009.jpg").write_bytes(picture(9))
    found, video = captured(tmp_path)
    assert found == [NOW + n * MICROSECONDS + 250_000 for n in range(3)]
    assert video.dropped == 1, "one says no such time"
    assert (video.width, video.height) == (64, 48)


def test_exif_without_a_zone_is_utc(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(0, exif=exif("2026:05:04 07:00:00", "")))
    assert captured(tmp_path)[0] == [NOW]


def test_times_of_names_come_next_and_then_those_of_the_files(tmp_path: Path) -> None:
    for n in (2, 10, 1):
        path = tmp_path / f"{n}.jpg"
        path.write_bytes(picture(n))
        seconds = NOW // MICROSECONDS + n
        os.utime(path, ns=(0, seconds * 10**9 + 5000))
    assert captured(tmp_path)[0] == [NOW + n * MICROSECONDS + 5 for n in (1, 2, 10)]
    for n in (2, 10, 1):
        (tmp_path / f"{n}.jpg").rename(tmp_path / f"cam_20260504-0700{n:02}.jpg")
    assert captured(tmp_path)[0] == [NOW + n * MICROSECONDS for n in (1, 2, 10)]
    found, _ = captured(tmp_path, start="2026-05-04T08:00:00Z")
    assert found == [NOW + (3600 + n) * MICROSECONDS for n in (0, 1, 9)], "moved to its start"


@pytest.mark.parametrize("name", ["a", "2026", "20261341_070000", "123456789012345678", "a99-1"])
def test_a_name_without_a_time_says_none(name: str) -> None:
    assert by_name(Path(name + ".jpg"), None) is None


@given(st.integers(1_000_000_000 * MICROSECONDS, 1_999_999_999 * MICROSECONDS))
def test_a_name_says_its_time(moment: int) -> None:
    date = from_micros(moment)
    for name in (f"{date:%Y%m%d%H%M%S%f}", f"x_{date:%Y-%m-%d_%H.%M.%S},{date:%f}", f"{moment}"):
        assert by_name(Path(name + ".jpg"), None) == moment


def test_a_given_rate_wins(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"2026-05-04 07-00-0{n}.jpg").write_bytes(picture(n))
    (tmp_path / "2026-05-04 07-00-02.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    found, video = captured(tmp_path, pictures_per_s=4, start="2026-05-04T07:00:00Z")
    assert found == [NOW + n * 250_000 for n in (0, 1, 3, 4)], "what is damaged leaves a gap"
    assert (video.dropped, video.rate, video.duration) == (1, 4.0, 1.25)
    found, _ = captured(tmp_path, pictures_per_s=4)
    assert found[0] == NOW - 1_250_000, "read fast it ends now"


def test_time_only_goes_forward(tmp_path: Path) -> None:
    for name in ("a_20260504070000", "b_20260504065900", "c_20260504070001"):
        (tmp_path / f"{name}.jpg").write_bytes(picture(0))
    found, video = captured(tmp_path)
    assert found == [NOW, NOW + MICROSECONDS]
    assert video.dropped == 1


@pytest.mark.parametrize("content", [None, b"", b"no picture", picture(0)[:200]])
def test_a_folder_without_pictures_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(SourceError, match="has no picture"):
        captured(tmp_path)


def test_keys_of_folders_are_for_folders(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"")
    with pytest.raises(SourceError, match="is no folder"):
        captured(tmp_path / "a.avi", pictures_per_s=4)
    with pytest.raises(ValueError, match="times of their own"):
        captured(tmp_path, grows=True, pictures_per_s=4)


def test_a_folder_is_watched(tmp_path: Path) -> None:
    """What was there is left out; what comes is taken, also if it is written in two pieces."""
    (tmp_path / "0.jpg").write_bytes(picture(0))
    now, written = 100.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now, written
        now += seconds
        written += 1
        content = picture(written)
        if written == 1:
            (tmp_path / "1.jpg").write_bytes(content[:100])
        elif written == 2:
            (tmp_path / "1.jpg").write_bytes(content)
            (tmp_path / "0.jpg").unlink()
        elif written == 5:
            (tmp_path / "0.jpg").write_bytes(content)

    found = arriving(tmp_path, 10.0, lambda: now, sleep)
    assert next(found) == tmp_path / "1.jpg"
    assert written == 3, "when it had been the same twice"
    assert next(found) == tmp_path / "0.jpg"
    began = now
    with pytest.raises(SourceError, match="no new picture for 10 s"):
        next(found)
    assert now - began == pytest.approx(10 + POLL, abs=POLL)


def test_a_folder_that_is_too_full_is_not_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST > 10_000
    monkeypatch.setattr("edge.stills.MOST", 2)
    for n in range(3):
        (tmp_path / f"{n}.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match="move the older ones"):
        next(arriving(tmp_path, 10.0, sleep=lambda _: None))


def test_a_folder_that_grows_is_a_camera(tmp_path: Path) -> None:
    stop = threading.Event()

    def camera() -> None:
        for n in range(60):
            new = tmp_path / f"{n}.tmp"
            new.write_bytes(picture(n))
            new.rename(tmp_path / f"cam-{NOW // MICROSECONDS + n}.jpg")
            if stop.wait(0.1):
                return

    thread = threading.Thread(target=camera)
    source = Camera(source=str(tmp_path), grows=True, lost_after_s=20)
    assert not source.is_file
    thread.start()
    try:
        with open_video(source, lambda: NOW) as video:
            found = [frame.captured for frame in islice(video.frames, 3)]
    finally:
        stop.set()
        thread.join()
    assert np.diff(found).tolist() == [MICROSECONDS] * 2


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        next(arriving(tmp_path / "none", 1.0))
