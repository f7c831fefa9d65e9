"""The picture to click on: of the camera, with nobody recognisable in it, or one that was given."""

import threading
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import cv2
import numpy as np

from edge.calibration.read import CalibrationError
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.proof import read_proof
from edge.vision.backdrop import PROVEN
from edge.vision.privacy import AHEAD
from edge.wire import Message, Opened, Picture, Seen

PATIENCE: Final = 30.0
"""How long a camera may take to open. [s]"""
LEARNING: Final = round((PROVEN + AHEAD) * 1e6)
"""Until about then a camera's process shows nothing of the street. [us]"""
QUALITY: Final = 90


class Shown(NamedTuple):
    """A picture and how much longer it takes until one shows the street itself."""

    jpeg: bytes  # none: there is no picture yet
    learning: float  # [s]


class Source(Protocol):
    """Where pictures come from."""

    def size(self) -> tuple[int, int]:
        """Width and height. [px]."""

    def shown(self) -> Shown:
        """Give the newest picture."""

    def close(self) -> None:
        """Give no more."""


class Still:
    """A picture that the installer gives; what the camera must never show is black in it, too."""

    def __init__(self, path: Path, camera: Camera) -> None:
        data = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else None
        image = None if data is None else cv2.imdecode(data, cv2.IMREAD_COLOR)
        if image is None:
            msg = f"{path}: no picture; give a JPEG or PNG of what the camera shows"
            raise CalibrationError(msg)
        self._size = image.shape[1], image.shape[0]
        vision = camera.opened(*self._size).vision(*self._size)
        cv2.fillPoly(image, [np.round(mask).astype(np.int32) for mask in vision.masks], (0, 0, 0))
        self._jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()

    def size(self) -> tuple[int, int]:
        """Width and height. [px]."""
        return self._size

    def shown(self) -> Shown:
        """Give the picture."""
        return Shown(self._jpeg, 0.0)

    def close(self) -> None:
        """Give no more."""


class Live:
    """What the camera sees now, pixelated in the process that decodes it.

    That process first learns what is background; until then its pictures are pixelated whole, and
    of no use here.
    """

    def __init__(self, camera: Camera) -> None:
        # what is to be found out here must not be in its way
        blind: dict[str, Any] = {"calibration": [], "lens": None, "lines": [], "zones": []}
        camera = camera.model_copy(update=blind)
        self._name = camera.shown
        self._told = threading.Condition()
        self._size: tuple[int, int] | None = None
        self._first: int | None = None
        self._jpeg = b""
        self._learning = LEARNING / 1e6
        self._watch = CameraWatch(
            camera, on_message=self._take, on_change=lambda _: None, device=""
        )
        self._thread = threading.Thread(
            target=self._watch.run, kwargs={"until_done": True}, name="camera", daemon=True
        )
        self._thread.start()

    def size(self) -> tuple[int, int]:
        """Width and height. [px]."""
        with self._told:
            self._told.wait_for(lambda: self._size is not None, PATIENCE)
            if self._size is None:
                msg = f"{self._name} gives no picture; see `tepna edge check`, or give --picture"
                raise CalibrationError(msg)
            return self._size

    def shown(self) -> Shown:
        """Give the newest picture."""
        self._watch.want_picture()
        with self._told:
            return Shown(self._jpeg, max(0.0, self._learning))

    def close(self) -> None:
        """End the camera's process."""
        self._watch.stop()
        self._thread.join(PATIENCE)

    def _take(self, message: Message) -> None:
        with self._told:
            match message:
                case Opened(width, height):
                    self._size, self._first = (width, height), None
                case Seen(captured):
                    self._first = captured if self._first is None else self._first
                    self._learning = (LEARNING - (captured - self._first)) / 1e6
                case Picture(_, jpeg):
                    proof = read_proof(jpeg)
                    if proof is not None and proof.hidden < 1:
                        self._jpeg = jpeg
            self._told.notify_all()
