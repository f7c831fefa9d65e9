from hypothesis import given
from hypothesis import strategies as st

from edge.backoff import Backoff


@given(st.floats(0.1, 10), st.floats(10, 1000), st.integers(1, 60))
def test_waits_double_up_to_the_bound_with_jitter(first: float, most: float, tries: int) -> None:
    backoff = Backoff(first, most)
    for n in range(tries):
        bound = min(most, first * 2**n)
        assert bound / 2 <= backoff.next() <= bound
    backoff.reset()
    assert first / 2 <= backoff.next() <= first


def test_a_fleet_does_not_knock_at_once() -> None:
    assert len({Backoff(1.0, 60.0).next() for _ in range(100)}) > 90
