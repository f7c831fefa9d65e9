"""Incidents that agents told arrive with their reasons; others' nonsense does no harm."""

from typing import Any
from uuid import UUID

import pytest

from analytics.jobs.inputs import digests
from analytics.jobs.window import compute
from contracts.incidents import Detail, EvidenceTrack, Reason, to_text

NAME = UUID(int=7)


def tell(recorder: Any, second: float, kind: str, text: str, value: float = 12.0) -> None:
    row = (recorder.at(second), 1, recorder.boot, kind, "road", 5, 3, value, 0.9, text)
    recorder.rows["details"].append(row)


def detail(recorder: Any, phase: Any) -> str:
    began = recorder.at(10)
    return to_text(
        Detail(
            incident=NAME,
            phase=phase,
            began=began,
            why=[Reason("stands_s", 12.0, 10.0)],
            tracks=[EvidenceTrack(3, 5, began, recorder.at(22))],
            at=(4.0, -2.5),
        )
    )


def test_begin_and_end_explain_themselves(recorder: Any) -> None:
    tell(recorder, 22, "stopped-vehicle", detail(recorder, "begins"))
    tell(recorder, 40, "stopped-vehicle.over", detail(recorder, "ends"), 30.0)
    begin, end = sorted(compute(recorder.inputs()).incidents, key=lambda i: i.captured)
    assert (begin.kind, begin.severity, begin.x, begin.y) == ("stopped-vehicle", 2, 4.0, -2.5)
    assert begin.evidence == {
        "incident": str(NAME),
        "phase": "begins",
        "place": "road",
        "lasted_s": 12.0,
        "began_before_s": 12.0,
        "confidence": 0.9,
        "why": [{"name": "stands_s", "value": 12.0, "limit": 10.0}],
        "tracks": [
            {
                "boot": recorder.boot.hex(),
                "track": 3,
                "class": "car",
                "from_before_s": 12.0,
                "until_before_s": 0.0,
            }
        ],
    }
    assert (end.kind, end.severity) == ("stopped-vehicle.over", 1)
    assert end.evidence["incident"] == begin.evidence["incident"]
    assert begin.incident != end.incident


@pytest.mark.parametrize("text", ["", "{", '{"incident":1}', "[]", '{"phase":"begins"}'])
def test_nonsense_is_left_out(recorder: Any, text: str) -> None:
    tell(recorder, 20, "wrong-way", text)
    tell(recorder, 21, "wrong-way", detail(recorder, "begins"))
    tell(recorder, 22, "of-somebody-else", detail(recorder, "begins"))
    assert [i.kind for i in compute(recorder.inputs()).incidents] == ["wrong-way"]


def test_windows_without_any_have_the_inputs_they_had(recorder: Any) -> None:
    assert "details" not in digests(recorder.inputs())
    tell(recorder, 20, "wrong-way", detail(recorder, "begins"))
    assert digests(recorder.inputs())["details"]["rows"] == 1
