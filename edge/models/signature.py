"""What a model's file says of itself: inputs, outputs, and what its exporter noted."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from edge.errors import DetectorError
from edge.models.names import read_names

STRIDES: Final = (8, 16, 32, 64)
"""Sizes of the cells that networks divide a picture into; the last one in large networks only."""
SIDE: Final = 640
"""Side of the picture where a network takes any, and its file does not tell which it likes. [px]"""
SIZES: Final = "orig_target_sizes"
"""Input by which DETR's descendants are told the size to which their boxes are to be scaled."""
DTYPES: Final = {
    "tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8",
}  # fmt: skip
"""Kinds of numbers that a picture may be made of."""
_CHANNELS: Final = 3


class Tensor(NamedTuple):
    """An input or output as the file declares it."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]  # None: any

    def __str__(self) -> str:
        sides = "x".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype} {sides or 'one number'}"


class Signature(NamedTuple):
    """A model, as far as it can be known before and by a first look at an empty picture."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    picture: Tensor
    width: int  # [px]
    height: int  # [px]
    answers: Mapping[str, Any] = {}  # of that first look, by output, without the batch's axis

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an answer, () if there is none by this name."""
        return tuple(self.answers[name].shape) if name in self.answers else ()

    @property
    def cells(self) -> tuple[int, ...]:
        """Numbers of cells that a picture of this size may be divided into."""
        of = [(self.height // side) * (self.width // side) for side in STRIDES]
        return sum(of[:3]), sum(of)

    @property
    def names(self) -> dict[int, str] | None:
        """Names of the classes, where the exporter wrote them down."""
        return read_names(self.metadata["names"]) if "names" in self.metadata else None

    def __str__(self) -> str:
        shapes = {name: "x".join(map(str, a.shape)) for name, a in self.answers.items()}
        outputs = [
            f"{t.name} {t.dtype} {shapes[t.name]}" if shapes else str(t) for t in self.outputs
        ]
        told = {key: self.metadata[key] for key in ("task", "description") if key in self.metadata}
        noted = f", noted {told}" if told else ""
        return f"inputs {', '.join(map(str, self.inputs))}; outputs {', '.join(outputs)}{noted}"


def read_signature(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], metadata: Mapping[str, str]
) -> Signature:
    """Find the picture among the inputs, and its size.

    Raises
    ------
    DetectorError
        If there is none that could be made; the text says what is there and what would do.
    """
    pictures = [tensor for tensor in inputs if len(tensor.shape) == 4]  # noqa: PLR2004
    others = {tensor.name for tensor in inputs} - {tensor.name for tensor in pictures}
    if len(pictures) != 1 or others - {SIZES}:
        _refuse(inputs, f"one picture is wanted, and at most {SIZES} beside it; export it so")
    (picture,) = pictures
    batch, channels, height, width = picture.shape
    if picture.dtype not in DTYPES.values():
        _refuse(inputs, f"a picture of {', '.join(DTYPES.values())} is wanted; export it so")
    if channels not in (_CHANNELS, None) and width == _CHANNELS:
        _refuse(inputs, "the channels come last; export it with the channels first (NCHW)")
    if channels not in (_CHANNELS, None) or batch not in (1, None):
        _refuse(inputs, "one picture of three channels is wanted; export it for a batch of 1")
    liked = _liked(metadata)
    return Signature(
        tuple(inputs), tuple(outputs), metadata, picture, width or liked[1], height or liked[0]
    )


def _liked(metadata: Mapping[str, str]) -> tuple[int, int]:
    """Height and width that the exporter noted."""
    sides = read_names(metadata.get("imgsz", ""))
    numbers = [int(side) for side in (sides or {}).values() if side.isdecimal() and int(side)]
    return (numbers[0], numbers[-1]) if numbers else (SIDE, SIDE)


def _refuse(inputs: Sequence[Tensor], reason: str) -> None:
    msg = f"inputs {', '.join(map(str, inputs)) or 'none'}: {reason}"
    raise DetectorError(msg)
