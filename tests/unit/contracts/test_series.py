import hashlib
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contracts.batch import SCHEMAS
from contracts.metrics import METRICS
from contracts.readings import NAMES_BYTES
from contracts.rice import RiceError
from contracts.series import _LIKELY, pack_names, pack_series, unpack_names, unpack_series

DTYPES = SCHEMAS["obs/3"].dtypes
NOW = 1_777_878_000_000_000
Columns = dict[str, np.ndarray[Any, Any]]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def readings(metric: Any, value: Any, t: Any) -> Columns:
    given_ = {"t": t, "metric": metric, "value": value, "quality": np.zeros(len(value))}
    return {name: np.asarray(given_[name], dtype) for name, dtype in DTYPES.items()}


def again(columns: Columns) -> Columns:
    extents, packed = pack_series(columns)
    return unpack_series(extents, packed, len(columns["t"]))


def by_metric(columns: Columns) -> Columns:
    order = np.argsort(columns["metric"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def assert_same(found: Columns, expected: Columns) -> None:
    for name, dtype in DTYPES.items():
        assert found[name].dtype == dtype
        assert found[name].tobytes() == expected[name].tobytes(), name


@settings(max_examples=60)
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


def test_one_reading_comes_back() -> None:
    for value in (21.5, np.pi, np.nan):
        columns = readings([9], [value], [NOW])
        assert_same(again(columns), columns)


def test_metrics_that_are_read_together_share_their_times() -> None:
    t = NOW + np.arange(10) * 1_000_000 + np.random.default_rng(1).integers(0, 50_000, 10)
    one = readings(np.zeros(10), np.ones(10), t)
    five = readings(np.repeat(np.arange(5), 10), np.ones(50), np.tile(t, 5))
    assert len(pack_series(five)[1]) <= len(pack_series(one)[1]) + 8


def test_times_at_the_common_tick_take_nothing() -> None:
    t = NOW + np.arange(1000) * 1_000_000
    assert len(pack_series(readings(np.zeros(1000), np.ones(1000), t))[1]) < 20


@settings(max_examples=60)
@given(st.lists(texts, max_size=8))
def test_names_come_back(names: list[str]) -> None:
    assert unpack_names(pack_names(names)) == names


def test_names_of_an_agent_take_a_tenth_of_their_letters() -> None:
    prefixes = ("agent", "camera.", "meter", "modem", "uplink")
    names = sorted(name for name in METRICS if name.startswith(prefixes))
    assert len(pack_names(names)) < len("".join(names)) / 10


def test_the_likely_names_are_those_of_every_agent_that_sends_this_schema() -> None:
    digest = hashlib.sha256(_LIKELY).hexdigest()
    assert digest.startswith("d1b11a352f3a3286"), "other names need another schema"


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_noise_is_names_or_refused(noise: bytes) -> None:
    try:
        assert all(isinstance(name, str) for name in unpack_names(noise))
    except RiceError as fault:
        assert str(fault)  # noqa: PT017  # both ways are right; anything else raised is not


def test_names_that_would_be_very_long_are_refused() -> None:
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = squeeze.compress(bytes(2 * NAMES_BYTES)) + squeeze.flush()
    assert len(bomb) < NAMES_BYTES / 100
    with pytest.raises(RiceError, match=f"{NAMES_BYTES} bytes and more"):
        unpack_names(bomb)


def test_names_that_are_cut_off_or_go_on_are_refused() -> None:
    packed = pack_names(["camera.frames", "camera.observed"])
    assert isinstance(packed, bytes)
    for wrong in (packed[:-1], packed + b"\0", b""):
        with pytest.raises(RiceError, match="names"):
            unpack_names(wrong)


small = st.integers(-2, 30)


@settings(max_examples=60)
@given(st.binary(max_size=80), small, small, small, small)
def test_noise_is_readings_or_refused(
    noise: bytes, rows: int, times: int, metrics: int, sets: int
) -> None:
    extents = pack_series(readings([0], [1.0], [NOW]))[0]
    extents = extents._replace(frames=times, pieces=metrics, track=sets)
    try:
        found = unpack_series(extents, noise, max(rows, 1))
    except RiceError as fault:
        assert str(fault)  # noqa: PT017  # both ways are right; anything else raised is not
    else:
        assert {len(column) for column in found.values()} == {max(rows, 1)}


@settings(max_examples=60)
@given(st.data())
def test_changed_bytes_are_readings_or_refused(data: st.DataObject) -> None:
    columns = readings([0, 0, 1, 1, 2], [1.5, 2, 2.25, np.pi, 7.0], NOW + np.array([0, 9, 0, 9, 4]))
    extents, packed = pack_series(columns)
    at = data.draw(st.integers(0, len(packed) - 1))
    changed = packed[:at] + bytes([packed[at] ^ data.draw(st.integers(1, 255))]) + packed[at + 1 :]
    try:
        found = unpack_series(extents, changed, 5)
    except RiceError as fault:
        assert str(fault)  # noqa: PT017  # both ways are right; anything else raised is not
    else:
        assert {len(column) for column in found.values()} == {5}


@settings(max_examples=60)
@given(st.data())
def test_every_truncation_is_refused(data: st.DataObject) -> None:
    columns = readings([0, 1, 1, 2], [1.5, 2.25, np.pi, 7.0], NOW + np.arange(4))
    extents, packed = pack_series(columns)
    with pytest.raises(RiceError):
        unpack_series(extents, packed[: data.draw(st.integers(0, len(packed) - 1))], 4)
