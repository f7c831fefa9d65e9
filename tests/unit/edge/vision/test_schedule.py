import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.schedule import HEADROOM, NOMINAL, SELDOM, Schedule


class Box:
    """A machine on which requests and all else take as long as it is told."""

    def __init__(self, schedule, rate):
        self.schedule, self.rate, self.now = schedule, rate, 1_000_000_000
        self.wall = self.core = self.rest = 0.0

    def run(self, seconds):
        """Whether each frame was asked about."""
        asked = []
        for _ in range(round(seconds * self.rate)):
            self.now += round(1e6 / self.rate)
            due = self.schedule.due(self.now, self.rest)
            if due:
                self.schedule.took(self.wall, self.core)
            asked.append(due)
        return asked


def live(share=0.5, rate=25.0, wall=0.03, rest=0.01):
    box = Box(Schedule("auto", share, live=True), rate)
    box.wall = box.core = wall
    box.rest = rest
    return box


def test_a_fixed_number_stays_whatever_it_costs():
    box = Box(Schedule(3, 0.1, live=True), 25)
    box.wall = box.core = 1.0
    assert box.run(1)[:7] == [True, False, False, True, False, False, True]


def test_each_frame_where_the_budget_allows_it():
    box = live(wall=0.004)
    box.run(5)
    assert box.schedule.every == 1
    assert all(box.run(2))


def test_the_share_of_a_core_is_kept():
    box = live()  # 25 requests of 30 ms would be three quarters of a core
    box.run(5)
    assert np.mean(box.run(20)) * 25 * 0.03 <= 0.5
    assert box.schedule.rate == pytest.approx(12.5)


def test_frames_are_kept_up_with_even_if_the_share_would_allow_more():
    box = live(share=4.0, wall=0.1, rest=0.02)
    box.run(5)
    asked = np.mean(box.run(20))
    assert 0.02 + asked * 0.1 <= HEADROOM / 25


def test_who_begins_slowly_is_asked_once_until_it_is_known_how_slow():
    box = live(wall=0.9)
    first = box.run(1)
    assert first[0]
    assert not any(first[1:5])
    assert box.schedule.every >= 0.9 * 25 / 0.5


def test_a_machine_that_becomes_slow_and_quick_again_is_followed():
    box = live(wall=0.01)
    box.run(5)
    assert box.schedule.every == 1
    box.wall = box.core = 0.06
    box.run(10)
    slow = box.schedule.every
    assert slow == 4
    box.wall = box.core = 0.01
    box.run(60)
    assert box.schedule.every == 1


def test_on_a_busy_machine_all_else_takes_longer_too():
    box = live(share=4.0, wall=0.02, rest=0.006)
    box.run(5)
    assert box.schedule.every == 1
    box.wall = 0.04  # twice its processor time, so the rest takes 12 ms of each 40
    box.run(10)
    assert 0.012 + 0.04 / box.schedule.every <= HEADROOM / 25


def test_what_trembles_about_a_border_changes_nothing():
    box = live(wall=0.02)  # exactly the half of a core at every frame
    random = np.random.default_rng(1)
    every = []
    for _ in range(60 * 25):
        box.wall = box.core = 0.02 * random.uniform(0.9, 1.1)
        box.run(1 / 25)
        every.append(box.schedule.every)
    assert np.count_nonzero(np.diff(every[100:])) <= 1


def test_an_outlier_changes_nothing():
    box = live(wall=0.01)
    box.run(10)
    box.wall = box.core = 3.0
    box.run(1 / 25)
    box.wall = box.core = 0.01
    assert all(box.run(10))


def test_where_all_else_takes_too_long_it_has_a_tenth_of_the_time():
    box = live(rest=0.2)
    box.run(5)
    assert 0.08 <= 0.03 / (box.schedule.every / 25) <= 0.1


def test_however_slow_it_is_asked_seldom_and_not_never():
    box = live(wall=9.0)
    asked = np.flatnonzero(box.run(65))
    assert np.diff(asked[1:]).max() == SELDOM * 25
    box.wall = box.core = 0.01
    box.run(60)  # what it took long ago says nothing of now
    assert box.schedule.every == 1


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=5))
def test_recordings_that_are_read_fast_know_no_time_of_a_machine(costs):
    one, other = (Schedule("auto", 0.5, live=False) for _ in range(2))
    for number in range(60):
        wall, rest = costs[number % len(costs)]
        due = one.due(number * 40_000, rest)
        assert other.due(number * 40_000, 0.0) == due
        if due:
            one.took(wall, wall)
            other.took(0.0, 0.0)


@pytest.mark.parametrize("rate", [7, 10, 12.5, 25, 30, 60])
def test_they_are_asked_at_the_stated_rate_as_far_as_frames_allow(rate):
    box = Box(Schedule("auto", 0.5, live=False), rate)
    asked = sum(box.run(20)) / 20
    assert asked == pytest.approx(min(rate, NOMINAL), rel=0.3)


def test_a_clock_that_is_set_back_stops_nothing():
    box = live(wall=0.01)
    box.run(10)
    box.now -= 3_600_000_000
    box.wall = box.core = 0.06
    box.run(10)
    assert box.schedule.every == 4
