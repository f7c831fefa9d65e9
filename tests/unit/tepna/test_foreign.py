"""Accounts of foreign sources: in the access list, and in a Docker Compose installation."""

import json
from pathlib import Path

import yaml
from typer.testing import CliRunner

from tepna.stack.broker import access_list
from tepna.stack.cli import app

PROJECT = Path(__file__).resolve().parents[3]
SOURCES = """
[[source]]
name = "zigbee"
format = "zigbee2mqtt"
topics = ["zigbee2mqtt/#"]
pilot = "usti"
account = "zigbee.bridge"
"""


def sections(text: str) -> dict[str, list[str]]:
    """Give the lines of each account, however often it is named."""
    found: dict[str, list[str]] = {}
    user = ""
    for line in text.splitlines():
        if line.startswith("user "):
            user = line.removeprefix("user ")
        elif line.startswith("topic "):
            found.setdefault(user, []).append(line.removeprefix("topic "))
    return found


def test_an_account_writes_its_topics_and_ingest_reads_them() -> None:
    ours = sections(access_list({}))
    found = sections(access_list({"a.b": ["a/#", "b/+"], "c.d": ["b/+"]}))
    assert found["a.b"] == ["write a/#", "write b/+"]
    assert found["c.d"] == ["write b/+"]
    assert found["ingest"] == [*ours["ingest"], "read a/#", "read b/+"]
    assert found["api"] == ours["api"]


def test_secrets_of_a_compose_installation(tmp_path: Path) -> None:
    sources = tmp_path / "foreign.toml"
    sources.write_text(SOURCES, encoding="utf-8")
    folder = tmp_path / "secrets"
    arguments = ["secrets", str(folder), "--host", "broker", "--foreign", str(sources)]
    for _ in range(2):  # the second time changes nothing
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
    accounts = json.loads((folder / "mqtt_accounts.json").read_text())
    url = (folder / "mqtt_url_zigbee.bridge").read_text()
    assert accounts["zigbee.bridge"] in url
    assert sections((folder / "mosquitto.acl").read_text())["zigbee.bridge"] == [
        "write zigbee2mqtt/#"
    ]
    assert "all there" in done.output


def test_a_wrong_file_makes_no_accounts(tmp_path: Path) -> None:
    sources = tmp_path / "foreign.toml"
    sources.write_text(SOURCES.replace("zigbee.bridge", "ingest"), encoding="utf-8")
    arguments = ["secrets", str(tmp_path / "secrets"), "--foreign", str(sources)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "give it a dot" in done.output


def test_the_overlay_fits_the_services() -> None:
    """It replaces what the broker has at the same place, and gives ingest the file it is told."""
    base, overlay = (
        yaml.safe_load((PROJECT / name).read_text())["services"]
        for name in ("docker-compose.yml", "deploy/foreign.compose.yml")
    )
    [acl] = overlay["mosquitto"]["volumes"]
    assert acl.split(":")[1] in [v.split(":")[1] for v in base["mosquitto"]["volumes"]]
    [file] = overlay["ingest"]["volumes"]
    assert overlay["ingest"]["environment"] == {"TEPNA_FOREIGN": file.split(":")[1]}
    assert overlay.keys() <= base.keys()
