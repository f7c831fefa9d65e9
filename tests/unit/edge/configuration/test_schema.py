"""The published schema is the model's, and says of files what the agent says of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from contracts.errors import SettingsError
from contracts.version import __version__
from edge.cli import app
from edge.config import read_config
from edge.configuration.document import parse_yaml
from edge.configuration.schema import VERSION, agent_schema
from edge.configuration.words import WORDS

ROOT = Path(__file__).parents[4]
PUBLISHED = ROOT / "docs" / "schema" / f"agent-{VERSION}.json"
SCHEMA = json.loads(PUBLISHED.read_text())
PILOTS = sorted((ROOT / "pilots").rglob("*.yaml"))
GIVEN = {"TEPNA_MQTT_URL": "mqtt://x", "TEPNA_PICTURE_TOKEN": "x" * 16}


def wrong(text: str) -> list[str]:
    """What the schema finds, as its editor would mark it."""
    found = Draft202012Validator(SCHEMA).iter_errors(parse_yaml(text, "a").table)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def test_the_published_schema_is_the_models() -> None:
    assert agent_schema(foreign=False) == SCHEMA, "print it anew: tepna edge schema"
    assert SCHEMA["$comment"] == f"Tepna {__version__}"
    Draft202012Validator.check_schema(SCHEMA)


def test_the_command_prints_it() -> None:
    printed = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert printed["$id"] == SCHEMA["$id"]
    assert SCHEMA["$defs"].keys() <= printed["$defs"].keys()


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in [("AgentConfig", schema), *schema["$defs"].items()]:
        for key, property_ in part.get("properties", {}).items():
            yield f"{name}.{key}", property_


def test_every_key_is_described_and_every_description_is_of_a_key() -> None:
    """A new key gets a description in its model, or in `edge/configuration/words.py`."""
    found = dict(keys(SCHEMA))
    assert [key for key, part in found.items() if not part.get("description")] == []
    known = found.keys() | {key.partition(".")[2] for key in found}
    assert WORDS.keys() - known == set()


def test_every_example_is_right() -> None:
    """Examples that break the rules of their own key would teach errors."""
    resolver = {"$defs": SCHEMA["$defs"]}
    for key, part in keys(SCHEMA):
        for example in part.get("examples", []):
            errors = list(Draft202012Validator(resolver | part).iter_errors(example))
            assert errors == [], key


@pytest.mark.parametrize("path", PILOTS, ids=lambda path: path.stem)
def test_the_pilots_files_are_right_and_name_it(path: Path) -> None:
    text = path.read_text()
    first = text.partition("\n")[0]
    assert (path.parent / first.partition("$schema=")[2]).resolve() == PUBLISHED
    assert wrong(text) == []


def test_there_are_pilots() -> None:
    assert len(PILOTS) == 3


LEAST = "device: a/b\n"
CAMERA = LEAST + "camera:\n  source: a.avi\n"
SENSOR = LEAST + "sensors:\n  - "
METER = SENSOR + "kind: modbus\n    source: tcp://x\n    registers: "


@pytest.mark.parametrize(
    "text",
    [
        LEAST,
        CAMERA + "  drawn_on: [768, 576]\n  lines: [{id: a, a: [0, 1], b: [9, 9], enters: in}]\n",
        CAMERA + "  start: 2026-05-04T07:00:00Z\n  clock: arrival\n",
        SENSOR + "source: tcp://x:1\n",
        METER + "[{address: 1, metric: a.b, unit: V}]\n",
        SENSOR + "kind: http\n    url: http://x\n    values: [{path: $.t, metric: air.humidity}]\n",
        SENSOR + "kind: nmea\n    port: /dev/ttyACM0\n",
        LEAST + "modem:\n  kind: at\n  port: /dev/ttyUSB2\n",
        LEAST + "pictures:\n  listen: 127.0.0.1:0\n",
        LEAST + "uplink:\n  url: mqtts://x\n  password: file:pw\n",
    ],
)  # fmt: skip
def test_what_the_agent_takes_the_schema_takes(tmp_path: Path, text: str) -> None:
    assert wrong(text) == []
    (tmp_path / "pw").write_text("x")
    (tmp_path / "a.yaml").write_text(text)
    assert read_config(tmp_path / "a.yaml", (), GIVEN).device == "a/b"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("simulated: true\n", ""),
        ("device: cam-1\n", "device"),
        (LEAST + "camara:\n  source: x\n", ""),
        (LEAST + "camera:\n  clock: pts\n", "camera"),
        (CAMERA + "  clock: sundial\n", "camera.clock"),
        (CAMERA + "  lines: [{id: a, a: [0], b: [1, 1]}]\n", "camera.lines.0.a"),
        (CAMERA + "  drawn_on: [0, 576]\n", "camera.drawn_on"),
        (SENSOR + "kind: nmea\n", "sensors.0"),
        (SENSOR + "kind: nmea\n    port: /dev/ttyACM0\n    bauds: 9600\n", "sensors.0"),
        (SENSOR + "kind: modbus\n    source: tcp://x\n    registers: []\n", "sensors.0.registers"),
        (LEAST + "modem:\n  kind: at\n  port: 5\n", "modem.port"),
        (LEAST + "outbox:\n  max_bytes: 1\n", "outbox.max_bytes"),
        (LEAST + "uplink:\n  window: many\n", "uplink.window"),
    ],
)
def test_what_the_agent_refuses_the_schema_refuses(tmp_path: Path, text: str, place: str) -> None:
    assert any(error.startswith(f"{place}: ") for error in wrong(text)), wrong(text)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SettingsError):
        read_config(tmp_path / "a.yaml", (), GIVEN)
