"""Files beside a model that hold its weights: ONNX's external data [1]_.

Exporters write them where a model is large, some always. Of the model's own file only the fields on
the way to their names are looked at [2]_, so that no library is needed for it and no weights are
read.

References
----------
.. [1] ONNX, "External Data," https://onnx.ai/onnx/repo-docs/ExternalData.html
.. [2] Protocol Buffers, "Encoding," https://protobuf.dev/programming-guides/encoding/
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from edge.errors import DetectorError

_WITHIN: Final = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {1: "key", 2: "value"},
}
"""Messages of ONNX that lead to external data, by message and number of the field."""
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
_FIXED: Final = {_DOUBLE: 8, _FLOAT: 4}
_MOST_BITS: Final = 63


def weights(path: Path) -> list[Path]:
    """Files that a model names as external data, in the order of those names.

    None of what is no ONNX: ONNX Runtime refuses it, and says why.

    Raises
    ------
    OSError
        If the model cannot be read, or a file is not there.
    DetectorError
        If a file is none of the model's folder, where that really is.
    """
    with path.open("rb") as file:
        try:
            names = set(_locations(file, os.fstat(file.fileno()).st_size))
        except ValueError:
            return []
    folders = {Path(os.path.realpath(path.parent)), Path(os.path.realpath(path)).parent}
    found = []
    for name in sorted(names):
        beside = path.parent / name
        inside = "\0" not in name  # where it ends for ONNX Runtime
        real = Path(os.path.realpath(beside, strict=True)) if inside else beside
        if not (inside and real.is_file() and folders & set(real.parents)):
            msg = (
                f"camera.detector is {str(path)!r}: its weights {name!r} are no file of its folder;"
                " export the model into one file"
            )
            raise DetectorError(msg)
        found.append(beside)
    return found


def _locations(file: BinaryIO, size: int) -> Iterator[str]:
    """Yield what is named as external data, in one pass from the file's start to its end [bytes].

    Raises
    ------
    ValueError
        Where the file is none of ONNX.
    """
    within, entry = [("model", size)], {"key": b"", "value": b""}
    while within:
        message, end = within[-1]
        if file.tell() >= end:
            within.pop()
            if message == "entry" and entry["key"] == b"location":
                yield os.fsdecode(entry["value"])
            continue
        number, wire = divmod(_varint(file), 8)
        if wire == _VARINT:
            _varint(file)
            continue
        length = _varint(file) if wire == _BYTES else _FIXED.get(wire, size)
        at = file.tell()
        if at + length > end:
            msg = f"no field at {at}"
            raise ValueError(msg)
        inner = _WITHIN[message].get(number) if wire == _BYTES else None
        if inner in _WITHIN:
            within.append((inner, at + length))
            entry = {"key": b"", "value": b""}
        elif inner is not None:
            entry[inner] = file.read(length)
        else:
            file.seek(length, os.SEEK_CUR)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, _MOST_BITS + 1, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # noqa: PLR2004  # the last one
            return value
    msg = f"no number at {file.tell()}"
    raise ValueError(msg)
