"""Cursors: opaque to the client, the key of the last row to us."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field

from api.errors import BadCursorError

Row = TypeVar("Row")
Item = TypeVar("Item")
Key = TypeVar("Key")

Limit = Annotated[int, Query(ge=1, le=1000, description="rows on a page")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next` of the page before", examples=[None])
]


class Page(BaseModel, Generic[Item]):
    """Some rows, and the way to the next ones."""

    items: list[Item]
    next: str | None = Field(None, description="cursor of the next page; null on the last one")


def write_cursor(key: Sequence[object]) -> str:
    """Cursor that continues after this key."""
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_cursor(cursor: str | None, kind: type[Key]) -> Key | None:
    """Key that a cursor carries; `kind` is the named tuple of its type.

    Raises
    ------
    BadCursorError
        If it is no cursor of this list.
    """
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (Base64Error, ValueError) as fault:  # msgspec's faults are ValueErrors, too
        raise BadCursorError(cursor) from fault


def page(
    rows: Sequence[Row],
    limit: int,
    item: Callable[[Row], Item],
    key: Callable[[Row], Sequence[object]],
) -> Page[Item]:
    """Page of at most `limit` rows, of which one more was read to see whether there is a next."""
    shown = rows[:limit]
    after = write_cursor(key(shown[-1])) if len(rows) > limit else None
    return Page(items=[item(row) for row in shown], next=after)
