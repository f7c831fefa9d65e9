"""A box becomes a device: from the operator's code to a connection that the broker lets in."""

import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest
import uvicorn
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from contracts.clock import utc_now
from contracts.enrolment import PATH, RENEWAL_PATH, Enrolment, Renewal, new_code
from contracts.errors import SettingsError
from contracts.site import Name, Site
from contracts.topics import topic
from edge.agent import Agent
from edge.config import read_config
from edge.doctor.examine import examine
from edge.doctor.finding import Verdict
from edge.identity.enroll import enroll, renew, request_for
from edge.identity.folder import PAIR, IdentityError, read_identity
from edge.identity.keeper import Keeper
from edge.identity.pair import waiting_key
from ingest.cli import app as ingest_cli
from ingest.door.app import create_door
from ingest.door.settings import DoorSettings
from storage.pool import Connection, StorageSettings, connect
from storage.registry import register_device, register_site, retire_device
from storage.registry_cli import app as registry_cli
from tepna.stack import Stack
from tests.integration.tepna.compose_broker import DEADLINE, Broker, compose_broker

DEVICE = "town/box"


class Town(NamedTuple):
    """A platform that enrolls."""

    door: str
    broker: Broker
    connection: Connection
    settings: dict[str, str]  # of a process of the platform

    def code(self, device: str = DEVICE) -> str:
        result = CliRunner(env=self.settings).invoke(registry_cli, ["enroll", device])
        assert result.exit_code == 0, result.output
        return result.stdout.strip().replace("-", "")

    def command(self, *arguments: str) -> str:
        result = CliRunner(env=self.settings).invoke(ingest_cli, ["certificate", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def restart_broker(self) -> None:
        self.broker.program.stop()
        self.broker.program.start()


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[Broker]:  # noqa: ARG001 (it brings the program)
    with compose_broker([]) as broker:
        yield broker


@pytest.fixture
def town(broker: Broker, database_url: str) -> Iterator[Town]:
    settings = {
        "TEPNA_DATABASE_URL": database_url,
        "TEPNA_ENROLMENT_AUTHORITY": str(broker.secrets / "device_authority.pem"),
        "TEPNA_ENROLMENT_AUTHORITY_KEY": str(broker.secrets / "device_authority.key"),
        "TEPNA_ENROLMENT_BROKER": f"mqtts://127.0.0.1:{broker.certificate_port}",
        "TEPNA_MQTT_CA": str(broker.secrets / "mqtt_authority.pem"),
    }
    given = {name.removeprefix("TEPNA_").lower(): value for name, value in settings.items()}
    with (
        connect(StorageSettings(database_url=database_url)) as connection,
        served(DoorSettings(**given)) as door,
    ):
        plan = Site(
            id="here", pilot="town", name=Name(cs="Zde", en="Here"), latitude=50, longitude=14,
            speed_limit_km_h=50,
        )  # fmt: skip
        register_site(connection, plan)
        register_device(connection, pilot="town", site="here", name="box")
        yield Town(door, broker, connection, settings)


@contextmanager
def served(settings: DoorSettings) -> Iterator[str]:
    app = create_door(settings, utc_now)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + DEADLINE
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        yield "http://{}:{}".format(*server.servers[0].sockets[0].getsockname())
    finally:
        server.should_exit = True
        thread.join(DEADLINE)


def let_in(folder: Path, words: str = topic(DEVICE, "up", "obs")) -> bool:
    """Whether the broker takes a message of the box of this folder."""
    found = read_identity(folder)
    client = Client(CallbackAPIVersion.VERSION2, client_id=DEVICE, protocol=MQTTv5)
    client.tls_set(ca_certs=str(found.authority), certfile=str(found.pair), keyfile=str(found.pair))
    answers: list[int] = []
    client.on_publish = lambda _c, _u, _m, code, _p: answers.append(code.value)
    client.on_connect = lambda *_: client.publish(words, b"x", qos=1)
    host, _, port = found.place.broker.removeprefix("mqtts://").rpartition(":")
    try:
        client.connect(host, int(port))
        end = time.monotonic() + DEADLINE
        while not answers and client.loop(0.1) == 0:
            assert time.monotonic() < end
    except OSError:
        return False
    client.disconnect()
    return bool(answers) and answers[0] < 0x80  # 0x10: nobody listens


def test_a_box_enrolls_by_its_command_and_speaks_as_itself(town: Town, tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    done = subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-m", "tepna", "edge", "enroll", town.door, "--into", str(folder)],
        input=f"{town.code().lower()}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"This box is {DEVICE}" in done.stdout
    assert stat.S_IMODE((folder / PAIR).stat().st_mode) == 0o600
    assert let_in(folder)
    assert not let_in(folder, topic("town/other", "up", "obs"))
    assert DEVICE in town.command("list")


def test_a_code_is_for_one_key_and_asking_again_gives_the_same(town: Town, tmp_path: Path) -> None:
    code = town.code()
    first = enroll(town.door, code, tmp_path / "box").pair.read_text()
    again = tmp_path / "box" / "waiting.key"  # the answer was lost: the key waits still
    again.write_text(first[: first.index("-----BEGIN CERT")])
    assert enroll(town.door, code, tmp_path / "box").pair.read_text() == first
    with pytest.raises(IdentityError, match="was used"):
        enroll(town.door, code, tmp_path / "thief")
    assert town.connection.execute("SELECT count(*) FROM device_certificate").fetchone() == (1,)


def test_only_the_newest_code_opens_and_none_of_a_retired_device(
    town: Town, tmp_path: Path
) -> None:
    old, new = town.code(), town.code()
    with pytest.raises(IdentityError, match="was used, has run out"):
        enroll(town.door, old, tmp_path)
    retire_device(town.connection, pilot="town", name="box")
    with pytest.raises(IdentityError, match="was used, has run out"):
        enroll(town.door, new, tmp_path)
    with pytest.raises(IdentityError, match="was used, has run out"):
        enroll(town.door, new_code().replace("-", ""), tmp_path)


def test_a_renewed_box_is_let_in_and_a_revoked_one_is_not(town: Town, tmp_path: Path) -> None:
    before = enroll(town.door, town.code(), tmp_path).pair.read_text()
    assert renew(tmp_path).pair.read_text() != before
    assert let_in(tmp_path)
    assert "2 revoked" in town.command("revoke", DEVICE)
    with pytest.raises(IdentityError, match="was revoked"):
        renew(tmp_path)
    town.command("revoked", str(town.broker.secrets / "device_revoked.pem"))
    town.restart_broker()
    assert not let_in(tmp_path)
    (tmp_path / "waiting.key").unlink()
    enroll(town.door, town.code(), tmp_path)
    assert let_in(tmp_path)


def test_a_renewal_needs_the_old_key(town: Town, tmp_path: Path) -> None:
    enroll(town.door, town.code(), tmp_path / "box")
    pem = (tmp_path / "box" / PAIR).read_text()
    certificate = pem[pem.index("-----BEGIN CERT") :]
    (tmp_path / "thief").mkdir()
    thief = waiting_key(tmp_path / "thief")
    body = Renewal(certificate, request_for(thief), b"x" * 70)
    answer = httpx.post(town.door + RENEWAL_PATH, content=msgspec.json.encode(body))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"code": "x", "request": "y"}', b"\xff" * 100, b"x" * 40_000,
     msgspec.json.encode(Enrolment(new_code(), "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"))],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_enrolment_is_refused(town: Town, body: bytes) -> None:
    answer = httpx.post(town.door + PATH, content=body)
    assert answer.status_code in {400, 413}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_door_without_an_authority_enrolls_nobody(database_url: str, tmp_path: Path) -> None:
    with (
        served(DoorSettings(database_url=database_url)) as door,
        pytest.raises(IdentityError, match="Nobody is enrolled"),
    ):
        enroll(door, "K7Q29ZXM4PWDH3T0", tmp_path)


@pytest.mark.parametrize("door", ["http://example.org", "ftp://x", "x", "https://"])
def test_a_code_is_never_sent_in_the_clear(door: str, tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="no address of a door"):
        enroll(door, "K7Q29ZXM4PWDH3T0", tmp_path)


def test_an_agent_with_an_identity_goes_where_it_was_enrolled(town: Town, tmp_path: Path) -> None:
    enroll(town.door, town.code(), tmp_path / "identity")
    file = tmp_path / "box.toml"
    file.write_text(f'device = "{DEVICE}"\n[uplink]\nidentity = "identity"\n')
    config = read_config(file, environment={})
    agent = Agent(config, clock=utc_now)
    running = threading.Thread(target=agent.run)
    running.start()
    try:
        end = time.monotonic() + DEADLINE
        while not agent.connected:
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        agent.stop()
        running.join(DEADLINE)
    findings = {found.name: found for found in examine(config)}
    assert findings["identity"].verdict is Verdict.GOOD
    assert findings["broker"].detail.endswith(f"lets {DEVICE} in")
    file.write_text('device = "town/other"\n[uplink]\nidentity = "identity"\n')
    with pytest.raises(SettingsError, match="is the identity of town/box"):
        read_config(file, environment={})


def test_the_agent_renews_before_the_end_and_not_before_it_is_due(
    town: Town, tmp_path: Path
) -> None:
    before = enroll(town.door, town.code(), tmp_path)
    told: list[Path] = []
    now = [utc_now()]
    keeper = Keeper(tmp_path, told.append, lambda: now[0])
    assert keeper.look()
    assert told == []
    now[0] += 700 * 86_400 * 1_000_000
    old = before.pair.read_text()
    assert keeper.look()
    assert told == [before.pair]
    assert before.pair.read_text() != old
    town.command("revoke", DEVICE)
    assert not keeper.look()
    assert let_in(tmp_path), "until the broker has the list"
