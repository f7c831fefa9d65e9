import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import MICROSECONDS
from edge.errors import SourceError
from edge.sender_clock import AHEAD, LATE, LOOK, PATIENCE, SenderClock, Told

NOW = 1_777_878_000_000_000
PERIOD = 100_000


class Stream:
    """Frames that come `delay` after they were taken, by a camera whose clock is `wrong`. [us]"""

    def __init__(self, delay: int, wrong: int = 0) -> None:
        self.now = NOW
        self.delay, self.wrong = delay, wrong
        self.stamp = 0
        self.sender = SenderClock(lambda: self.now, self)

    def captured(self, stamp: int) -> int:
        """Time by arrival."""
        return stamp + 1

    def frames(self, length: int, *, reports: bool) -> list[int | None]:
        found = []
        for _ in range(length // PERIOD):
            self.stamp += PERIOD
            self.now += PERIOD
            if reports:
                self.sender.report(self.now - self.delay + self.wrong, self.stamp)
            found.append(self.sender.captured(self.stamp))
        return found


@given(
    delay=st.integers(0, LATE // 2), wrong=st.integers(-LATE // 2, AHEAD), wait=st.integers(0, 60)
)
def test_a_clock_that_agrees_is_believed(delay: int, wrong: int, wait: int) -> None:
    stream = Stream(delay, wrong)
    assert set(stream.frames(wait * PERIOD, reports=False)) <= {None}
    assert set(stream.frames(LOOK, reports=True)) == {None}, "compared first"
    found = stream.frames(MICROSECONDS, reports=True)
    assert found[-1] == stream.now - delay + wrong
    assert stream.sender.told == Told("rtcp", delay - wrong)


def test_between_reports_the_stamps_go_on() -> None:
    stream = Stream(delay=20_000)
    stream.frames(LOOK + PERIOD, reports=True)
    found = stream.frames(60 * MICROSECONDS, reports=False)
    assert found[-1] == stream.now - stream.delay


def test_a_camera_without_reports_is_timed_by_arrival() -> None:
    stream = Stream(delay=20_000)
    found = stream.frames(PATIENCE + PERIOD, reports=False)
    assert found[-2:] == [None, stream.stamp + 1]
    assert stream.sender.told == Told("arrival", 0, "it sends no RTCP sender reports")
    assert stream.frames(LOOK + PERIOD, reports=True)[-1] == stream.stamp + 1, "it stays so"


@pytest.mark.parametrize(
    ("wrong", "reason"), [(-1_500_000, r"1\.6 s behind"), (1_500_000, r"1\.4 s ahead of")]
)
def test_a_clock_that_is_wrong_is_not_believed(wrong: int, reason: str) -> None:
    stream = Stream(100_000, wrong)
    assert stream.frames(LOOK + PERIOD, reports=True)[-1] == stream.stamp + 1
    assert stream.sender.told is not None
    assert re.search(reason, stream.sender.told.reason)


def test_a_clock_that_goes_wrong_is_noticed() -> None:
    stream = Stream(delay=100_000)
    stream.frames(LOOK + PERIOD, reports=True)
    stream.wrong = 700_000
    with pytest.raises(SourceError, match=r"ahead of this machine's by 0\.6 s"):
        stream.frames(PERIOD, reports=True)
