"""What it is: an optional object detector in ONNX, run by ONNX Runtime.

Its head is recognised by `edge.models.heads`. What follows here holds for every head: of two
answers about one thing the better stays, and riders become one with what they ride.
"""

from pathlib import Path
from typing import Final

import numpy as np

from contracts.classes import RoadUser
from edge.errors import DetectorError
from edge.models.heads import recognise
from edge.models.network import Network
from edge.models.placing import place
from edge.vision.boxes import area, covered, iou
from edge.vision.detections import Detections
from edge.vision.frames import Boxes, Bytes, Floats, Image, Integers

OVERLAP: Final = 0.65
"""Overlap from which two boxes are two answers about one thing."""
INSIDE: Final = 0.85
"""Share of a person's box within a vehicle's from which the person sits in it."""
RIDING: Final = 0.3
"""Overlap of a person with a two-wheeler from which the person rides it."""
MOST: Final = 500
"""Answers that are compared with each other; the weakest of more are left out."""
_TWO_WHEELED: Final = (RoadUser.BICYCLE, RoadUser.SCOOTER, RoadUser.MOTORCYCLE)


class Detector:
    """A network that names road users.

    Parameters
    ----------
    path : Path
        ONNX file of a head that is known.
    threads : int
        Threads that one picture may use.
    sha256 : str or None
        Checksum that the file must have.

    Raises
    ------
    DetectorError
        If it cannot be used.
    """

    def __init__(self, path: Path, threads: int = 1, sha256: str | None = None) -> None:
        try:
            self._network = Network(path, threads, sha256)
            self.signature = self._network.signature
            self._recognised = recognise(self.signature)
        except DetectorError as fault:
            text = str(fault)
            if text.startswith("camera."):  # it names key and value itself
                raise
            msg = f"detector {str(path)!r}: {text}"
            raise DetectorError(msg) from fault
        self.head = self._recognised.head
        self.classes = self._recognised.classes
        self.sha256 = self._network.sha256

    def __call__(self, image: Image) -> Detections:
        """Name the road users in a picture; the weakest have a score of `LOWEST`.

        Raises
        ------
        DetectorError
            If the model fails.
        """
        s = self.signature
        placed = place(image, s.width, s.height, s.picture.dtype, self.head.placing)
        found = self._recognised.decode(self._network.run(placed.picture), self._recognised.columns)
        strong = np.argsort(-found.score, kind="stable")[:MOST]
        boxes = placed.back(found.boxes[strong], image)
        score, kind = found.score[strong], found.kind[strong]
        keep = suppress(boxes, score, kind)
        return settle(Detections.of(boxes[keep], score[keep], kind[keep]))


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
