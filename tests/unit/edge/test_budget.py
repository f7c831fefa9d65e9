from hypothesis import given
from hypothesis import strategies as st

from edge.budget import PICTURES_BURST, Budget

steps = st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5000)), max_size=60)


@given(st.floats(0.1, 100), steps)
def test_no_more_is_sent_than_was_saved_up(kbit_s, steps):
    now = 0.0
    budget = Budget(kbit_s, monotonic=lambda: now)
    rate, sent, largest = 125 * kbit_s, 0, 0
    for passed, size in steps:
        now += passed
        wait = budget.take(size)
        assert wait >= 0
        if not wait:
            sent, largest = sent + size, max(largest, size)
        assert sent <= rate * (now + PICTURES_BURST) + largest + 1e-3


@given(st.floats(0.1, 100), st.integers(50, 100_000))
def test_after_the_wait_it_may_go(kbit_s, size):
    now = 0.0
    budget = Budget(kbit_s, monotonic=lambda: now)
    assert budget.take(size) == 0
    while not (wait := budget.take(size)):
        pass
    now += wait * (1 + 1e-9) + 1e-6
    assert budget.take(size) == 0


def test_without_a_limit_everything_goes():
    budget = Budget(None)
    assert all(budget.take(1 << 30) == 0 for _ in range(100))
