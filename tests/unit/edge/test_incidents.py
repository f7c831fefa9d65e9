"""What begins also ends, even if the process that watched it does not live to see that."""

from typing import Any
from uuid import UUID

import pytest

from contracts.incidents import Detail, from_text, to_text
from edge.incidents import GoingOn
from edge.wire import Happened

BEGAN = 1_777_878_000_000_000


def happened(number: int, phase: Any, kind: str = "camera.covered") -> Happened:
    name, captured = UUID(int=number), BEGAN + 10_000_000
    detail = Detail(incident=name, phase=phase, began=BEGAN)
    return Happened(name, kind, phase, captured, "camera", 0, 0, 10.0, 0.9, to_text(detail))


def test_a_begin_and_its_end_are_two_events() -> None:
    going_on = GoingOn()
    (begin,) = going_on.take([happened(1, "begins")])
    assert going_on.blind
    (end,) = going_on.take([happened(1, "ends")])
    assert not going_on.blind
    assert (begin.kind, end.kind) == ("camera.covered", "camera.covered.over")
    assert from_text(begin.detail).incident == from_text(end.detail).incident
    assert going_on.abandon(BEGAN) == []


def test_what_nobody_watches_any_more_is_ended_once() -> None:
    going_on = GoingOn()
    going_on.take([happened(1, "begins", "wrong-way"), happened(2, "begins")])
    ends = going_on.abandon(BEGAN + 30_000_000)
    assert [e.kind for e in ends] == ["wrong-way.over", "camera.covered.over"]
    assert [e.value for e in ends] == [pytest.approx(30.0)] * 2
    assert [from_text(e.detail).why[0].name for e in ends] == ["watched"] * 2
    assert going_on.abandon(BEGAN) == []
    assert not going_on.blind
