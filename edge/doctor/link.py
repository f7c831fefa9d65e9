"""The way to the platform: who this box is, and whether the broker lets it in."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from contracts.broker import Broker
from contracts.clock import from_micros, utc_now
from edge.config import AgentConfig
from edge.doctor.finding import Finding, bad, good, note
from edge.identity.folder import IdentityError, read_identity

PATIENCE: Final = 10.0
"""For an answer of the broker. [s]"""
SOON: Final = timedelta(days=60)
"""A certificate that is renewed in time never comes so near to its end."""


def identity(config: AgentConfig) -> Iterator[Finding]:
    """Whether a certificate is there, and for how long."""
    folder = config.uplink.identity
    if folder is None:
        return
    try:
        found = read_identity(folder)
    except IdentityError as fault:
        yield bad("identity", str(fault), "tepna edge enroll https://the-door")
        return
    left = found.expires - from_micros(utc_now())
    detail = f"{found.place.device}, certified until {found.expires:%Y-%m-%d}"
    if left <= timedelta(0):
        yield bad("identity", detail, "Ask the operator for a new code: tepna edge enroll")
    elif left < SOON:
        fix = f"tepna edge enroll {found.place.door} --renew says why it was not renewed."
        yield note("identity", detail, fix)
    else:
        yield good("identity", detail)


def broker(config: AgentConfig) -> Iterator[Finding]:
    """Connect as the agent does, under a name that does not end its session."""
    where = config.uplink.broker(config.device)
    place = f"{where.host}:{where.port}"
    try:
        reason = _greet(config, where)
    except ssl.SSLError as fault:
        fix = "uplink.ca must be who signed the broker's certificate, for the name in uplink.url."
        yield bad("broker", f"{place}: {fault}", fix)
    except socket.gaierror as fault:
        yield bad("broker", f"{where.host}: {fault.strerror}", "See the name, and the box's DNS.")
    except OSError as fault:
        fix = "See the modem and its signal, the SIM's APN, and that the port is not closed."
        yield bad("broker", f"{place}: {fault}", fix)
    else:
        if reason is None:
            fix = "Something answers there that speaks no MQTT; see the port in uplink.url."
            yield bad("broker", f"{place} says nothing that can be understood", fix)
        elif reason.is_failure:
            fix = "See the password, or enroll the box again with a new code."
            yield bad("broker", f"{place} refuses {where.user}: {reason}", fix)
        else:
            yield good("broker", f"{place} lets {where.user} in")


def _greet(config: AgentConfig, where: Broker) -> ReasonCode | None:
    """Say hello; None if nobody answers."""
    heard = threading.Event()
    said: list[ReasonCode] = []

    def on_connect(*given: object) -> None:
        if isinstance(given[3], ReasonCode):
            said.append(given[3])
        heard.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(where.user, where.password)
    if where.tls:
        client.tls_set_context(config.uplink.tls())
    client.on_connect = on_connect
    client.on_disconnect = lambda *_: heard.set()
    client.connect_timeout = PATIENCE
    client.connect(where.host, where.port)
    client.loop_start()
    heard.wait(PATIENCE)
    client.disconnect()
    client.loop_stop()
    return said[0] if said else None
