"""`docker-compose.yml` is valid, and agrees with what it starts; no engine is needed for that."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import edge.config
from analytics.settings import AnalyticsSettings
from api.settings import ApiSettings
from contracts.settings import RoomSettings
from ingest.door.settings import DoorSettings
from ingest.settings import IngestSettings
from storage.pool import StorageSettings
from tepna.cli import ROOMS, app
from tepna.stack.deployment import deploy_folder, shared_values
from tepna.stack.secret_files import write_secrets

PROJECT = Path(__file__).resolve().parents[3]
FILE = PROJECT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"migrate", "secrets"}  # services that do their work and end
LASTING = sorted(SERVICES.keys() - ONCE)
SETTINGS: dict[str, type[RoomSettings]] = {
    "migrate": StorageSettings,
    "ingest": IngestSettings,
    "analytics": AnalyticsSettings,
    "api": ApiSettings,
    "door": DoorSettings,
}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that `tepna secrets` makes."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    write_secrets(folder, ["mosquitto"], ["usti-belehradska/cam-1"])
    return folder


def default(text: str) -> str:
    """Replace ``${NAME:-value}`` by its value, as Compose does when NAME is not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def validate(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_it_follows_the_compose_specification() -> None:
    done = validate(FILE)
    assert done.returncode == 0, done.stdout


def test_the_schema_would_notice(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text().replace("healthcheck:", "health_check:", 1))
    done = validate(wrong)
    assert done.returncode == 1
    assert "health_check" in done.stdout


def test_the_wanted_services_are_there() -> None:
    assert {"postgres", "mosquitto", "ingest", "analytics", "api", "edge"} <= SERVICES.keys()
    assert SERVICES["edge"]["profiles"] == ["edge"]
    assert re.search(r"-pg17$", SERVICES["postgres"]["image"])
    assert "-oss" not in SERVICES["postgres"]["image"]  # the community edition


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", LASTING)
def test_each_lasting_service_is_watched_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_who_is_waited_for_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert other in ONCE


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_in_the_project(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target, *_ = default(volume).split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (PROJECT / source).exists() or source == "./secrets", source
        else:
            assert source in COMPOSE["volumes"]
    for network in SERVICES[name].get("networks", []):
        assert network in COMPOSE["networks"]


def test_every_secret_is_made_by_the_command_and_used(secrets: Path) -> None:
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
    for name, secret in COMPOSE["secrets"].items():
        folder, file = default(secret["file"]).split("/")
        assert folder == "secrets", name
        assert (secrets / file).is_file(), name


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_the_file_and_none_is_used_that_is_not_given(name: str) -> None:
    service = SERVICES[name]
    text = yaml.safe_dump(service) + (deploy_folder() / "mosquitto.compose.conf").read_text() * (
        name == "mosquitto"
    )
    wanted = set(re.findall(r"/run/secrets/(\w+)", text))
    assert wanted == set(service.get("secrets", []))
    for key, value in service.get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|URL", key):
            assert "/run/secrets/" in value


@pytest.mark.parametrize("name", SETTINGS)
def test_the_rooms_understand_their_environment(
    name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        f"/run/secrets/{secret}": str(secrets / default(entry["file"]).split("/")[1])
        for secret, entry in COMPOSE["secrets"].items()
    }
    for key, value in SERVICES[name]["environment"].items():
        assert key.removeprefix("TEPNA_").lower() in SETTINGS[name].model_fields
        monkeypatch.setenv(key, re.sub(r"/run/secrets/\w+", lambda m: files[m[0]], value))
    settings = SETTINGS[name].load()
    if isinstance(settings, StorageSettings):
        url = settings.database_url.get_secret_value()
        values = shared_values()
        assert url.startswith(f"postgresql://{values['POSTGRES_USER']}:")
        assert url.endswith(f"@postgres/{values['POSTGRES_DB']}")
    if isinstance(settings, IngestSettings):
        assert settings.broker.host in SERVICES
        assert settings.broker.tls
        assert settings.broker.user == shared_values()["TEPNA_MQTT_INGEST_USER"]


def test_the_agent_understands_its_environment(secrets: Path) -> None:
    service = SERVICES["edge"]
    agent = default(service["volumes"][0]).split(":")[0]
    url = (secrets / "mqtt_url_usti-belehradska.cam-1").read_text()
    flags = [flag for flag in service["command"] if "=" in flag]
    given = {**service["environment"], "TEPNA_MQTT_URL": url, "TEPNA_PICTURE_TOKEN": "x" * 32}
    assert set(service["environment"]) <= edge.config.ENVIRONMENT.keys()
    config = edge.config.read_config(PROJECT / agent, flags, given)
    broker = config.uplink.broker(config.device)
    assert (broker.host, broker.port, broker.tls) == ("mosquitto", 8883, True)
    assert broker.user == config.device == "usti-belehradska/cam-1"
    assert config.uplink.ca == Path("/run/secrets/mqtt_authority")
    assert str(config.outbox.path.parent) in service["volumes"][1]


@pytest.mark.parametrize(
    "name", [name for name, service in SERVICES.items() if "tepna-" in service["image"]]
)
def test_the_commands_exist_with_their_options(name: str) -> None:
    command = SERVICES[name]["command"]
    words = list(itertools.takewhile(str.isalpha, command))
    assert words[0] in ROOMS
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0, result.output
    for option in (word for word in command if word.startswith("--")):
        assert option in result.stdout


def test_the_image_is_built_with_extras_that_exist() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    recipe = (deploy_folder() / "Dockerfile").read_text()
    assert re.search(r"^ARG EXTRA=(\w+)$", recipe, re.MULTILINE)
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["args"].keys() == {"EXTRA"}
            assert service["build"]["args"]["EXTRA"] in extras
            assert (PROJECT / service["build"]["dockerfile"]).is_file()
    ignored = (deploy_folder() / "Dockerfile.dockerignore").read_text()
    build = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    for part in (*wheel["packages"], *wheel["force-include"], "constraints.txt", "pyproject.toml"):
        assert f"\n!{part}\n" in ignored


def test_both_ways_read_the_same_settings() -> None:
    mounted = [v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", [])]
    for name in ("postgresql.conf", "mosquitto.conf", "mosquitto.acl"):
        assert f"./deploy/{name}" in mounted
    assert SERVICES["postgres"]["env_file"] == "deploy/stack.env"
    assert shared_values().keys() == {
        "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_INITDB_ARGS", "POSTGRES_HOST_AUTH_METHOD",
        "TEPNA_MQTT_INGEST_USER", "TEPNA_MQTT_API_USER",
    }  # fmt: skip
    text = FILE.read_text()
    for name in ("shared_buffers", "max_packet_size", "max_connections"):
        assert name not in text
