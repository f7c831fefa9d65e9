"""Texts, numbers and times as people read them, in Czech and English."""

import tomllib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Final, Literal
from zoneinfo import ZoneInfo

Language = Literal["cs", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("cs", "en")  # the first is the default
DASH: Final = "\N{EN DASH}"
NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"
ZONE: Final = "Europe/Prague"


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Texts of a language by `section.key`."""
    text = (files("api.console") / "locale" / f"{language}.toml").read_text(encoding="utf-8")
    return {
        f"{section}.{key}": value
        for section, entries in tomllib.loads(text).items()
        for key, value in entries.items()
    }


class Words:
    """One language: texts, decimal comma or point, local time with UTC at hand."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._texts = catalogue(language)
        self._zone = ZoneInfo(ZONE)

    def __call__(self, key: str, **values: str) -> str:
        """Text of a key.

        >>> Words("en")("indicator.n", n="12")
        'n = 12'
        """
        return self._texts[key].format(**values)

    def known(self, key: str, otherwise: str) -> str:
        """Text of a key that may be newer than the catalogue."""
        return self._texts.get(key, otherwise)

    def of(self, cs: str, en: str) -> str:
        """Pick the name that data carry in both languages."""
        return cs if self.language == "cs" else en

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number with this language's separators; a dash for what is not known.

        >>> Words("cs").number(0.5, 1), Words("en").number(0.5, 1)
        ('0,5', '0.5')
        """
        if value is None or not isfinite(value):
            return DASH
        text = f"{value:,.{digits}f}".replace("-", MINUS)
        comma = "," if self.language == "cs" else "."
        return text.replace(",", NARROW).replace(".", comma)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """Share as percent.

        >>> Words("cs").percent(0.934, 1).split()
        ['93,4', '%']
        """
        return DASH if share is None else f"{self.number(100 * share, digits)}{NARROW}%"

    def time(self, moment: datetime | None, *, date: bool = False) -> str:
        """Time of day in Prague, with the date on demand."""
        if moment is None:
            return DASH
        local = moment.astimezone(self._zone)
        clock = f"{local:%H:%M:%S}"
        day = f"{local.day}. {local.month}." if self.language == "cs" else f"{local:%d %b}"
        return f"{day} {clock}" if date else clock

    def utc(self, moment: datetime | None) -> str:
        """Write the same moment in UTC, for the title of what `time` wrote."""
        return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def duration(self, seconds: float | None) -> str:
        """Span of time in the unit that suits it.

        >>> [Words("en").duration(s).split() for s in (0.25, 42, 600, 7200, 200000)]
        [['0.25', 's'], ['42', 's'], ['10', 'min'], ['2', 'h'], ['2', 'd']]
        """
        if seconds is None:
            return DASH
        for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
            if seconds >= 2 * length or (unit != "day" and seconds >= length):
                return f"{self.number(seconds / length)}{NARROW}{self(f'unit.{unit}')}"
        digits = 0 if seconds >= 10 or seconds == round(seconds) else 1 if seconds >= 1 else 2  # noqa: PLR2004
        return f"{self.number(seconds, digits)}{NARROW}{self('unit.second')}"


def choose(asked: str | None) -> Language:
    """Language of a page: Czech unless English was asked for.

    >>> choose("en"), choose(None), choose("xx")
    ('en', 'cs', 'cs')
    """
    return "en" if asked == "en" else LANGUAGES[0]
