"""The page of the dead letters: what devices sent and nobody could use, the newest first."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from api.console.render import render
from api.console.rows import Row
from api.console.words import Words, choose
from storage.dead_letters import (
    DeadLetter,
    Filter,
    Overflow,
    count_dead_letters,
    list_dead_letters,
    list_overflow,
)
from storage.keys import DEAD_LETTERS, ApiKey

SHOWN: Final = 100  # older ones are a number, and over the API


def add_letters(app: FastAPI) -> None:
    """Register the page."""

    @app.get("/dead-letters", include_in_schema=False)
    async def letters(request: Request, lang: str = "") -> HTMLResponse:
        words = Words(choose(lang))
        key: ApiKey = request.state.key
        if DEAD_LETTERS not in key.scopes:
            text = render("letters", w=words, closed=True)
            return HTMLResponse(text, HTTPStatus.FORBIDDEN)
        async with request.app.state.pool.connection(timeout=5) as connection:
            found = await list_dead_letters(connection, Filter(), after=None, limit=SHOWN)
            overflow = await list_overflow(connection, Filter())
            total, _ = await count_dead_letters(connection)
        text = render(
            "letters",
            w=words,
            closed=False,
            letters=[_row(letter, words) for letter in found],
            overflow=[_overflow(each, words) for each in overflow[:SHOWN]],
            total=words.number(total),
            more=words.number(total - len(found)) if total > len(found) else "",
        )
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})


def _row(letter: DeadLetter, words: Words) -> Row:
    return {
        "number": letter.number,
        "last": words.time(letter.last_at, date=True),
        "last_utc": words.utc(letter.last_at),
        "device": letter.identity,
        "reason": letter.reason,
        "seen": words.number(letter.seen),
        "bytes": words.number(letter.bytes),
        "detail": letter.detail,
        "topic": letter.topic,
    }


def _overflow(each: Overflow, words: Words) -> Row:
    return {
        "device": each.identity,
        "reason": each.reason,
        "dropped": words.number(each.dropped),
        "last": words.time(each.last_at, date=True),
    }
