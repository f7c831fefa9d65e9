"""Recordings as they come: turned, joined, with a preview beside, under a strange name."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.config import Camera
from edge.errors import SourceError
from edge.sources import open_video
from edge.video import Video
from edge.vision.frames import Frame
from edge.vision.small import small

NOW = 1_777_878_000_000_000
WIDTH, HEIGHT, RATE = 64, 48, 10
SHADES = (0, 85, 170, 255)  # of the quarters, clockwise from the top left


def picture() -> Any:
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    top, bottom = np.s_[: HEIGHT // 2], np.s_[HEIGHT // 2 :]
    left, right = np.s_[: WIDTH // 2], np.s_[WIDTH // 2 :]
    for shade, rows, columns in zip(
        SHADES, (top, top, bottom, bottom), (left, right, right, left), strict=True
    ):
        image[rows, columns] = shade
    return image


def write(path: Path, frames: int, *, turned: int = 0, preview: bool = False) -> Path:
    """Write pictures at 10/s; to be shown turned counter-clockwise. [degrees]."""
    codec = "mpeg2video" if path.suffix in (".ts", ".mkv") else "mjpeg"
    with av.open(str(path), "w") as container:
        if preview:
            other = container.add_stream("mjpeg", rate=RATE)
            other.width, other.height, other.pix_fmt = 16, 16, "yuvj420p"
        stream: Any = container.add_stream(codec, rate=25 if codec == "mpeg2video" else RATE)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuv420p" if codec == "mpeg2video" else "yuvj420p"
        if turned:
            stream.set_display_rotation(turned)
        if preview:
            small_one = np.zeros((16, 16, 3), np.uint8)
            container.mux(other.encode(av.VideoFrame.from_ndarray(small_one, format="bgr24")))
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="bgr24")))
        container.mux(stream.encode())
    return path


def read(path: Path | str, **keys: Any) -> tuple[list[Frame], Video]:
    given = {"source": str(path), "pace": "fast", "start": "2026-05-04T07:00:00Z", **keys}
    with open_video(Camera.model_validate(given), lambda: NOW) as video:
        return list(video.frames), video


def quarters(image: Any) -> tuple[int, ...]:
    """Index in `SHADES` of each quarter, clockwise from the top left."""
    height, width = image.shape[:2]
    places = [(1, 1), (1, 3), (3, 3), (3, 1)]
    found = [int(image[height * y // 4, width * x // 4].flat[0]) for y, x in places]
    return tuple(round(shade / 85) for shade in found)


@pytest.mark.parametrize(
    ("turned", "size", "shown"),
    [
        (0, (64, 48), (0, 1, 2, 3)),
        (90, (48, 64), (1, 2, 3, 0)),
        (180, (64, 48), (2, 3, 0, 1)),
        (-90, (48, 64), (3, 0, 1, 2)),
    ],
)
def test_what_is_to_be_shown_turned_is_turned(
    tmp_path: Path, turned: int, size: tuple[int, int], shown: tuple[int, ...]
) -> None:
    with open_video(
        Camera(source=str(write(tmp_path / "phone.mp4", 2, turned=turned)), pace="fast"),
        lambda: NOW,
    ) as video:
        assert (video.width, video.height) == size, "known before the first frame is taken"
        first, second = video.frames
    assert (first.width, first.height) == size
    assert quarters(first.image) == shown, "in colours"
    assert quarters(small(second).luma) == shown, "in what motion looks at"
    assert video.dropped == 0


def test_pieces_joined_to_one_recording_go_on_where_each_ends(tmp_path: Path) -> None:
    one = write(tmp_path / "one.ts", 40).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(one * 3)
    frames, video = read(path)
    steps = np.diff([frame.captured for frame in frames])
    lost = steps > 50_000
    assert (steps[~lost] == 40_000).all()
    assert lost.sum() == 2
    assert (steps[lost] == 120_000).all(), "two frames show that it was no damage"
    assert (len(frames), video.dropped) == (116, 4)
    assert [frames[0].number, frames[-1].number] == [0, 119]
    with pytest.raises(SourceError, match="time stamps went back"):
        read(path, clock="pts", start=None)


def test_a_preview_beside_is_not_the_video(tmp_path: Path) -> None:
    frames, video = read(write(tmp_path / "clip.mkv", 8, preview=True))
    assert (len(frames), video.width, video.height) == (8, WIDTH, HEIGHT)


def test_a_name_that_looks_like_a_protocol(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "žluť.mkv", 3).rename("http:10:30 %d žluť#1?.mkv")
    assert len(read("http:10:30 %d žluť#1?.mkv")[0]) == 3


def test_corrupt_frames_have_numbers(shared_data: Path, tmp_path: Path) -> None:
    """A truth that names frames counts them as any player does."""
    content = bytearray((shared_data / "video" / "cars_overhead.mp4").read_bytes())
    content[200_000:200_050] = bytes(50)
    path = tmp_path / "scratched.mp4"
    path.write_bytes(content)
    frames, video = read(path)
    assert video.dropped > 0
    assert frames[-1].number == 376
