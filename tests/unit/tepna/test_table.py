"""The demo's table is only as good as what makes it fail."""

import json

import pytest

from contracts.clock import from_micros
from contracts.site import read_site
from storage.report import Delivery
from tepna.demo.run import Span, _whole_minutes, _with_whole_minute
from tepna.demo.scene import picture
from tepna.demo.table import count_lines, delivery_lines, read_truth
from tepna.stack.deployment import deploy_folder

SITE = read_site(deploy_folder().parent / "pilots" / "usti-belehradska" / "site.toml")
GOOD = Delivery(100, 0, 0, 0, 0, 0.3, 0.6, 0.9)


def holds(delivery: Delivery) -> list[bool]:
    return [line.holds for line in delivery_lines(delivery)]


def test_a_whole_delivery_holds() -> None:
    assert holds(GOOD) == [True, True, True]


@pytest.mark.parametrize(
    ("fault", "which"),
    [
        ({"batches": 0}, 0),
        ({"repeated": 1}, 0),
        ({"missing": 1}, 0),
        ({"lost": 1}, 1),
        ({"dead_letters": 1}, 1),
        ({"delay_p95": 1.01}, 2),
        ({"delay_p95": None}, 2),
    ],
)
def test_each_fault_shows_in_its_line(fault: dict[str, float | None], which: int) -> None:
    found = holds(GOOD._replace(**fault))
    assert not found[which]
    assert sum(found) == 2


def test_truth_is_counted_within_the_span_alone(tmp_path) -> None:
    file = tmp_path / "truth.jsonl"
    passages = [
        {"t": t, "line": "east-out", "direction": way}
        for t, way in ((99, "in"), (100, "in"), (150, "out"), (199, "in"), (200, "in"))
    ]
    file.write_text("".join(json.dumps(passage) + "\n" for passage in passages))
    assert read_truth(file, start=100, end=200) == {("east-out", 1): 2, ("east-out", -1): 1}


@pytest.mark.parametrize(("counted", "close"), [(30, True), (27, True), (26, False), (34, False)])
def test_counts_are_held_to_the_truth(counted: int, close: bool) -> None:
    line = SITE.lines[0]
    lines = list(count_lines(SITE, {(line.device, line.id, 1): counted}, {(line.id, 1): 30}))
    assert [found.holds for found in lines] == [close]


def test_a_line_that_counts_where_nothing_passed_does_not_hold() -> None:
    line = SITE.lines[0]
    lines = list(count_lines(SITE, {(line.device, line.id, -1): 3}, {}))
    assert [found.holds for found in lines] == [False]


@pytest.mark.parametrize("earliest", [0.0, 12.0, 29.9, 30.0, 45.0, 59.9])
def test_a_span_of_90_seconds_has_a_whole_minute(earliest: float) -> None:
    start = _with_whole_minute(earliest, 90.0)
    assert earliest <= start <= earliest + 30.0
    span = Span(from_micros(round(start * 1e6)), from_micros(round((start + 90) * 1e6)))
    whole = _whole_minutes(span, partial=False)
    assert span.start <= whole.start < whole.end <= span.end


def test_a_short_file_is_judged_by_the_minutes_it_touches() -> None:
    span = Span(from_micros(70_000_000), from_micros(98_000_000))
    whole = _whole_minutes(span, partial=True)
    assert (whole.start, whole.end) == (from_micros(60_000_000), from_micros(120_000_000))


def test_a_source_gets_two_middle_lines_or_those_that_were_asked_for(tmp_path, shared_data) -> None:
    video = str(shared_data / "video" / "highway_320x240.avi")
    middle = picture(tmp_path, video, [], None)
    assert [line.a for line in middle.site.lines] == [(0.0, 120.0), (160.0, 0.0)]
    asked = picture(tmp_path, video, ["20,150,240,150"], None)
    assert [(line.a, line.b) for line in asked.site.lines] == [((20.0, 150.0), (240.0, 150.0))]
