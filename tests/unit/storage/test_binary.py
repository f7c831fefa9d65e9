"""Values to PostgreSQL's form and back are the same values."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from storage.binary import EPOCH, FIXED, from_wire, to_wire

NATIVE = {
    "bool": "?",
    "int2": "i2",
    "int4": "i4",
    "int8": "i8",
    "float4": "f4",
    "float8": "f8",
    "timestamptz": "i8",
}


@pytest.mark.parametrize("kind", NATIVE)
@given(data=st.data())
def test_there_and_back(kind: str, data: Any) -> None:
    limits = {"min_value": EPOCH - (1 << 62), "max_value": 1 << 62} if kind == "timestamptz" else {}
    elements = hn.from_dtype(np.dtype(NATIVE[kind]), **limits)
    values = data.draw(hn.arrays(NATIVE[kind], st.integers(0, 5), elements=elements))
    wire = to_wire(values, kind)
    assert wire.dtype == FIXED[kind]
    assert from_wire(wire, kind).tobytes() == values.tobytes()


def test_uuids_stay_bytes() -> None:
    values = np.frombuffer(bytes(range(32)), "V16")
    assert from_wire(to_wire(values, "uuid"), "uuid").tobytes() == bytes(range(32))


def test_the_wire_is_postgresqls() -> None:
    assert to_wire(np.array([258]), "int4").tobytes() == b"\0\0\1\2"
    assert to_wire(np.array([EPOCH]), "timestamptz").tobytes() == bytes(8)
