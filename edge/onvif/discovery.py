"""Find ONVIF devices on the network: WS-Discovery (2005/04), as ONVIF prescribes it."""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import psutil

from edge.onvif.soap import SPACES, read

GROUP: Final = ("239.255.255.250", 3702)
MOST: Final = 1000
"""Devices that are listed; more answers are left out."""
LARGEST: Final = 1 << 16
_SCOPE: Final = "onvif://www.onvif.org/"


class Found(NamedTuple):
    """A device that answered."""

    address: str  # of its device service
    name: str  # empty: it does not tell
    hardware: str


def interfaces() -> list[str]:
    """IPv4 addresses of this machine by which others can be reached."""
    links = psutil.net_if_stats()
    return [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET and links[name].isup and entry.address != "127.0.0.1"
    ]


def discover(addresses: Sequence[str], seconds: float) -> list[Found]:
    """Ask on each network, by this machine's address there, who is an ONVIF camera.

    Raises
    ------
    OSError
        If an address is not this machine's.
    """
    found: dict[str, Found] = {}
    with ExitStack() as stack:
        sockets = [stack.enter_context(_asking(address)) for address in addresses]
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and len(found) < MOST:
            for each in select.select(sockets, [], [], left)[0]:
                answer, _ = each.recvfrom(LARGEST)
                for device in matches(answer):
                    found.setdefault(device.address, device)
    return sorted(found.values())


def _asking(address: str) -> socket.socket:
    """Socket on which the answers to a probe come in."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asking.bind((address, 0))
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        for _ in range(2):  # datagrams get lost; whoever hears both answers twice
            asking.sendto(_probe(), GROUP)
    except OSError:
        asking.close()
        raise
    return asking


def _probe() -> bytes:
    spaces = f'xmlns:s="{SPACES["s"]}" xmlns:a="{SPACES["a"]}" xmlns:d="{SPACES["d"]}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {spaces}><s:Header>'
        f"<a:Action>{SPACES['d']}/Probe</a:Action><a:MessageID>urn:uuid:{uuid4()}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body>"
        '<d:Probe><d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
        "dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
    ).encode()


def matches(answer: bytes) -> Iterator[Found]:
    """Read what an answer to a probe says; nothing if it is none."""
    envelope = read(answer)
    if envelope is None:
        return
    for match in envelope.iterfind(".//d:ProbeMatch", SPACES):
        scopes = match.findtext("d:Scopes", "", SPACES).split()
        for address in match.findtext("d:XAddrs", "", SPACES).split():
            parts = urlsplit(address)
            if parts.scheme in {"http", "https"} and parts.hostname and ":" not in parts.hostname:
                yield Found(address, _scope(scopes, "name"), _scope(scopes, "hardware"))
                break  # the others are the same device by IPv6 or another network


def _scope(scopes: list[str], kind: str) -> str:
    start = f"{_SCOPE}{kind}/"
    named = (s[len(start) :] for s in scopes if s.lower().startswith(start))  # some say Name/
    return _plain(next(named, ""))


def _plain(text: str) -> str:
    """Text of a stranger, fit for a terminal."""
    return "".join(char for char in unquote(text) if char.isprintable())[:80]
