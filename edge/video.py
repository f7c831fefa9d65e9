"""What an opened source is to those who read it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.sender_clock import SenderClock
from edge.vision.frames import Frame


@dataclass
class Video:
    """An opened source."""

    width: int
    height: int
    rate: float  # [1/s], 0 unknown
    duration: float = 0.0  # [s], 0 unknown
    frames: Iterator[Frame] = field(default_factory=lambda: iter(()))
    dropped: int = 0  # frames so far that were corrupt, out of order or too old
    sender: SenderClock | None = None  # tells by what the frames are timed, where that was asked
