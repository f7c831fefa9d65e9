"""Where frames wait, in memory alone, until it is known what to hide in them.

A frame that is wanted is kept for `AHEAD`; only then does its pixelated picture leave. What still
waits when the source ends is never shown.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from contracts.clock import from_micros
from contracts.version import __version__
from edge.configuration.camera import Camera
from edge.models.file import checksum
from edge.proof import Proof, packed, stamp
from edge.vision.frames import Boxes, Frame, Image
from edge.vision.privacy import AHEAD, HOLD, VERSION, Hidden, Veil, pixelate
from edge.wire import Picture

STILL: Final = "still"
LIVE: Final = "live"
SNAPSHOT: Final = "snapshot"

ASKED: Final = 5.0
"""For so long after it was asked the process makes pictures [s] ..."""
PERIOD: Final = 0.5
"""... this far apart; those of a live view as far as was asked. [s]"""
LARGEST: Final = {STILL: 1280, SNAPSHOT: 1280, LIVE: 640}
"""Longer side of a picture. [px]"""
QUALITY: Final = {STILL: 70, SNAPSHOT: 80, LIVE: 60}
"""Of the JPEG. [%]"""
WAITING: Final = 30  # frames; full: no more are kept, snapshots wait for the next frame
SNAPSHOTS: Final = 20  # that are asked for; full: the oldest is not made
_SNAPSHOT: Final = re.compile(rb"snapshot ([A-Za-z0-9-]{1,64}) ([a-z0-9._-]{1,64})\n")
_LIVE: Final = re.compile(rb"live (\d{1,3}(?:\.\d{1,6})?)\n")


class Wish(NamedTuple):
    """What somebody wants a picture for."""

    purpose: str  # STILL, LIVE or SNAPSHOT
    snapshot: str = ""  # its id
    kind: str = ""  # what it is to show


class Requests:
    """Pictures that the agent asks for, line by line.

    ``picture`` asks for stills during the next seconds, ``live PERIOD`` for a live view during the
    next seconds, ``snapshot ID KIND`` for one picture. Lines come in one thread and are answered in
    another.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._asked = dict.fromkeys((STILL, LIVE), -ASKED)
        self._made = dict.fromkeys((STILL, LIVE), -ASKED)
        self._period = dict.fromkeys((STILL, LIVE), PERIOD)
        self._snapshots = deque[Wish](maxlen=SNAPSHOTS)

    def take(self, line: bytes) -> None:
        """Take in a line; what is no request is none."""
        if line == b"picture\n":
            self._asked[STILL] = self._monotonic()
        elif live := _LIVE.fullmatch(line):
            self._period[LIVE] = float(live[1])
            self._asked[LIVE] = self._monotonic()
        elif snapshot := _SNAPSHOT.fullmatch(line):
            self.snapshot(snapshot[1].decode(), snapshot[2].decode())

    def snapshot(self, name: str, kind: str) -> None:
        """Ask for one picture of what is shown next."""
        self._snapshots.append(Wish(SNAPSHOT, name, kind))

    def due(self) -> list[Wish]:
        """Wishes that the frame at hand is to fulfil."""
        now, wishes = self._monotonic(), []
        for purpose, asked in self._asked.items():
            soon = now - self._made[purpose] < self._period[purpose]
            if now - asked <= ASKED and not soon:
                self._made[purpose] = now
                wishes.append(Wish(purpose))
        while self._snapshots:
            wishes.append(self._snapshots.popleft())
        return wishes


class _Kept(NamedTuple):
    image: Image  # reduced
    size: tuple[int, int]  # width and height as decoded [px]
    captured: int  # [us]
    boxes: int
    wishes: Sequence[Wish]


class Darkroom:
    """Makes the pictures of one camera, of which nobody else has the frames."""

    def __init__(self, camera: Camera, device: str) -> None:
        self._device = device
        self._camera = camera
        self._masks: list[list[tuple[int, int]]] = []
        self._model = None if camera.detector is None else checksum(camera.detector)
        self._veil: Veil | None = None
        self._size = (0, 0)
        self._kept: deque[_Kept] = deque()

    def step(self, frame: Frame, boxes: Boxes, wishes: Sequence[Wish]) -> list[Picture]:
        """Take in a frame with the boxes (n, 4) [px] of whom it shows; give what is ready.

        Parameters
        ----------
        wishes
            What this frame is wanted for: its pictures come with a later frame.
        """
        height, width = frame.height, frame.width
        if self._veil is None or self._size != (width, height):
            self._kept.clear()  # nobody knows any more what to hide in them
            self._veil, self._size = Veil(width, height), (width, height)
            masks = self._camera.masks_at(width, height)
            self._masks = [[(int(x), int(y)) for x, y in mask] for mask in masks]
        ready = self._ready(self._veil, frame.captured)
        wishes = wishes if len(self._kept) < WAITING else []
        self._veil.step(frame, boxes, shown=bool(wishes))
        if wishes:
            side = max(LARGEST[wish.purpose] for wish in wishes)
            image = _reduced(frame.image, side)
            kept = _Kept(image, self._size, frame.captured, len(boxes), wishes)
            self._kept.append(kept)
        return ready

    def _ready(self, veil: Veil, now: int) -> list[Picture]:
        """Develop what has waited long enough; `now` is later than all that the veil knows."""
        pictures = []
        while self._kept and now - self._kept[0].captured > AHEAD * 1e6:
            kept = self._kept.popleft()
            hidden = veil.hidden(kept.captured, kept.boxes)
            pictures += [self._develop(kept, hidden, wish) for wish in kept.wishes]
        return pictures

    def _develop(self, kept: _Kept, hidden: Hidden, wish: Wish) -> Picture:
        image = pixelate(_reduced(kept.image, LARGEST[wish.purpose]), hidden.cells)
        quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY[wish.purpose]]
        _, jpeg = cv2.imencode(".jpg", image, quality)
        rows, columns = hidden.cells.shape
        proof = Proof(
            device=self._device,
            captured=from_micros(kept.captured).isoformat(),
            method=VERSION,
            software=__version__,
            model=self._model,
            frame=kept.size,
            grid=(rows, columns),
            cells=packed(hidden.cells),
            hidden=round(hidden.share, 4),
            boxes=hidden.boxes,
            masks=self._masks,
            hold=HOLD,
            ahead=AHEAD,
            purpose=wish.purpose,
            snapshot=wish.snapshot,
            kind=wish.kind,
        )
        return Picture(kept.captured, stamp(jpeg.tobytes(), proof), wish.purpose, wish.snapshot)


def _reduced(image: Image, side: int) -> Image:
    """Image whose longer side has at most so many pixels: a copy if it had more."""
    height, width = image.shape[:2]
    scale = side / max(width, height)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
