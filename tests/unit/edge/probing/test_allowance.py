from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.probing.allowance import DAY, SHARES, Allowance
from edge.probing.cost import Costs

COSTS = Costs("usti-belehradska/cam-1", sealed=True).most()


class Time:
    """Seconds, as the test has them."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def test_shares_are_of_one_budget() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)
    assert COSTS.keys() == SHARES.keys()


@settings(max_examples=30)  # each saves to the disk as often as it takes
@given(
    st.integers(0, 3_000_000),
    st.lists(st.tuples(st.floats(0, 4 * 3600), st.booleans()), min_size=1, max_size=60),
)
def test_no_24_hours_take_more_than_the_budget(
    tmp_path_factory: pytest.TempPathFactory, daily: int, pauses: list[tuple[float, bool]]
) -> None:
    """However greedy, however often restarted, whenever the day begins."""
    file, time = tmp_path_factory.mktemp("a") / "probes", Time()
    allowance = Allowance(file, daily, COSTS, monotonic=time)
    taken: list[tuple[float, int]] = []
    for pause, restarted in pauses:
        time.now += pause
        if restarted:
            allowance = Allowance(file, daily, COSTS, monotonic=time)
        for kind, cost in COSTS.items():
            while allowance.has(kind):
                allowance.take(kind)
                taken.append((time.now, cost))
    for begin, _ in taken:
        assert sum(cost for at, cost in taken if begin <= at < begin + DAY) <= daily + 1


def test_a_budget_is_used_for_all_of_it_but_one_probe_of_each_kind(tmp_path: Path) -> None:
    daily, time = 100_000, Time()
    allowance = Allowance(tmp_path / "probes", daily, COSTS, monotonic=time)
    taken = dict.fromkeys(COSTS, 0)
    for _ in range(int(DAY / 10)):
        time.now += 10
        for kind in COSTS:
            if allowance.has(kind):
                allowance.take(kind)
                taken[kind] += 1
    total = sum(COSTS[kind] * count for kind, count in taken.items())
    assert daily - 2.1 * sum(COSTS.values()) < total <= daily
    for kind, count in taken.items():
        period = allowance.period(kind)
        assert period is not None
        assert count == pytest.approx(DAY / period, rel=0.05, abs=1)


def test_what_was_spent_before_a_restart_stays_spent(tmp_path: Path) -> None:
    time = Time()
    allowance = Allowance(tmp_path / "probes", 1_000_000, COSTS, monotonic=time)
    time.now += 2 * DAY
    assert allowance.has("echo")
    allowance.take("echo")
    again = Allowance(tmp_path / "probes", 1_000_000, COSTS, monotonic=time)
    assert not again.has("echo")
    assert again.has("train"), "what was saved up and not spent stays, too"
    time.now += (again.period("echo") or 0) + 1
    assert again.has("echo")


@pytest.mark.parametrize("content", [b"", b"{", b'{"echo": "x"}', b'{"echo": 1e300, "tram": 4}'])
def test_a_broken_file_gives_nothing_that_was_not_saved(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "probes").write_bytes(content)
    allowance = Allowance(tmp_path / "probes", 1_000_000, COSTS, monotonic=Time())
    assert not allowance.has("train")
    assert not allowance.has("time")


def test_what_the_budget_does_not_reach_for_is_left_out(tmp_path: Path) -> None:
    time = Time()
    small = Allowance(tmp_path / "probes", COSTS["train"], COSTS, monotonic=time)
    time.now += 9 * DAY
    assert small.has("echo")
    assert not small.has("train")
    assert small.period("train") is None


def test_what_cannot_be_saved_is_not_spent(tmp_path: Path) -> None:
    """A full disk, or a folder that has gone, ends no agent and sends nothing."""
    time = Time()
    allowance = Allowance(tmp_path / "gone" / "probes", 1_000_000, COSTS, monotonic=time)
    time.now += DAY
    assert allowance.has("echo")
    assert not allowance.take("echo")
