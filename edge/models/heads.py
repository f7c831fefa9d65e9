"""The heads that are known: how each is recognised, looked at, and read.

A head is recognised by what the file declares and by its answer to an empty picture, whose shape is
certain even where the file leaves it open. Two heads that agree in both are told apart by the
numbers in that answer. What fits no row of the table is refused, and never guessed at.

References
----------
.. [1] Z. Ge et al., "YOLOX: exceeding YOLO series in 2021," arXiv 2107.08430.
.. [2] Y. Zhao et al., "DETRs beat YOLOs on real-time object detection," arXiv 2304.08069.
.. [3] Y. Peng et al., "D-FINE: redefine regression task in DETRs," arXiv 2410.13842.
.. [4] A. Wang et al., "YOLOv10: real-time end-to-end object detection," arXiv 2405.14458.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from edge.errors import DetectorError
from edge.models import decoding
from edge.models.decoding import Columns, Found
from edge.models.names import COCO, COCO_IDS, Classes, classes
from edge.models.placing import Fit, Numbers, Placing
from edge.models.signature import STRIDES, Signature

QUERIES: Final = 1000
"""Most answers of a network that gives some for the whole picture, not for each cell of it."""
ANCHORS: Final = 3
"""Answers for each cell where a network has anchors."""
_MAP: Final = 3  # axes of the masks of a network that segments; of maps for training: more
_ROW: Final = 6  # of an answer that names one class: corners, score, class
_COCO_IDS: Final = 91  # COCO's own ids go up to 90, and begin at 1

Answers = Mapping[str, Any]
Decode = Callable[[Answers, Columns], Found]


class Head(NamedTuple):
    """How one family of networks is recognised and read."""

    name: str
    number: Callable[[Signature], int | None]  # of classes; 0 unknown, None: not of this family
    placing: Placing
    reader: Callable[[Signature], Decode]


class Recognised(NamedTuple):
    """A model that can be used."""

    head: Head
    classes: Classes
    columns: Columns
    decode: Decode


def recognise(signature: Signature) -> Recognised:
    """Find the head of a model and its classes.

    Raises
    ------
    DetectorError
        If it fits none, or its classes are not known; the text says what would do.
    """
    task = signature.metadata.get("task", "detect")
    if task != "detect":
        msg = f"it was made to {task}, not to detect; give one that detects"
        raise DetectorError(msg)
    for head in HEADS:
        number = head.number(signature)
        if number is not None:
            known = _classes(signature, head, number)
            columns = Columns(np.array([*known.used]), np.array([*known.used.values()], np.uint8))
            return Recognised(head, known, columns, head.reader(signature))
    heads = "; ".join(head.name for head in HEADS)
    msg = f"{signature}: none of the heads that are known ({heads}); export it as one of these"
    raise DetectorError(msg)


def _classes(signature: Signature, head: Head, number: int) -> Classes:
    names = signature.names
    if names is None and number in (0, len(COCO)):
        found = classes(COCO, assumed=number == 0)
    elif names is None and number == _COCO_IDS:
        found = classes(COCO_IDS)
    elif names is None:
        msg = (
            f"{head.name} with {number} classes, which the file does not name;"
            ' write them into its metadata as "names"'
        )
        raise DetectorError(msg)
    elif number and max(names, default=0) >= number:
        msg = f"{head.name} with {number} classes, and {len(names)} names; correct its metadata"
        raise DetectorError(msg)
    else:
        found = classes(names)
    if not found.used:
        msg = f"none of its classes is a road user: {', '.join(found.names.values())}"
        raise DetectorError(msg)
    return found


def _main(signature: Signature) -> Any:
    """Give the one answer of a head that has one; maps for training beside it do not matter."""
    first, *others = signature.answers.values()
    flat = first.ndim == 2  # noqa: PLR2004
    maps = all(other.ndim > _MAP or other.shape == first.shape for other in others)
    return first if flat and maps else np.zeros((0, 0))


def _rows(signature: Signature, times: int) -> int | None:
    """Classes of rows (times x cells, 5 + c)."""
    rows, columns = _main(signature).shape
    fits = rows in [times * cells for cells in signature.cells] and columns > 5  # noqa: PLR2004
    return columns - 5 if fits else None


def _decoded(signature: Signature) -> bool:
    """Whether rows hold middles in pixels already: then they lie in the cells that they are of."""
    answer, cells = _main(signature), _cells(signature)
    away = np.abs(answer[:, :2].astype(float) - (cells[:, :2] + 0.5) * cells[:, 2:])
    return bool(np.median(away / cells[:, 2:]) < 2)  # noqa: PLR2004


def _certain(signature: Signature) -> bool:
    """Whether objectness is 1 everywhere: it is there for form's sake only."""
    return bool((_main(signature)[:, 4] == 1).all())


def _cells(signature: Signature) -> Any:
    strides = STRIDES[:3] if len(_main(signature)) == signature.cells[0] else STRIDES
    return decoding.cells(signature.width, signature.height, strides)


def _yolox(signature: Signature) -> int | None:
    number = _rows(signature, 1)
    return number if number and not _decoded(signature) else None


def _yolox_decoded(signature: Signature) -> int | None:
    number = _rows(signature, 1)
    return number if number and _decoded(signature) and not _certain(signature) else None


def _yolov6(signature: Signature) -> int | None:
    number = _rows(signature, 1)
    return number if number and _decoded(signature) and _certain(signature) else None


def _yolov5(signature: Signature) -> int | None:
    return _rows(signature, ANCHORS)


def _yolov8(signature: Signature) -> int | None:
    rows, columns = _main(signature).shape
    return rows - 4 if columns in signature.cells and rows > 4 else None  # noqa: PLR2004


def _shares(boxes: Any) -> bool:
    """Whether boxes are shares of the picture, not pixels."""
    return bool(len(boxes) and np.abs(boxes).max() <= 2)  # noqa: PLR2004


def _yolov10(signature: Signature) -> int | None:
    answer = _main(signature)
    rows, columns = answer.shape
    if not 0 < rows <= QUERIES or columns != _ROW or _shares(answer[:, :4]):
        return None
    return 0 if (answer[:, 5] == np.round(answer[:, 5])).all() else None


def _detr_rows(signature: Signature) -> int | None:
    answer = _main(signature)
    rows, columns = answer.shape
    fits = 0 < rows <= QUERIES and columns > 4 and _shares(answer[:, :4])  # noqa: PLR2004
    return columns - 4 if fits else None


def _pair(signature: Signature, boxes: str, logits: str) -> int | None:
    """Classes of boxes (m, 4) and logits (m, c), which have these names."""
    one, other = signature.shape(boxes), signature.shape(logits)
    fits = len(one) == len(other) == 2 and one == (other[0], 4)  # noqa: PLR2004
    return other[1] if fits and one[0] <= QUERIES else None


def _detr_logits(signature: Signature) -> int | None:
    boxes = _named(signature, "boxes")
    return _pair(signature, boxes, _named(signature, "logits"))


def _rf_detr(signature: Signature) -> int | None:
    return _pair(signature, "dets", "labels")


def _detr_labels(signature: Signature) -> int | None:
    labels, boxes, scores = (signature.shape(name) for name in ("labels", "boxes", "scores"))
    fits = len(labels) == 1 and scores == labels and boxes == (*labels, 4)
    return 0 if fits and len(signature.inputs) > 1 else None


def _named(signature: Signature, end: str) -> str:
    return next((tensor.name for tensor in signature.outputs if tensor.name.endswith(end)), "")


def _read_cells(signature: Signature) -> Decode:
    cells, first = _cells(signature), signature.outputs[0].name
    return lambda answers, columns: decoding.by_cell(answers[first], cells, columns)


def _read_first(decode: Callable[[Any, Columns], Found]) -> Callable[[Signature], Decode]:
    def reader(signature: Signature) -> Decode:
        first = signature.outputs[0].name
        return lambda answers, columns: decode(answers[first], columns)

    return reader


def _read_rows(answer: Any, columns: Columns) -> Found:
    return decoding.with_labels(answer[:, :4], answer[:, 4], answer[:, 5], columns)


def _scale(signature: Signature) -> Any:
    return np.tile([float(signature.width), float(signature.height)], 2)


def _read_shares(signature: Signature) -> Decode:
    scale, first = _scale(signature), signature.outputs[0].name
    return lambda answers, columns: decoding.with_scores(answers[first], scale, columns)


def _read_pair(boxes: str, logits: str) -> Callable[[Signature], Decode]:
    def reader(signature: Signature) -> Decode:
        scale, box, logit = _scale(signature), _named(signature, boxes), _named(signature, logits)
        return lambda answers, columns: decoding.with_logits(
            answers[box], answers[logit], scale, columns
        )

    return reader


def _read_labels(_: Signature) -> Decode:
    return lambda answers, columns: decoding.with_labels(
        answers["boxes"], answers["scores"], answers["labels"], columns
    )


_MEGVII: Final = Placing(Fit.CORNER, Numbers.BYTE, rgb=False)
_YOLO: Final = Placing(Fit.MIDDLE, Numbers.SHARE, rgb=True)
_DETR: Final = Placing(Fit.STRETCH, Numbers.SHARE, rgb=True)

HEADS: Final = (
    Head("YOLOX", _yolox, _MEGVII, _read_cells),
    Head("YOLOX, decoded", _yolox_decoded, _MEGVII, _read_first(decoding.with_objectness)),
    Head("YOLOv6", _yolov6, _YOLO, _read_first(decoding.with_objectness)),
    Head("YOLOv5, v7", _yolov5, _YOLO, _read_first(decoding.with_objectness)),
    Head("YOLOv8, v9, v11, v12", _yolov8, _YOLO, _read_first(decoding.transposed)),
    Head("YOLOv10, YOLO26 (end to end)", _yolov10, _YOLO, _read_first(_read_rows)),
    Head("RT-DETR (boxes with scores)", _detr_rows, _DETR, _read_shares),
    Head("RT-DETR, D-FINE (boxes, logits)", _detr_logits, _DETR, _read_pair("boxes", "logits")),
    Head("RT-DETR, D-FINE (labels, boxes, scores)", _detr_labels, _DETR, _read_labels),
    Head(
        "RF-DETR (dets, labels)",
        _rf_detr,
        Placing(Fit.STRETCH, Numbers.IMAGENET, rgb=True),
        _read_pair("dets", "labels"),
    ),
)
"""In this order: the first one that fits is it."""
