"""What a check found."""

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    NOTE = "note"  # works, but not as well as it might
    BAD = "bad"


class Finding(NamedTuple):
    """One check's result."""

    name: str
    verdict: Verdict
    detail: str
    fix: str = ""


def good(name: str, detail: str) -> Finding:
    """Nothing is to be done."""
    return Finding(name, Verdict.GOOD, detail)


def note(name: str, detail: str, fix: str) -> Finding:
    """Something could be better."""
    return Finding(name, Verdict.NOTE, detail, fix)


def bad(name: str, detail: str, fix: str) -> Finding:
    """Say that the agent cannot do its work like that."""
    return Finding(name, Verdict.BAD, detail, fix)
