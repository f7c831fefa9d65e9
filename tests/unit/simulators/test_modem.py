import itertools

import numpy as np
import pytest

from contracts.metrics import METRICS, Quality
from simulators.modem import CELLS, readings

HOUR = np.array(list(itertools.islice(readings(1), 3600)))
RSRP, RSRQ, SINR, CELL, ROUND_TRIP, UPLINK = HOUR.T


def test_the_same_seed_gives_the_same_readings() -> None:
    again = np.array(list(itertools.islice(readings(1), 3600)))
    other = np.array(list(itertools.islice(readings(2), 3600)))
    np.testing.assert_array_equal(HOUR, again)
    assert not np.array_equal(HOUR, other)


def test_every_reading_is_a_known_metric_in_its_range() -> None:
    for reading in itertools.islice(readings(3), 600):
        for name, value in reading._asdict().items():
            assert METRICS[f"modem.{name}"].quality(value) is Quality.GOOD


def test_powers_wander_and_do_not_jump() -> None:
    same = np.diff(CELL) == 0
    steps = np.diff(RSRP)[same]
    assert steps.std() < RSRP.std(), "correlated from one second to the next"
    assert 2.5 < RSRP.std() < 6.0
    assert np.corrcoef(RSRP[:-1], RSRP[1:])[0, 1] > 0.8


def test_handovers_happen_and_interrupt() -> None:
    moved = np.flatnonzero(np.diff(CELL)) + 1
    assert 5 < len(moved) < 200
    assert set(CELL) <= set(CELLS)
    assert np.median(ROUND_TRIP[moved]) > np.median(ROUND_TRIP) + 50


@pytest.mark.parametrize(("figure", "sign"), [(ROUND_TRIP, -1), (UPLINK, 1), (RSRQ, 1)])
def test_a_better_signal_is_a_better_link(figure: np.ndarray, sign: int) -> None:
    assert sign * np.corrcoef(SINR, figure)[0, 1] > 0.3
