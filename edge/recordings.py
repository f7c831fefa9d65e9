"""Recordings as they come: turned on their sides, joined from several, with damaged stamps."""

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from contracts.clock import MICROSECONDS
from edge.decoded import Decoded
from edge.video import Video

USUAL_RATE: Final = 25.0
"""Rate that is taken where neither stamps nor the container tell any. [1/s]"""
JUMP: Final = MICROSECONDS
"""Stamps that go back by more than this mean that the camera started anew. [us]"""
PERSISTS: Final = 3
"""So many such stamps in a row are no damage."""


def step(video: Video) -> int:
    """Time from one frame to the next. [us]."""
    return int(MICROSECONDS / (video.rate or USUAL_RATE))


def upright(frames: Iterator[tuple[int, Any]], video: Video) -> Iterator[tuple[int, Any]]:
    """Let the first frame say whether the pictures lie on their sides."""
    first = next(frames, None)
    if first is None:
        return frames
    size = video.height, video.width
    picture = Decoded(first[1])
    if picture.is_turned and (picture.width, picture.height) == size:
        video.width, video.height = size
    return chain([first], frames)


def joined(frames: Iterator[tuple[int, Any]], video: Video) -> Iterator[tuple[int, Any]]:
    """Let a recording go on where its stamps begin anew: it was put together from several.

    A stamp alone that goes back, or far ahead, is damaged; its frame gets no time of its own.
    """
    shift = back = 0
    first = last = None
    piece = video.duration
    for stamp, frame in frames:
        if first is None or last is None:
            first = last = stamp
        back = back + 1 if stamp + shift < last - JUMP else 0
        if back == PERSISTS:
            shift = last + PERSISTS * step(video) - stamp
            video.duration += piece  # what the container states is that of one of them
            back = 0
        if not back and stamp + shift - first <= longest(video):
            last = stamp + shift
        yield last, frame


def longest(video: Video) -> float:
    """How long a video can be [us]: some formats estimate it, but a stamp far beyond is damaged."""
    return (2 * video.duration + 60) * MICROSECONDS if video.duration else math.inf
