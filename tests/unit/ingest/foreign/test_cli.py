"""What `tepna ingest foreign check` says of a file and of a message."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.cli import app

SOURCES = """
[[source]]
name = "zigbee"
format = "zigbee2mqtt"
topics = ["zigbee2mqtt/#"]
pilot = "usti"
account = "zigbee.bridge"

[source.metrics]
temperature = {metric = "air.temperature", unit = "Cel"}
"""
SEEN = '{"temperature":21.5,"action":"single","last_seen":"2026-11-23T12:00:00Z"}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "foreign.toml"
    file.write_text(SOURCES, encoding="utf-8")
    return file


def check(*arguments: str | Path, given: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["foreign", "check", *map(str, arguments)], input=given)
    return result.exit_code, result.output


def test_the_file(file: Path) -> None:
    code, said = check(file)
    assert code == 0
    assert said.splitlines() == [
        "zigbee: zigbee2mqtt on zigbee2mqtt/#; 0 devices listed, others are usti/{source}-{id}",
        "account zigbee.bridge may publish to zigbee2mqtt/#",
    ]


def test_a_message(file: Path, tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_text(SEEN, encoding="utf-8")
    code, said = check(file, "--topic", "zigbee2mqtt/hall", "--payload", payload)
    assert code == 0
    lines = said.splitlines()
    assert lines[:2] == [
        "usti/zigbee-hall  2026-11-23T12:00:00.000000Z  air.temperature = 21.5 Cel",
        "usti/zigbee-hall  2026-11-23T12:00:00.000000Z  event zigbee2mqtt.action: single",
    ]
    assert lines[2].startswith("named by ")
    assert check(file, "--topic", "zigbee2mqtt/hall", given=SEEN) == (code, said)


@pytest.mark.parametrize(
    ("topic", "payload", "code", "says"),
    [
        ("zigbee2mqtt/hall", "{", 1, "dead letter, not-json"),
        ("else/where", "{}", 1, "dead letter, unknown-topic"),
        ("tepna/1/a/b/up/obs", "{}", 1, "Tepna's own"),
        ("zigbee2mqtt/hall/set", "{}", 0, "nothing in it is stored"),
        ("zigbee2mqtt/hall/availability", "online", 0, "usti/zigbee-hall  is online"),
        ("zigbee2mqtt/hall", '{"humidity":3}', 0, "(RECEPTION)\nnamed by its delivery alone"),
    ],
)
def test_what_would_become_of_it(
    file: Path, topic: str, payload: str, code: int, says: str
) -> None:
    found, said = check(file, "--topic", topic, given=payload)
    assert (found, says in said) == (code, True), said


def test_a_wrong_file(file: Path) -> None:
    file.write_text(SOURCES.replace("usti", "Usti"), encoding="utf-8")
    code, said = check(file)
    assert code == 2
    assert "source.0.pilot is 'Usti'" in said
