import re
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from api.console.words import LANGUAGES, Words, catalogue
from contracts.classes import RoadUser
from contracts.events import CAMERA_EVENTS, INCIDENTS, OVER


def test_both_languages_say_the_same_things():
    czech, english = (catalogue(language) for language in LANGUAGES)
    assert czech.keys() == english.keys()
    for key, text in czech.items():
        holes = re.compile(r"{(\w+)}")
        assert sorted(holes.findall(text)) == sorted(holes.findall(english[key])), key


def test_every_text_that_is_asked_for_exists_and_every_text_is_asked_for():
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("api.console",)
        for path in (*files(folder).iterdir(), *(files(folder) / "templates").iterdir())
        if path.is_file()
    ]
    asked = set(re.findall(r"""\b(?:w|words)\(\s*f?["']([\w.{}-]+)["']""", "\n".join(sources)))
    asked |= set(re.findall(r"""known\(f?["']([\w.{}'()-]+)["']""", "\n".join(sources)))
    fixed = {key for key in asked if "{" not in key and "." in key and not key.endswith(".")}
    assert fixed <= catalogue("cs").keys()


def test_names_of_data_are_translated():
    for language in LANGUAGES:
        known = catalogue(language)
        assert all(f"road_user.{user.name.lower()}" in known for user in RoadUser)
        kinds = {
            "conflict",
            "red-light-running",
            "red-light-insufficient",
            *CAMERA_EVENTS,
            *INCIDENTS,
        }
        kinds |= {kind + OVER for kind in INCIDENTS}
        assert all(f"incident_kind.{kind}" in known for kind in kinds)


@pytest.mark.parametrize(
    ("value", "digits", "czech", "english"),
    [
        (0, 0, "0", "0"),
        (None, 0, "\u2013", "\u2013"),
        (float("nan"), 1, "\u2013", "\u2013"),
        (-1234.5, 1, "\u22121\u202f234,5", "\u22121\u202f234.5"),
        (0.05, 2, "0,05", "0.05"),
    ],
)
def test_numbers(value, digits, czech, english):
    assert Words("cs").number(value, digits) == czech
    assert Words("en").number(value, digits) == english


def test_times_are_shown_in_prague_with_utc_at_hand():
    summer = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert Words("cs").time(summer) == "00:30:00"
    assert Words("cs").time(summer, date=True) == "2. 7. 00:30:00"
    assert Words("en").utc(summer) == "2026-07-01 22:30:00 UTC"
    assert Words("en").time(None) == "\u2013"
