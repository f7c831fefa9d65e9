from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import MICROSECONDS, MINUTE, from_micros, to_micros, utc_now

moments = st.datetimes(timezones=st.timezones() | st.just(UTC))


@given(moments)
def test_no_microsecond_is_lost(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment.astimezone(UTC)


@given(moments, st.integers(-(10**15), 10**15))
def test_a_later_moment_is_a_larger_number(moment: datetime, micros: int) -> None:
    base = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
    later = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    assert to_micros(later) == base + micros
    assert from_micros(to_micros(moment)).tzinfo is UTC


def test_the_hour_that_is_there_twice_is_two_hours() -> None:
    summer, winter = timezone(timedelta(hours=2)), timezone(timedelta(hours=1))
    first = to_micros(datetime(2026, 10, 25, 2, 30, tzinfo=summer))
    assert to_micros(datetime(2026, 10, 25, 2, 30, tzinfo=winter)) - first == 60 * MINUTE


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001  # the fault under test


def test_now_is_between_before_and_after() -> None:
    before = datetime.now(UTC)
    now = utc_now()
    assert to_micros(before) <= now <= to_micros(datetime.now(UTC))
    assert MINUTE == 60 * MICROSECONDS == to_micros(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
