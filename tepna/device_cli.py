"""`tepna device`: what the platform desires of a device, and what became of it."""

import queue
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import msgspec
import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import Field

from contracts.broker import BrokerUrl, read_broker
from contracts.clock import utc_now
from contracts.messages import ENCODER, REPORTED, Desired, Reported
from contracts.settings import RoomSettings, SettingsError
from contracts.topics import TopicError, parse, topic
from edge.configuration.document import read_document

app = typer.Typer(no_args_is_help=True, help="Devices from afar.")

CONNECT: Final = 10.0
"""How long the broker may take to answer. [s]"""
SPARE: Final = 15.0
"""How long an answer may take after the device has watched a configuration. [s]"""
_MOST: Final = 1000  # answers that wait; there are two for each configuration


class OperatorSettings(RoomSettings):
    """The operator's account at the broker."""

    mqtt_url: BrokerUrl = Field(description="mqtt:// or mqtts://user:password@host:port")
    mqtt_ca: Path | None = Field(None, description="PEM of the authority, for mqtts only")


@app.callback()
def device() -> None:
    """Devices from afar."""


@app.command()
def configure(
    identity: Annotated[str, typer.Argument(metavar="PILOT/DEVICE")],
    file: Annotated[Path, typer.Argument(help="Tables that lie over the box's own file (YAML).")],
    watch: Annotated[
        float, typer.Option(min=1, max=3600, help="The device watches it for so long. [s]")
    ] = 60.0,
) -> None:
    """Desire a configuration of a device, and wait for what becomes of it.

    Keys of camera and batches win over the box's one by one (null takes one away), sensors and
    modem are taken whole. A device that is away is told when it comes back. Ends with 0 if it is
    accepted, 1 if it is rejected or taken back, 2 if what is given cannot be used, 3 if the device
    has not answered in time.
    """
    try:
        parse(topic(identity, "desired"))
        config = read_document(file).table
        settings = OperatorSettings.load()
    except (SettingsError, TopicError) as fault:
        _refuse(str(fault))
    now = utc_now()
    desired = Desired(version=now // 1000, config=config, sent_at=now, watch_s=watch)
    with _answers(settings, identity) as (client, answers):
        _publish(client, topic(identity, "desired"), ENCODER.encode(desired))
        typer.echo(f"{identity}: configuration {desired.version} is desired", err=True)
        answer = _wait(answers, desired.version, SPARE, watch + SPARE)
    if answer is None:
        typer.echo(f"{identity} has not answered; it is told when it comes back", err=True)
        raise typer.Exit(3)
    reason = f": {answer.reason}" if answer.reason else ""
    typer.echo(f"{identity}: configuration {answer.version} {answer.state}{reason}")
    if answer.state != "accepted":
        raise typer.Exit(1)


def _publish(client: mqtt.Client, where: str, payload: bytes) -> None:
    """Publish what the broker is to retain; whoever may not is told so."""
    answered: queue.Queue[Any] = queue.Queue()
    client.on_publish = lambda _client, _user, _mid, reason, _properties: answered.put(reason)
    client.publish(where, payload, qos=1, retain=True)
    try:
        reason = answered.get(timeout=CONNECT)
    except queue.Empty:
        _refuse("the broker does not answer any more; try again")
    if reason.is_failure:
        _refuse(f"the broker takes nothing for {where} from this account: {reason}")


def _wait(
    answers: "queue.Queue[Reported]", version: int, first: float, then: float
) -> Reported | None:
    """Last answer to a version, None if the device does not say in time."""
    patience = first
    while True:
        try:
            answer = answers.get(timeout=patience)
        except queue.Empty:
            return None
        if answer.version == version:
            if answer.state != "trying":
                return answer
            patience = then


@contextmanager
def _answers(
    settings: OperatorSettings, identity: str
) -> Iterator[tuple[mqtt.Client, "queue.Queue[Reported]"]]:
    """Connect, and listen to what a device reports."""
    broker = read_broker(settings.mqtt_url)
    answers: queue.Queue[Reported] = queue.Queue(_MOST)  # full: paho waits
    ready: queue.Queue[str] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    if broker.tls:
        client.tls_set_context(ssl.create_default_context(cafile=settings.mqtt_ca))

    def connected(client: mqtt.Client, _: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            ready.put(str(reason))
        client.subscribe(topic(identity, "reported"), qos=1)

    def told(_client: Any, _: Any, message: mqtt.MQTTMessage) -> None:
        try:
            answers.put(REPORTED.decode(message.payload))
        except msgspec.MsgspecError as fault:
            typer.echo(f"{message.topic} says what is no message: {fault}", err=True)

    client.on_connect, client.on_message = connected, told
    client.on_subscribe = lambda *_: ready.put("")
    try:
        client.connect(broker.host, broker.port)
        client.loop_start()
        refused = ready.get(timeout=CONNECT)
    except (OSError, queue.Empty) as fault:
        refused = str(fault) or "no answer"
    try:
        if refused:
            _refuse(f"the broker {broker.host}:{broker.port} cannot be used: {refused}")
        yield client, answers
    finally:
        client.disconnect()
        client.loop_stop()


def _refuse(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
