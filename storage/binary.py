"""PostgreSQL's binary values as numpy sees them: big-endian, each with its length before it."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

EPOCH: Final = 946_684_800_000_000
"""PostgreSQL counts time from 2000-01-01, we from 1970. [us]"""

FIXED: Final[dict[str, np.dtype[Any]]] = {
    "bool": np.dtype("?"),
    "int2": np.dtype(">i2"),
    "int4": np.dtype(">i4"),
    "int8": np.dtype(">i8"),
    "float4": np.dtype(">f4"),
    "float8": np.dtype(">f8"),
    "timestamptz": np.dtype(">i8"),
    "uuid": np.dtype("V16"),
}
"""How the types of fixed width lie in a value."""

ARRAY_HEADER: Final = np.dtype(
    [("dims", ">i4"), ("nulls", ">i4"), ("type", ">i4"), ("length", ">i4"), ("lower", ">i4")]
)


def to_wire(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Values of a fixed-width type as PostgreSQL has them; times are given in us since 1970."""
    if kind == "timestamptz":
        values = values - EPOCH
    return values.view("V16") if kind == "uuid" else values.astype(FIXED[kind], copy=False)


def from_wire(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Give values as the machine has them; times in us since 1970."""
    if kind == "uuid":
        return np.ascontiguousarray(values)
    native = values.astype(FIXED[kind].newbyteorder("="))
    return native + EPOCH if kind == "timestamptz" else native
