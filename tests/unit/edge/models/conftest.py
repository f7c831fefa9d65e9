"""Detectors of pure red, as real ONNX graphs with the heads of real detectors.

Each finds the rectangle around the red pixels of its picture with ONNX's own operators, so a box
only comes out right if the picture was put in as the head wants it: red where it belongs, numbers
in their range, at its place and scale.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

CAR, COCO = 2, 80
WIDTH, HEIGHT = 96, 64
CELLS = sum((HEIGHT // s) * (WIDTH // s) for s in (8, 16, 32))
SCORE = 0.75

FIND_RED = """
    x = Cast<to=1>(images)
    scaled = Mul(x, {unit})
    red = Gather<axis=1>(scaled, {red})
    green = Gather<axis=1>(scaled, middle)
    is_red = Greater(red, high)
    no_green = Less(green, low)
    both = And(is_red, no_green)
    mask = Cast<to=1>(both)
    across = ReduceMax<axes=[1], keepdims=0>(mask)
    down = ReduceMax<axes=[2], keepdims=0>(mask)
    any = ReduceMax<axes=[1], keepdims=1>(across)
    l0 = ArgMax<axis=1, keepdims=1, select_last_index=0>(across)
    t0 = ArgMax<axis=1, keepdims=1, select_last_index=0>(down)
    r0 = ArgMax<axis=1, keepdims=1, select_last_index=1>(across)
    b0 = ArgMax<axis=1, keepdims=1, select_last_index=1>(down)
    l = Cast<to=1>(l0)
    t = Cast<to=1>(t0)
    r1 = Cast<to=1>(r0)
    b1 = Cast<to=1>(b0)
    r = Add(r1, one)
    b = Add(b1, one)
    xx = Add(l, r)
    yy = Add(t, b)
    w = Sub(r, l)
    h = Sub(b, t)
    cx = Mul(xx, half)
    cy = Mul(yy, half)
    score = Mul(any, best)
"""
NONE, CERTAIN = "any, zeros_before, score, zeros_after", "one, zeros_before, score, zeros_after"
CLASSES = "zeros_before, score, zeros_after"
SHARES = """
    sx = Div(cx, width)
    sy = Div(cy, height)
    sw = Div(w, width)
    sh = Div(h, height)
"""
TYPES = {"float": 1, "float16": 10, "uint8": 2}


class Form(NamedTuple):
    """How a head writes its answer: graph, outputs, and rows beside the one that says something."""

    body: str
    outputs: str
    rest: Mapping[str, np.ndarray] = {}
    red: str = "first"
    range: tuple[float, float] = (0.1, 0.9)
    inputs: str = ""


def rows(columns: str, count: int, rest: np.ndarray, before: str = "") -> Form:
    row = f"{before} row0 = Concat<axis=1>({columns}) row = Unsqueeze(row0, axis1)"
    joined = "output = Concat<axis=1>(row, rest)"
    return Form(f"{row} {joined}", f"[1,{count},{rest.shape[-1]}] output", {"rest": rest[None, 1:]})


def cells() -> np.ndarray:
    grids = []
    for side in (8, 16, 32):
        y, x = np.mgrid[: HEIGHT // side, : WIDTH // side]
        grids.append(np.column_stack((x.ravel() + 0.5, y.ravel() + 0.5)) * side)
    return np.concatenate(grids)


def per_cell(times: int = 1, *, decoded: bool = False, objectness: float = 0.0) -> np.ndarray:
    rest = np.zeros((times * CELLS, 5 + COCO), np.float32)
    if decoded:
        rest[:, :2], rest[:, 4] = np.tile(cells(), (times, 1)), objectness
    return rest


RAW = """
    x8 = Div(cx, eight) y8 = Div(cy, eight)
    w8 = Div(w, eight) h8 = Div(h, eight) w9 = Max(w8, least) h9 = Max(h8, least)
    lw = Log(w9) lh = Log(h9)
"""
QUERIES = np.zeros((300, 4), np.float32)
LOGITS = """
    p = Max(score, least)
    q = Sub(two, p) q1 = Sub(q, one)
    odds = Div(p, q1)
    logit = Log(odds)
"""
PAIR = """
    row0 = Concat<axis=1>(sx, sy, sw, sh) row = Unsqueeze(row0, axis1)
    {boxes} = Concat<axis=1>(row, rest)
    said0 = Concat<axis=1>({said}) said = Unsqueeze(said0, axis1)
    {logits} = Concat<axis=1>(said, others)
"""


def pair(boxes: str, logits: str, classes: int, place: int) -> Form:
    zeros = np.full((1, classes - 1), -9.0, np.float32)
    body = SHARES + LOGITS + PAIR.format(boxes=boxes, logits=logits, said="lows0, logit, lows1")
    rest = {
        "rest": QUERIES[None, 1:],
        "others": np.full((1, 299, classes), -9.0, np.float32),
        "lows0": zeros[:, :place],
        "lows1": zeros[:, place:],
    }
    return Form(body, f"[1,300,4] {boxes}, {{}}[1,300,{classes}] {logits}", rest)


LABELS = """
    size = Cast<to=1>(orig_target_sizes)
    sizes = Concat<axis=1>(size, size)
    share0 = Concat<axis=1>(l, t, r, b)
    share1 = Div(share0, whole)
    scaled_box = Mul(share1, sizes)
    row = Unsqueeze(scaled_box, axis1)
    boxes = Concat<axis=1>(row, rest)
    scores = Concat<axis=1>(score, no_scores)
    labels = Identity(all_labels)
"""
FORMS = {
    "YOLOX": rows(f"x8, y8, lw, lh, {NONE}", CELLS, per_cell(), RAW)._replace(
        red="last", range=(25.0, 230.0)
    ),
    "YOLOX, decoded": rows(f"cx, cy, w, h, {NONE}", CELLS, per_cell(decoded=True))._replace(
        red="last", range=(25.0, 230.0)
    ),
    "YOLOv6": rows(f"cx, cy, w, h, {CERTAIN}", CELLS, per_cell(decoded=True, objectness=1.0)),
    "YOLOv5, v7": rows(f"cx, cy, w, h, {NONE}", 3 * CELLS, per_cell(3)),
    "YOLOv8, v9, v11, v12": Form(
        f"column0 = Concat<axis=1>(cx, cy, w, h, {CLASSES}) column = Unsqueeze(column0, axis2)"
        " output = Concat<axis=2>(column, rest)",
        f"[1,{4 + COCO},{CELLS}] output",
        {"rest": np.zeros((1, 4 + COCO, CELLS - 1), np.float32)},
    ),
    "YOLOv10, YOLO26 (end to end)": rows(
        "l, t, r, b, score, car", 300, np.zeros((300, 6), np.float32)
    ),
    "RT-DETR (boxes with scores)": rows(
        f"sx, sy, sw, sh, {CLASSES}", 300, np.zeros((300, 4 + COCO), np.float32), SHARES
    ),
    "RT-DETR, D-FINE (boxes, logits)": pair("pred_boxes", "logits", COCO, CAR),
    "RT-DETR, D-FINE (labels, boxes, scores)": Form(
        LABELS,
        "[1,300] labels, {}[1,300,4] boxes, {}[1,300] scores",
        {
            "rest": QUERIES[None, 1:],
            "no_scores": np.zeros((1, 299), np.float32),
            "all_labels": np.full((1, 300), CAR, np.int64),
        },
        inputs=", int64[1,2] orig_target_sizes",
    ),
    "RF-DETR (dets, labels)": pair("dets", "labels", 91, 3)._replace(range=(-1.8, 2.0)),
}


def build(
    form: Form,
    dtype: str = "float",
    shape: tuple[int | str, ...] = (1, 3, HEIGHT, WIDTH),
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Make a model of a form; its first output is of whole numbers where it gives labels."""
    kinds = ("int64" if form.inputs else "float", *["float"] * 2)
    first, *others = form.outputs.split("{}")
    outputs = kinds[0] + first + "".join("float" + other for other in others)
    find = FIND_RED.format(unit="byte" if dtype == "uint8" else "one", red=form.red)
    sides = ",".join(map(str, shape))
    text = f"""<ir_version: 8, opset_import: ["": 17]>
    red ({dtype}[{sides}] images{form.inputs}) => ({outputs}) {{ {find} {form.body} }}"""
    model = onnx.parser.parse_model(text)
    low, high = form.range
    numbers = {
        "one": 1.0, "two": 2.0, "half": 0.5, "best": SCORE, "low": low, "high": high, "car": CAR,
        "eight": 8.0, "least": 1e-4, "width": WIDTH, "height": HEIGHT, "byte": 1 / 255,
    }  # fmt: skip
    arrays = {name: np.array([[number]], np.float32) for name, number in numbers.items()}
    arrays |= {name: np.array(n) for name, n in (("first", 0), ("middle", 1), ("last", 2))}
    arrays |= {"axis1": np.array([1]), "axis2": np.array([2])}
    arrays |= {
        "zeros_before": np.zeros((1, CAR), np.float32),
        "zeros_after": np.zeros((1, COCO - CAR - 1), np.float32),
        "whole": np.array([[WIDTH, HEIGHT] * 2], np.float32),
    }
    for name, array in (arrays | dict(form.rest)).items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model


Make = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> Make:
    """Write a detector of pure red with a head of this name."""

    def make(head: str, /, **options: object) -> Path:
        path = tmp_path / "red.onnx"
        onnx.save(build(FORMS[head], **options), path)  # type: ignore[arg-type]
        return path

    return make
