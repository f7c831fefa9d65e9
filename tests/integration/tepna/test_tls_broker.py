"""The broker as Docker Compose runs it: its own files, on the local stack's Mosquitto."""

import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from contracts.clock import utc_now
from contracts.topics import topic
from ingest.inbox import Inbox
from ingest.receiver import Receiver
from ingest.settings import IngestSettings
from tepna.stack import Stack
from tepna.stack.greeting import reason_code
from tepna.stack.packages import Servers, servers_root
from tepna.stack.places import cache_folder, server_account
from tepna.stack.secret_files import write_secrets
from tepna.stack.server import choose_port, port_is_free

PROJECT = Path(__file__).resolve().parents[3]
DEADLINE = 20.0  # [s]
DEVICE = "usti-belehradska/cam-1"


class Broker(NamedTuple):
    """A broker that takes TLS connections only."""

    port: int
    secrets: Path


def paths(compose: dict[str, Any], secrets: Path, data: Path) -> dict[str, Path]:
    """Where each path of the container is on this machine, by docker-compose.yml."""
    service = compose["services"]["mosquitto"]
    found = {
        f"/run/secrets/{name}": secrets / Path(compose["secrets"][name]["file"]).name
        for name in service["secrets"]
    }
    for volume in service["volumes"]:
        source, target, *_ = volume.split(":")
        found[target] = PROJECT / source if source.startswith(".") else data
    return found


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[Broker]:  # noqa: ARG001 (it brings the program)
    """Run Mosquitto with what docker-compose.yml gives it, paths and port put right."""
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    folder = Path(tempfile.mkdtemp())
    data = folder / "data"
    data.mkdir()
    write_secrets(folder / "secrets", ["127.0.0.1"], [DEVICE])
    found = paths(compose, folder / "secrets", data)
    shared = Path("/mosquitto/shared/mosquitto.conf")
    (folder / "shared").mkdir()
    shutil.copy(found[str(shared)], folder / "shared")
    port = choose_port(None)
    text = found["/mosquitto/config/mosquitto.conf"].read_text()
    for inside, outside in {**found, str(shared.parent): folder / "shared"}.items():
        text = text.replace(inside, str(outside))
    text = re.sub(r"listener 8883", f"listener {port} 127.0.0.1", text)
    settings = folder / "mosquitto.conf"
    settings.write_text(text.replace(str(PROJECT / "deploy"), str(folder / "shared")))
    shutil.copy(PROJECT / "deploy" / "mosquitto.acl", folder / "shared")
    program = Servers(servers_root(cache_folder(server_account()))).mosquitto
    account = server_account()
    if account is not None:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, account.uid, account.gid)
    with subprocess.Popen(  # noqa: S603
        [program, "-c", settings], user=account.uid if account else None
    ) as process:
        end = time.monotonic() + DEADLINE
        while port_is_free(port):
            assert process.poll() is None, "ended early"
            assert time.monotonic() < end
            time.sleep(0.02)
        yield Broker(port, folder / "secrets")
        process.terminate()
    shutil.rmtree(folder)


def context(authority: Path) -> ssl.SSLContext:
    """Trust this authority alone, as strictly as newer Pythons do."""
    found = ssl.create_default_context(cafile=str(authority))
    found.verify_flags |= ssl.VERIFY_X509_STRICT
    return found


@pytest.mark.parametrize("account", ["ingest", "api", DEVICE.replace("/", ".")])
def test_each_account_comes_in_over_tls(broker: Broker, account: str) -> None:
    url = urlsplit((broker.secrets / f"mqtt_url_{account}").read_text())
    assert url.scheme == "mqtts"
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.username_pw_set(unquote(url.username or ""), url.password)
    client.tls_set_context(context(broker.secrets / "mqtt_authority.pem"))
    codes: list[int] = []
    client.on_connect = lambda _c, _u, _f, code, _p: codes.append(code.value)
    client.connect("127.0.0.1", broker.port)
    end = time.monotonic() + DEADLINE
    while not codes:
        client.loop(0.1)
        assert time.monotonic() < end
    client.disconnect()
    assert codes == [0]


def test_ingest_receives_large_and_many_messages_over_tls(broker: Broker) -> None:
    """Records of TLS do not end where packets do, and sometimes lie in the library already."""
    at_broker = f"@127.0.0.1:{broker.port}"
    accounts = {
        name: (broker.secrets / f"mqtt_url_{name}").read_text().rpartition("@")[0]
        for name in ("ingest", DEVICE.replace("/", "."))
    }
    settings = IngestSettings(
        database_url="postgresql://",
        mqtt_url=accounts["ingest"] + at_broker,
        mqtt_ca=str(broker.secrets / "mqtt_authority.pem"),
    )
    inbox = Inbox(settings.ingest_window)
    receiver = Receiver(settings, inbox, utc_now)
    receiver.start()
    assert receiver.subscribed.wait(DEADLINE)
    device = urlsplit(accounts[DEVICE.replace("/", ".")] + at_broker)
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.username_pw_set(unquote(device.username or ""), device.password)
    client.tls_set_context(context(broker.secrets / "mqtt_authority.pem"))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    sizes = [3_000_000, *[1000] * 300, 16_384, 0, 2_000_000]
    for size in sizes:
        client.publish(topic(DEVICE, "up", "obs"), bytes(size), qos=1).wait_for_publish(DEADLINE)
    client.disconnect()
    client.loop_stop()
    found = inbox.take(len(sizes))
    receiver.acknowledge(found)
    inbox.release(found)
    receiver.stop()
    assert [len(delivery.payload) for delivery in found] == sizes


def test_without_tls_nobody_comes_in(broker: Broker) -> None:
    url = urlsplit((broker.secrets / "mqtt_url_ingest").read_text())
    account = url.netloc.rpartition("@")[0]
    with pytest.raises(OSError, match=r"does not speak MQTT 5|reset by peer"):
        reason_code(f"mqtt://{account}@127.0.0.1:{broker.port}")


def test_a_broker_with_another_authoritys_certificate_is_refused(
    broker: Broker, tmp_path: Path
) -> None:
    write_secrets(tmp_path / "other", ["127.0.0.1"], [])
    other = context(tmp_path / "other" / "mqtt_authority.pem")
    with (
        socket.create_connection(("127.0.0.1", broker.port)) as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        other.wrap_socket(connection, server_hostname="127.0.0.1")
