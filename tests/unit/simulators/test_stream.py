import io

import av
import cv2
import numpy as np

from simulators.render import to_jpeg
from simulators.stream import NutStream

START = 1_777_878_000_123_457


def pictures(count: int) -> list[np.ndarray]:
    return [np.full((90, 160, 3), 10 * k, np.uint8) for k in range(count)]


def test_pictures_arrive_with_their_captured_microsecond() -> None:
    stream = NutStream(160, 90, 10.0)
    times = [START + 100_000 * k + 7 * k for k in range(12)]
    data = b"".join(stream.encode(to_jpeg(p), t) for p, t in zip(pictures(12), times, strict=True))
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
        unit = container.streams.video[0].time_base
    assert [frame.pts for frame in frames] == times
    assert unit is not None
    assert unit.denominator == 1_000_000 * unit.numerator
    assert [round(float(f.to_ndarray(format="gray").mean()), -1) for f in frames[:3]] == [0, 10, 20]


def test_each_picture_leaves_at_once() -> None:
    stream = NutStream(160, 90, 10.0)
    jpegs = [to_jpeg(p) for p in pictures(5)]
    sizes = [len(stream.encode(j, START + 100_000 * k)) for k, j in enumerate(jpegs)]
    assert all(size > len(jpeg) for size, jpeg in zip(sizes, jpegs, strict=True))


def test_a_jpeg_is_a_picture() -> None:
    picture = cv2.imdecode(np.frombuffer(to_jpeg(pictures(3)[2]), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert abs(float(picture.mean()) - 20) < 1
