"""What a run is held to, line by line."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from rich.table import Table

from contracts.site import Site
from storage.indicators import IndicatorValue
from storage.report import Delivery, Passage

COUNT_SHARE: Final = 0.1
COUNT_SLACK: Final = 2
"""A line's count may miss the truth by the larger of a tenth and two: a demo counts few."""

DELAY_P95: Final = 1.0
"""Captured to stored, 95 of 100 batches. [s]"""


class Line(NamedTuple):
    """One line of the table."""

    what: str
    measured: str
    wanted: str
    holds: bool


def read_truth(path: Path, *, start: int, end: int) -> Mapping[tuple[str, int], int]:
    """Count the passages of the simulator's file in [start, end) [us], by line and direction."""
    passages = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return Counter(
        (passage["line"], 1 if passage["direction"] == "in" else -1)
        for passage in passages
        if start <= passage["t"] < end
    )


def count_lines(
    site: Site, counted: Mapping[Passage, int], truth: Mapping[tuple[str, int], int] | None
) -> Iterable[Line]:
    """Compare what the cameras counted with what happened, where that is known."""
    for line in site.lines:
        for direction, arrow in ((1, "in"), (-1, "out")):
            n = counted.get((line.device, line.id, direction), 0)
            if truth is None:
                yield Line(f"{line.name.en}, {arrow}", str(n), "(no truth is known)", holds=True)
                continue
            happened = truth.get((line.id, direction), 0)
            if n == happened == 0:
                continue  # nobody came, nobody was seen
            slack = max(COUNT_SLACK, COUNT_SHARE * happened)
            wanted = f"{happened} (SUMO) ± {slack:.0f}"
            close = abs(n - happened) <= slack
            yield Line(f"{line.name.en}, {arrow}", str(n), wanted, close)


def delivery_lines(delivery: Delivery) -> Iterable[Line]:
    """Hold the way into the database to its promises."""
    found = f"{delivery.batches} batches, {delivery.missing} missing, {delivery.repeated} doubled"
    whole = delivery.batches > 0 and delivery.missing == delivery.repeated == 0
    yield Line("exactly once", found, "0 missing, 0 doubled", whole)
    refused = f"{delivery.lost} dropped, {delivery.dead_letters} dead letters"
    clean = delivery.lost == delivery.dead_letters == 0
    yield Line("nothing refused", refused, "0 dropped, 0 dead letters", clean)
    p50, p95 = delivery.delay_p50, delivery.delay_p95
    known = p50 is not None and p95 is not None
    yield Line(
        "captured to stored",
        f"p50 {p50:.2f} s, p95 {p95:.2f} s" if known else "nothing came",
        f"p95 ≤ {DELAY_P95:.1f} s",
        p95 is not None and p95 <= DELAY_P95,
    )


def indicator_line(title: str, unit: str, value: IndicatorValue | None, *, sure: bool) -> Line:
    """Show a value with its interval; `sure` asks for a number, else a stated reason will do."""
    wanted = "a value in its interval" if sure else "a value, or why there is none"
    if value is None:
        return Line(title, "not computed", wanted, holds=False)
    if value.value is None or value.low is None or value.high is None:
        said = f"{value.state} (n = {value.n:g}, coverage {value.coverage:.0%})"
        return Line(title, said, wanted, not sure)
    said = (
        f"{value.value:.3g} [{value.low:.3g}, {value.high:.3g}] {unit}, n = {value.n:g}, "
        f"coverage {value.coverage:.0%}, {value.state}"
    )
    return Line(title, said, wanted, value.low <= value.value <= value.high)


def table(lines: Iterable[Line]) -> Table:
    """Lay the lines out for a terminal."""
    shown = Table("", "measured", "wanted", "")
    for line in lines:
        mark = "[green]holds[/]" if line.holds else "[red]does not hold[/]"
        shown.add_row(line.what, line.measured, line.wanted, mark)
    return shown
