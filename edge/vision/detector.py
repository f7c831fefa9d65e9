"""What it is: an optional object detector in ONNX, run by ONNX Runtime.

The head is recognised by the shapes of input and output: YOLOX [1]_ gives one row per cell of its
three grids. Anything else is refused with a message, not guessed at.

References
----------
.. [1] Z. Ge et al., "YOLOX: exceeding YOLO series in 2021," arXiv 2107.08430.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnxruntime as ort

from contracts.classes import RoadUser
from edge.vision.boxes import area, clip, covered, iou
from edge.vision.detections import Detections
from edge.vision.frames import Boxes, Bytes, Float32s, Floats, Image, Integers

LOWEST: Final = 0.2
"""Score below which an answer is not even looked at."""
OVERLAP: Final = 0.65
"""Overlap from which two boxes are two answers about one thing."""
INSIDE: Final = 0.85
"""Share of a person's box within a vehicle's from which the person sits in it."""
RIDING: Final = 0.3
"""Overlap of a person with a two-wheeler from which the person rides it."""
STRIDES: Final = (8, 16, 32)
PADDING: Final = 114
COCO: Final = {
    0: RoadUser.PEDESTRIAN, 1: RoadUser.BICYCLE, 2: RoadUser.CAR, 3: RoadUser.MOTORCYCLE,
    5: RoadUser.BUS, 6: RoadUser.TRAM, 7: RoadUser.TRUCK,
}  # fmt: skip
"""Road users among the 80 classes of COCO."""
_CLASSES: Final = 80
_TWO_WHEELED: Final = (RoadUser.BICYCLE, RoadUser.MOTORCYCLE)
_COLUMNS: Final = np.array(list(COCO))
_KINDS: Final = np.array([*COCO.values()], np.uint8)


class DetectorError(ValueError):
    """The detector's file cannot be used; the text says why and what would do."""


class Detector:
    """A network that names road users.

    Parameters
    ----------
    path : Path
        ONNX file of YOLOX with COCO's classes.
    threads : int
        Threads that one picture may use.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as fault:
            msg = f"detector={str(path)!r}: {fault.strerror}; give an ONNX file, or none"
            raise DetectorError(msg) from fault
        except Exception as fault:  # ONNX Runtime's own types share no base but this
            msg = f"detector={str(path)!r}: not a model ({fault}); give a YOLOX in ONNX format"
            raise DetectorError(msg) from fault
        self._input = self._session.get_inputs()[0]
        self._height, self._width = self._sides(path)
        self._cells = np.concatenate([*_cells(self._height, self._width)])

    def _sides(self, path: Path) -> tuple[int, int]:
        shape, out = self._input.shape, self._session.get_outputs()
        fixed = len(shape) == 4 and all(isinstance(side, int) for side in shape[1:])  # noqa: PLR2004
        rows = sum(shape[2] // s * (shape[3] // s) for s in STRIDES) if fixed else 0
        if not rows or len(out) != 1 or out[0].shape[1:] != [rows, 5 + _CLASSES]:
            shapes = f"input {shape}, outputs {[o.shape for o in out]}"
            msg = (
                f"detector={str(path)!r}: {shapes}: not YOLOX with {_CLASSES} classes;"
                " export one of fixed size, without decoding"
            )
            raise DetectorError(msg)
        return shape[2], shape[3]

    def __call__(self, image: Image) -> Detections:
        """Name the road users in a picture; the weakest have a score of `LOWEST`."""
        scale = min(self._height / image.shape[0], self._width / image.shape[1])
        padded = letterbox(image, self._width, self._height, scale)
        blob = np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32)[None]
        (answer,) = self._session.run(None, {self._input.name: blob})
        boxes, score, kind = decode(answer[0], self._cells)
        boxes = clip(boxes / scale, image.shape[1], image.shape[0])
        keep = suppress(boxes, score, kind)
        return settle(Detections.of(boxes[keep], score[keep], kind[keep]))


def letterbox(image: Image, width: int, height: int, scale: float) -> Image:
    """Picture scaled into the top left of a grey one of a given size, as YOLOX was trained."""
    padded: Image = np.full((height, width, 3), PADDING, np.uint8)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    padded[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return padded


def _cells(height: int, width: int) -> Iterator[Floats]:
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride]
        yield np.column_stack((x.ravel(), y.ravel(), np.full(x.size, stride))).astype(float)


def decode(answer: Float32s, cells: Floats) -> tuple[Boxes, Floats, Bytes]:
    """Boxes [network px], scores and kinds of the road users in YOLOX's raw answer (m, 85)."""
    likely = answer[:, 4, None] * answer[:, 5 + _COLUMNS]
    best = likely.argmax(axis=1)
    score = likely[np.arange(len(best)), best].astype(float)
    rows = np.flatnonzero(score >= LOWEST)
    raw, cell = answer[rows, :4].astype(float), cells[rows]
    middle = (raw[:, :2] + cell[:, :2]) * cell[:, 2:]
    half = np.exp(raw[:, 2:]) * cell[:, 2:] / 2
    return np.hstack((middle - half, middle + half)), score[rows], _KINDS[best[rows]]


def suppress(boxes: Boxes, score: Floats, kind: Bytes) -> Integers:
    """Rows of the best box of each thing, best first; people may overlap vehicles."""
    order = np.argsort(-score, kind="stable")
    person = kind[order] == RoadUser.PEDESTRIAN
    same = (iou(boxes[order], boxes[order]) > OVERLAP) & (person[:, None] == person[None, :])
    keep: list[int] = []
    for i in range(len(order)):  # some tens of boxes at most
        if not same[i, keep].any():
            keep.append(i)
    return order[keep]


def settle(found: Detections) -> Detections:
    """Riders become one with what they ride; who sits in a vehicle is not seen beside it."""
    person = found.kind == RoadUser.PEDESTRIAN
    ridden = np.isin(found.kind, _TWO_WHEELED)
    boxes = found.boxes.copy()
    share = covered(found.boxes, found.boxes)
    rider = person[:, None] & ridden[None, :] & (np.maximum(share, share.T) > RIDING)
    for who, what in zip(*np.nonzero(rider), strict=True):
        boxes[what, :2] = np.minimum(boxes[what, :2], found.boxes[who, :2])
        boxes[what, 2:] = np.maximum(boxes[what, 2:], found.boxes[who, 2:])
    larger = area(found.boxes)[None, :] > 3 * area(found.boxes)[:, None]
    aboard = person[:, None] & ~person[None, :] & (share > INSIDE) & larger
    gone = rider.any(axis=1) | aboard.any(axis=1)
    return found._replace(boxes=boxes).pick(~gone)
