"""Numbers of the device table: coloured where something is wrong, a dash where nothing is known."""

from types import SimpleNamespace
from typing import Any

import pytest

from api.console.rows import _link_cells, clock_cell
from api.console.words import DASH, Words
from contracts.metrics import Quality
from storage.clocks import ClockEstimate

EN = Words("en")


@pytest.mark.parametrize(
    ("offset", "error", "text", "bad"),
    [
        (0.02, 0.05, "\N{PLUS-MINUS SIGN}0.05 s", False),
        (0.3, 0.05, "+0.30 s", False),
        (120.0, 0.1, "+2 min", True),
        (-7200.0, 0.1, "\N{MINUS SIGN}2 h", True),
        (-5.0, 9.0, "\N{PLUS-MINUS SIGN}9 s", False),
    ],
)
def testclock_cell(offset: float, error: float, text: str, bad: bool) -> None:
    cell = clock_cell(ClockEstimate(offset, error), EN)
    assert (cell.text.replace("\N{NARROW NO-BREAK SPACE}", " "), cell.bad) == (text, bad)


def test_a_clock_that_nobody_has_heard() -> None:
    assert clock_cell(None, EN) == (DASH, False)


def link(**scalars: tuple[float, int]) -> list[tuple[str, bool]]:
    found: dict[tuple[str, str], Any] = {
        ("usti/cam", metric.replace("__", ".")): SimpleNamespace(value=value, quality=quality)
        for metric, (value, quality) in scalars.items()
    }
    cells = _link_cells("usti/cam", SimpleNamespace(scalars=found), EN)  # type: ignore[arg-type]
    return [(cell.text.replace("\N{NARROW NO-BREAK SPACE}", " "), cell.bad) for cell in cells]


def test_flagged_readings_are_shown_and_coloured() -> None:
    good = link(modem__rsrp=(-80, 0), modem__sinr=(10, 0), modem__round_trip=(20, 0))
    assert good == [
        ("\N{MINUS SIGN}80 dBm", False), ("10.0 dB", False), ("20 ms", False), (DASH, False)
    ]  # fmt: skip
    flagged = link(
        modem__rsrp=(-80, int(Quality.IMPLAUSIBLE)), uplink__round_trip=(20, int(Quality.RECEPTION))
    )
    assert [bad for _, bad in flagged] == [True, False, False, False]
    assert [bad for _, bad in link(modem__rsrp=(-120, 0), agent__backlog_age_s=(60, 0))] == [
        True, False, False, True
    ]  # fmt: skip
