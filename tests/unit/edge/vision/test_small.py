import av
import numpy as np
import pytest

from edge.decoded import Decoded
from edge.vision.frames import Frame
from edge.vision.small import small

SIZES = [(320, 240), (768, 576), (1280, 720), (1366, 768), (1920, 1080)]
FORMATS = ["yuv420p", "yuvj420p", "yuvj422p", "yuv444p", "nv12", "gray", "yuv420p10le"]


def street(width, height):
    """Picture of smooth colours."""
    y, x = np.mgrid[:height, :width]
    image = np.stack((60 + 120 * x / width, 80 + 100 * y / height, 200 - 150 * x / width), 2)
    return image.astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_as_wide_as_motion_looks_at(size):
    image = street(*size)
    picture = small(Frame(image, 0, 0))
    scale = max(size[0] / 480, 1)
    assert picture.scale == scale
    assert picture.planes.shape == (3, round(size[1] / scale), round(size[0] / scale))
    assert picture.luma.shape[1] <= 480
    assert picture.pixels.shape == (*picture.luma.shape, 3)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(320, 240), (1366, 768)])
def test_what_a_decoder_gives_looks_like_its_colours(name, size):
    frame = av.VideoFrame.from_ndarray(street(*size), format="bgr24").reformat(format=name)
    straight = small(Frame(Decoded(frame), 0, 0))
    by_colours = small(Frame(Decoded(frame).image(), 0, 0))
    off = np.abs(straight.planes.astype(int) - by_colours.planes)
    # limited chroma is not stretched: 224 levels for what the colours have 255 for
    assert off[0].mean() < 2
    assert off[1:].mean() < 12


def test_planes_are_not_copied_and_last_as_long_as_they_are_used():
    frame = Frame(Decoded(av.VideoFrame.from_ndarray(street(640, 360), format="bgr24").reformat(
        format="yuv420p")), 0, 0)  # fmt: skip
    planes = frame.planes
    assert planes is not None
    assert [plane.shape for plane in planes[:3]] == [(360, 640), (180, 320), (180, 320)]
    assert not planes.y.flags.owndata
    before = planes.y.copy()
    del frame
    assert np.array_equal(planes.y, before)


def test_masks_are_black():
    masks = [np.array([(0, 0), (640, 0), (640, 720), (0, 720)])]
    picture = small(Frame(street(1280, 720), 0, 0, masks))
    assert (picture.planes[:, :, :240] == np.reshape((0, 128, 128), (3, 1, 1))).all()
    assert (picture.luma[:, 242:] > 0).all()
