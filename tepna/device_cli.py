"""`tepna device`: what the platform desires of a device, and what became of it."""

import queue
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar
from uuid import uuid4

import msgspec
import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import Field

from contracts.broker import BrokerUrl, read_broker
from contracts.clock import utc_now
from contracts.errors import SettingsError
from contracts.messages import COMMAND, ENCODER, REPORTED, RESULT, Desired, Reported, Result
from contracts.settings import RoomSettings
from contracts.topics import TopicError, parse, topic
from edge.configuration.document import parse_value, read_document

app = typer.Typer(no_args_is_help=True, help="Devices from afar.")

CONNECT: Final = 10.0
"""How long the broker may take to answer. [s]"""
SPARE: Final = 15.0
"""How long an answer may take after the device has watched a configuration. [s]"""
Answer = TypeVar("Answer", Reported, Result)
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
    with _listening(settings, topic(identity, "reported"), REPORTED) as (client, answers):
        _publish(client, topic(identity, "desired"), ENCODER.encode(desired), retain=True)
        typer.echo(f"{identity}: configuration {desired.version} is desired", err=True)
        answer = _wait(answers, desired.version, SPARE, watch + SPARE)
    if answer is None:
        typer.echo(f"{identity} has not answered; it is told when it comes back", err=True)
        raise typer.Exit(3)
    reason = f": {answer.reason}" if answer.reason else ""
    typer.echo(f"{identity}: configuration {answer.version} {answer.state}{reason}")
    if answer.state != "accepted":
        raise typer.Exit(1)


@app.command()
def ask(
    identity: Annotated[str, typer.Argument(metavar="PILOT/DEVICE")],
    what: Annotated[
        str,
        typer.Argument(help="ping, doctor, snapshot, flush, restart-camera, log-level or update."),
    ],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="e.g. level=debug minutes=30")
    ] = None,
    ident: Annotated[
        str | None, typer.Option("--id", help="Of a command asked before: it is not done twice.")
    ] = None,
    timeout: Annotated[
        int, typer.Option(min=1, max=3600, help="It expires after so long. [s]")
    ] = 30,
) -> None:
    """Ask a device to do something, and print what it answers as JSON.

    Ends with 0 if it is done, 1 if it is refused, 2 if what is given cannot be used, 3 if the
    device has not answered in time; then the command has expired.
    """
    pairs = [value.partition("=") for value in values or ()]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        _refuse(f"{', '.join(wrong)}: not KEY=VALUE; write for instance level=debug")
    do = {"type": what} | {key: parse_value(text) for key, _, text in pairs}
    command = {"id": ident or uuid4().hex, "do": do}
    try:
        parse(topic(identity, "command"))
        settings = OperatorSettings.load()
        COMMAND.decode(ENCODER.encode(command))
    except (SettingsError, TopicError, msgspec.MsgspecError) as fault:
        _refuse(str(fault))
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ResponseTopic = topic(identity, "result")
    properties.CorrelationData = uuid4().bytes
    properties.MessageExpiryInterval = timeout
    with _listening(settings, properties.ResponseTopic, RESULT) as (client, answers):
        where = topic(identity, "command")
        _publish(client, where, ENCODER.encode(command), properties=properties)
        result = _result(answers, command["id"], timeout)
    if result is None:
        typer.echo(f"{identity} has not answered within {timeout} s", err=True)
        raise typer.Exit(3)
    typer.echo(ENCODER.encode(result))
    if result.state != "done":
        raise typer.Exit(1)


def _result(answers: "queue.Queue[Result]", ident: object, timeout: float) -> Result | None:
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        try:
            result = answers.get(timeout=left)
        except queue.Empty:
            return None
        if result.id == ident:
            return result
    return None


def _publish(client: mqtt.Client, where: str, payload: bytes, **how: Any) -> None:
    """Publish; whoever may not is told so."""
    answered: queue.Queue[Any] = queue.Queue()
    client.on_publish = lambda _client, _user, _mid, reason, _properties: answered.put(reason)
    client.publish(where, payload, qos=1, **how)
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
def _listening(
    settings: OperatorSettings, where: str, decoder: msgspec.json.Decoder[Answer]
) -> Iterator[tuple[mqtt.Client, "queue.Queue[Answer]"]]:
    """Connect, and listen to what a device answers there."""
    broker = read_broker(settings.mqtt_url)
    answers: queue.Queue[Answer] = queue.Queue(_MOST)  # full: paho waits
    ready: queue.Queue[str] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    if broker.tls:
        client.tls_set_context(ssl.create_default_context(cafile=settings.mqtt_ca))

    def connected(client: mqtt.Client, _: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            ready.put(str(reason))
        client.subscribe(where, qos=1)

    def told(_client: Any, _: Any, message: mqtt.MQTTMessage) -> None:
        try:
            answers.put(decoder.decode(message.payload))
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
