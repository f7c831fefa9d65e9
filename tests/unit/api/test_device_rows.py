"""What a device's page says: of differences, and of answers that a device may have made up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.console.device_rows import command_row, configuration
from api.console.words import Words
from storage.remote import CommandRow, ConfigurationRow, Configurations

EN = Words("en")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def version(number: int, config: Any, state: str | None = None, applied: int | None = None) -> Any:
    return ConfigurationRow("town/cam", number, config, NOON, state, "", applied, "ab", NOON)


def command(kind: str, answer: Any, state: str | None = "done") -> CommandRow:
    return CommandRow("12345678", {"type": kind}, None, NOON, state, "", answer, NOON)


def test_what_is_desired_is_compared_with_what_is_in_force() -> None:
    old = version(1, {"batches": {"max_age_s": 1.0}})
    new = version(2, {"batches": {"max_age_s": 2.0}, "camera": {"masks": None}}, "rolled-back", 1)
    told = configuration(Configurations(new, new, old), EN)
    assert told["changes"] == [
        {"key": "batches.max_age_s", "desired": "2.0", "in_force": "1.0"},
        {"key": "camera.masks", "desired": "null", "in_force": "\N{EN DASH}"},
    ]
    assert told["behind"] is False
    accepted = version(2, new.config, "accepted", 2)
    assert configuration(Configurations(accepted, accepted, accepted), EN)["changes"] == []
    forgotten = version(9, {}, "rejected", 3)
    assert configuration(Configurations(forgotten, forgotten, None), EN)["changes"] is None
    assert configuration(Configurations(version(3, {}), new, old), EN)["behind"] is True


def test_findings_come_worst_first() -> None:
    findings = [{"name": name, "verdict": name, "detail": ""} for name in ("good", "bad", "note")]
    row = command_row(command("doctor", {"findings": findings}), NOON, EN)
    assert [each.name for each in row["findings"]] == ["bad", "note", "good"]
    assert row["counts"] == [("bad", "1 bad"), ("note", "1 notes"), ("good", "1 good")]


@pytest.mark.parametrize("findings", [None, 5, [{"name": "x", "verdict": "awful", "detail": ""}]])
def test_an_answer_that_is_none_is_shown_as_it_is(findings: Any) -> None:
    row = command_row(command("doctor", {"findings": findings}), NOON, EN)
    assert row["findings"] == []
    assert row["values"][0].startswith("findings: ")
    assert command_row(command("snapshot", {"snapshot": "../../x"}), NOON, EN)["snapshot"] == ""
    assert command_row(command("snapshot", {"snapshot": "asked-1"}), NOON, EN)["snapshot"] != ""


def test_a_command_without_an_answer_waits_until_it_has_expired() -> None:
    silent = command("ping", None, state=None)
    assert command_row(silent, NOON + timedelta(seconds=5), EN)["state"] == "waits"
    assert command_row(silent, NOON + timedelta(seconds=60), EN)["state"] == "silent"
