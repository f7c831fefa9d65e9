import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rice import SPLITS, RiceError, pack, unpack

numbers = st.integers(-5, 5) | st.integers(-(1 << 20), 1 << 20) | st.integers(-(1 << 63), 2**63 - 1)
streams = st.lists(st.lists(numbers, max_size=30).map(lambda n: np.array(n, np.int64)), max_size=6)


def lengths(of: list[np.ndarray]) -> np.ndarray:
    return np.array([len(stream) for stream in of], np.int64)


@given(streams)
def test_what_is_packed_is_unpacked(some: list[np.ndarray]) -> None:
    found = unpack(pack(some), lengths(some))
    assert found.tolist() == [number for stream in some for number in stream.tolist()]


@given(streams, st.data())
def test_every_truncation_is_refused(some: list[np.ndarray], data: st.DataObject) -> None:
    packed = pack(some)
    if packed:
        with pytest.raises(RiceError):
            unpack(packed[: data.draw(st.integers(0, len(packed) - 1))], lengths(some))


@given(streams)
def test_what_is_too_long_is_refused(some: list[np.ndarray]) -> None:
    with pytest.raises(RiceError):
        unpack(pack(some) + b"\0", lengths(some))


@given(st.binary(max_size=60), st.lists(st.integers(0, 40), max_size=5))
def test_noise_is_numbers_or_refused(noise: bytes, wanted: list[int]) -> None:
    try:
        found = unpack(noise, np.array(wanted, np.int64))
    except RiceError as fault:
        assert str(fault)  # noqa: PT017  # both ways are right; anything else raised is not
    else:
        assert len(found) == sum(wanted)


@pytest.mark.parametrize("sd", [0.3, 1.0, 5.0, 100.0, 1000.0])
def test_noise_takes_little_more_than_its_entropy(sd: float) -> None:
    noise = np.random.default_rng(1).normal(0, sd, 50_000)
    whole = np.rint(noise).astype(np.int64)
    share = np.unique(whole, return_counts=True)[1] / len(whole)
    entropy = -(share * np.log2(share)).sum()
    assert 8 * len(pack([whole])) / len(whole) < max(entropy + 0.4, 1.15)


def test_zeros_take_no_bits() -> None:
    assert len(pack([np.zeros(1000, np.int64)] * 4)) == 2


def test_one_that_is_far_off_costs_only_itself() -> None:
    calm = np.random.default_rng(1).integers(-3, 4, 1000)
    wild = calm.copy()
    wild[500] = -(1 << 62)
    assert len(pack([wild])) < len(pack([calm])) + 13


def test_each_split_is_used() -> None:
    """Each scale of numbers has a split that suits it."""
    random = np.random.default_rng(1)
    some = [random.integers(0, 1 << k, 1000) for k in SPLITS]
    heads = {half for byte in pack(some)[:8] for half in (byte >> 4, byte & 15)}
    assert len(heads) > len(SPLITS) - 3
