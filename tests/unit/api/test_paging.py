from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadCursorError
from api.paging import page, read_cursor, write_cursor


class Key(NamedTuple):
    at: datetime
    id: UUID
    name: str


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.text())
def test_a_cursor_is_read_as_it_was_written(at, number, name):
    key = Key(at, number, name)
    assert read_cursor(write_cursor(key), Key) == key


@given(st.text(max_size=60))
def test_anything_else_is_refused(text):
    with pytest.raises(BadCursorError):
        read_cursor(text, Key)


def test_no_cursor_is_the_beginning():
    assert read_cursor(None, Key) is None


@given(st.integers(0, 30), st.integers(1, 10))
def test_pages_walk_all_rows_once(count, limit):
    rows, seen, after = list(range(count)), [], -1
    while True:
        found = page([r for r in rows if r > after][: limit + 1], limit, str, lambda r: (r,))
        seen += found.items
        assert len(found.items) <= limit
        if found.next is None:
            break
        (after,) = read_cursor(found.next, tuple[int])
    assert seen == [str(row) for row in rows]
