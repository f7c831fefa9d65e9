import json

import pytest
from typer.testing import CliRunner

from api.cli import app


@pytest.fixture
def run(monkeypatch):
    for name in ("DATABASE_URL", "MQTT_URL", "SETTINGS"):
        monkeypatch.delenv(f"TEPNA_{name}", raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_run_names_what_is_missing(run):
    result = run("run")
    assert result.exit_code == 2
    assert "TEPNA_DATABASE_URL" in result.stderr
    assert "TEPNA_MQTT_URL" in result.stderr


def test_a_port_that_is_none_is_refused(run, monkeypatch):
    monkeypatch.setenv("TEPNA_DATABASE_URL", "postgresql://")
    monkeypatch.setenv("TEPNA_MQTT_URL", "mqtt://here")
    result = run("run", "--port", 70_000)
    assert result.exit_code == 2
    assert "port" in result.stderr


def test_a_key_needs_the_database(run, monkeypatch):
    monkeypatch.setenv("TEPNA_DATABASE_URL", "postgresql://nobody:hidden@127.0.0.1:9/none")
    result = run("key", "create", "somebody")
    assert result.exit_code == 2
    assert "hidden" not in result.stderr


def test_the_openapi_document_is_written(run, tmp_path):
    file = tmp_path / "openapi.json"
    assert run("openapi", file).exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8"))["info"]["title"] == "Tepna"
