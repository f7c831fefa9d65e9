import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contracts.batch import SCHEMAS
from contracts.metrics import METRICS
from contracts.readings import (
    _LIKELY,
    NAMES_BYTES,
    pack_names,
    pack_readings,
    unpack_names,
    unpack_readings,
)
from contracts.rice import RiceError

DTYPES = SCHEMAS["obs/2"].dtypes
NOW = 1_777_878_000_000_000
Columns = dict[str, np.ndarray[Any, Any]]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def readings(metric: Any, value: Any, t: Any = None) -> Columns:
    rows = len(value)
    given_ = {"metric": metric, "value": value, "quality": np.zeros(rows)}
    given_["t"] = NOW + np.arange(rows) * 1_000_000 if t is None else t
    return {name: np.asarray(given_[name], dtype) for name, dtype in DTYPES.items()}


def again(columns: Columns) -> Columns:
    extents, packed = pack_readings(columns)
    return unpack_readings(extents, packed, len(columns["t"]))


def by_metric(columns: Columns) -> Columns:
    order = np.argsort(columns["metric"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def assert_same(found: Columns, expected: Columns) -> None:
    for name, dtype in DTYPES.items():
        assert found[name].dtype == dtype
        assert found[name].tobytes() == expected[name].tobytes(), name


@given(st.data(), st.integers(1, 40))
def test_any_rows_come_back_to_the_bit(data: st.DataObject, rows: int) -> None:
    decimal = st.integers(-(10**6), 10**6).map(lambda n: n / 100)
    value = st.one_of(decimal, st.floats(), st.integers(-(2**53), 2**53).map(float))
    t = st.integers(0, 5).map(lambda n: NOW + n * 1_000_003) | st.integers(-(2**63), 2**63 - 1)
    columns = {
        "t": data.draw(hnp.arrays(np.int64, rows, elements=t)),
        "metric": data.draw(hnp.arrays("<u2", rows, elements=st.integers(0, 3))),
        "value": data.draw(hnp.arrays("<f8", rows, elements=value)),
        "quality": data.draw(hnp.arrays("u1", rows)),
    }
    assert_same(again(columns), by_metric(columns))


@pytest.mark.parametrize(
    "value", [[-0.0, 0.0], [np.nan, 1.0], [np.inf], [1e300], [5e-324], [0.1 + 0.2, 0.3], [2.0**53]]
)
def test_what_is_no_decimal_comes_back_to_the_bit(value: list[float]) -> None:
    columns = readings(np.zeros(len(value)), value)
    assert_same(again(columns), columns)


def test_readings_of_a_thermometer_take_less_than_a_byte() -> None:
    value = np.round(20 + np.random.default_rng(1).normal(0, 0.1, 1000), 1)
    assert len(pack_readings(readings(np.zeros(1000), value))[1]) / 1000 < 0.5


def test_one_that_is_no_decimal_does_not_hurt_another_metric() -> None:
    tenths = np.round(20 + np.random.default_rng(1).normal(0, 0.1, 100), 1)
    alone = len(pack_readings(readings(np.zeros(100), tenths))[1])
    both = readings(np.r_[np.zeros(100), np.ones(10)], np.r_[tenths, np.full(10, np.pi)])
    assert len(pack_readings(both)[1]) < alone + 10 * 8 + 60


@given(st.lists(texts, max_size=8))
def test_names_come_back(names: list[str]) -> None:
    assert unpack_names(pack_names(names)) == names


def test_known_names_take_a_quarter_of_their_letters() -> None:
    names = [name for name in METRICS if name.encode() in _LIKELY.as_bytes().split(b"\0")][:12]
    assert len(pack_names(names)) < len("".join(names)) / 4


def test_the_likely_names_are_those_of_every_agent_that_sends_this_schema() -> None:
    digest = hashlib.sha256(_LIKELY.as_bytes()).hexdigest()
    assert digest.startswith("9ffdc5b13e930252"), "other names need another schema"


@given(st.binary(max_size=60))
def test_noise_is_names_or_refused(noise: bytes) -> None:
    try:
        assert all(isinstance(name, str) for name in unpack_names(noise))
    except RiceError as fault:
        assert str(fault)  # noqa: PT017  # both ways are right; anything else raised is not


def test_names_that_claim_to_be_a_terabyte_are_not_unpacked() -> None:
    bomb = bytes.fromhex("28b52ffd") + b"\xe0" + (2**40).to_bytes(8, "little") + b"\x03\x00\x00\0"
    with pytest.raises(RiceError, match=str(2**40)):
        unpack_names(bomb)
    assert NAMES_BYTES < 2**40


@given(st.binary(max_size=80), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_noise_is_readings_or_refused(noise: bytes, rows: int, frames: int, metrics: int) -> None:
    extents = pack_readings(readings([0], [1.0]))[0]._replace(frames=frames, pieces=metrics)
    try:
        found = unpack_readings(extents, noise, rows)
    except RiceError as fault:
        assert str(fault)  # noqa: PT017  # both ways are right; anything else raised is not
    else:
        assert {len(column) for column in found.values()} == {rows}


@given(st.data())
def test_every_truncation_is_refused(data: st.DataObject) -> None:
    columns = readings([0, 1, 1, 2], [1.5, 2.25, np.pi, 7.0])
    extents, packed = pack_readings(columns)
    with pytest.raises(RiceError):
        unpack_readings(extents, packed[: data.draw(st.integers(0, len(packed) - 1))], 4)
