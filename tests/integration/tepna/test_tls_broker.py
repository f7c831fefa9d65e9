"""The broker as Docker Compose runs it: its own files, on the local stack's Mosquitto."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from contracts.clock import utc_now
from contracts.topics import topic
from ingest.inbox import Inbox
from ingest.receiver import Receiver
from ingest.settings import IngestSettings
from tepna.stack import Stack
from tepna.stack.greeting import reason_code
from tepna.stack.secret_files import write_secrets
from tests.integration.tepna.compose_broker import DEADLINE, Broker, compose_broker

DEVICE = "usti-belehradska/cam-1"


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[Broker]:  # noqa: ARG001 (it brings the program)
    with compose_broker([DEVICE]) as broker:
        yield broker


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
