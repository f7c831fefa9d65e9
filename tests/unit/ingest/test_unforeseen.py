"""Faults that nobody foresaw are told with their place, and not for every message."""

import logging

import pytest

from ingest.unforeseen import QUIET, Unforeseen


def stumble(value: str) -> Exception:
    try:
        int(value)
    except ValueError as fault:
        return fault
    raise AssertionError(value)


def test_a_place_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    unforeseen = Unforeseen(lambda: now[0])
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            detail = unforeseen.tell(stumble("x"), "a/b")
        now[0] = QUIET
        unforeseen.tell(stumble("y"), "a/b")
    assert detail.startswith("ValueError at ")
    assert " stumble: invalid literal" in detail
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "0 more" in said[0]
    assert "4 more" in said[1]
