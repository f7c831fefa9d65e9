"""Configuration and commands pass between operator and device; ingest puts both sides down."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from contracts.broker import read_broker
from contracts.clock import from_micros, utc_now
from contracts.messages import Desired, Reported, Result
from contracts.topics import topic
from ingest.replay import replay
from ingest.settings import ReplaySettings
from storage.registry import register_device
from storage.remote import COMMANDS, CONFIGURATIONS, keep_command, keep_desired, keep_reported

pytestmark = pytest.mark.usefixtures("ingest")


@pytest.fixture
def operator(broker: Any) -> Iterator[Client]:
    """The account that may desire and command."""
    account = read_broker(SecretStr(broker.mqtt_url("api")))
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.username_pw_set(account.user, account.password)
    client.connect(account.host, account.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def reported(version: int, state: Any, applied: int) -> bytes:
    said = Reported(
        version=version, state=state, reason="", applied=applied, config_hash="ab", at=utc_now()
    )
    return msgspec.json.encode(said)


def configurations(street: Any) -> list[tuple[Any, ...]]:
    return street.rows("SELECT version, config, state, applied FROM device_configuration")


def commands(street: Any) -> list[tuple[Any, ...]]:
    return street.rows("SELECT command, task, state, answer FROM device_command")


def test_a_configuration_and_what_a_device_makes_of_it(
    street: Any, operator: Client, eventually: Any
) -> None:
    camera = street.device("camera")
    config = {"camera": {"lines": [], "password": "1234"}}
    desired = msgspec.json.encode(Desired(version=7, config=config, sent_at=utc_now()))
    operator.publish(topic(camera.identity, "desired"), desired, qos=1).wait_for_publish(20)
    eventually("desired", lambda: configurations(street))
    camera.publish("reported", reported(7, "trying", 7))
    camera.publish("reported", reported(7, "accepted", 7))
    eventually("accepted", lambda: [row[2] for row in configurations(street)] == ["accepted"])
    kept = {"camera": {"lines": [], "password": "***"}}
    assert configurations(street) == [(7, kept, "accepted", 7)]
    assert street.letters() == []


def test_a_command_and_its_result(street: Any, operator: Client, eventually: Any) -> None:
    camera = street.device("camera")
    ident = uuid4().hex
    asked = msgspec.json.encode({"id": ident, "do": {"type": "ping"}})
    operator.publish(topic(camera.identity, "command"), asked, qos=1).wait_for_publish(20)
    eventually("the command", lambda: commands(street))
    for name, answer in (("nobody-asked", {}), (ident, {"version": "1"}), (ident, {"late": 1})):
        result = Result(id=name, state="done", answer=answer, at=utc_now())
        camera.publish("result", msgspec.json.encode(result))
    camera.publish("reported", reported(1, "accepted", 0))
    eventually("what came last", lambda: configurations(street))
    assert commands(street) == [(ident, {"type": "ping"}, "done", {"version": "1"})]


def test_what_is_no_notice_is_a_dead_letter_and_a_strangers_can_be_replayed(
    street: Any, eventually: Any, settings: ReplaySettings
) -> None:
    camera = street.device("camera")
    camera.publish("result", b"done")
    camera.publish("reported", msgspec.json.encode({"version": 1}))
    stranger = street.device("stranger", registered=False)
    stranger.publish("reported", reported(3, "accepted", 3))
    eventually("three", lambda: len(street.letters()) == 3)
    assert [letter[1] for letter in street.letters()] == [
        "not-a-notice",
        "not-a-notice",
        "unregistered-device",
    ]
    register_device(street.connection, pilot=street.pilot, site="here", name="stranger")
    ((number,),) = street.rows("SELECT max(dead_letter) FROM dead_letter")
    replay(street.connection, number, settings, utc_now)
    assert configurations(street) == [(3, None, "accepted", 3)]


def test_what_is_kept_of_a_device_is_bounded(street: Any) -> None:
    device = register_device(street.connection, pilot=street.pilot, site="here", name="camera")
    now = from_micros(utc_now())
    said = {"state": "accepted", "reason": "", "config_hash": "", "at": now, "heard": now}
    with street.connection.transaction():
        for version in range(1, CONFIGURATIONS + 5):
            keep_desired(street.connection, device, version, {}, now)
            keep_reported(street.connection, device, version=version, applied=2, **said)
    versions = {row[0] for row in configurations(street)}
    assert versions == {2, *range(5, CONFIGURATIONS + 5)}, "the one in force stays"
    with street.connection.transaction():
        for number in range(COMMANDS + 5):
            keep_command(street.connection, device, f"command-{number:04}", {}, from_micros(number))
    kept = {row[0] for row in commands(street)}
    assert kept == {f"command-{number:04}" for number in range(5, COMMANDS + 5)}
