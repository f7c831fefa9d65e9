"""One connection to the broker: packets in, bytes out."""

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from contracts.broker import Broker
from ingest.errors import IngestError
from ingest.packets import PINGREQ, Answer, Publication, Reader

KEEPALIVE: Final = 20
"""Within this time either side says something. [s]"""

CONNECT_TIMEOUT: Final = 5.0  # [s]
READS: Final = 4
"""Reads in a row before what was read is looked at and what waits is sent."""

_AGAIN: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LinkLostError(IngestError):
    """The broker has closed the connection."""


class Link:
    """A socket that one thread serves, and into which any thread may send."""

    def __init__(self, broker: Broker, authority: str | None) -> None:
        plain = socket.create_connection((broker.host, broker.port), CONNECT_TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = plain
        if broker.tls:
            context = ssl.create_default_context(cafile=authority)
            try:
                self._socket = context.wrap_socket(plain, server_hostname=broker.host)
            except OSError:
                plain.close()
                raise
        self._socket.setblocking(False)
        self._reader = Reader()
        self._waiting = bytearray()
        self._sending = threading.Lock()
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._poll = selectors.DefaultSelector()
        self._poll.register(self._ear, selectors.EVENT_READ)
        self._events = 0
        self._sent_at = self._heard_at = time.monotonic()
        self.keepalive = KEEPALIVE

    def close(self) -> None:
        """Close everything."""
        with self._sending:
            for each in (self._poll, self._socket, self._ear, self._bell):
                each.close()

    def send(self, data: bytes) -> None:
        """Send this when the connection has room."""
        with self._sending:
            self._waiting += data
        self.wake()

    def wake(self) -> None:
        """Let `exchange` return, and look again at whether to read."""
        with suppress(OSError):  # closed, or rung already
            self._bell.send(b"\0")

    def exchange(self, *, reading: bool, patience: float) -> Iterator[Publication | Answer]:
        """Send what waits and give what comes; return after one turn, or in time.

        Raises
        ------
        LinkLostError
            If the broker has closed the connection, or has been silent for too long.
        OSError
            If the network has.
        ProtocolError
            If the other side does not speak MQTT 5.
        """
        self._send()
        self._listen(reading)
        for key, events in self._poll.select(0 if reading and self._pending() else patience):
            if key.fileobj is self._ear:
                with suppress(BlockingIOError):
                    self._ear.recv(4096)
            elif events & selectors.EVENT_WRITE:
                self._send()
        if reading:
            yield from self._receive()
        self._keep_alive(reading)

    def flush(self, deadline: float) -> None:
        """Send what waits, for at most so long [s]."""
        end = time.monotonic() + deadline
        with suppress(OSError):
            while self._waiting and time.monotonic() < end:
                self._send()
                self._listen(reading=False)
                self._poll.select(0.05)

    def _receive(self) -> Iterator[Publication | Answer]:
        for _ in range(READS):
            try:
                with self._reader.room() as room:
                    size = len(room)
                    count = self._socket.recv_into(room)
            except _AGAIN:
                return
            if not count:
                raise LinkLostError
            self._heard_at = time.monotonic()
            yield from self._reader.add(count)
            if count < size and not self._pending():
                return

    def _send(self) -> None:
        with self._sending:
            while self._waiting:
                try:
                    count = self._socket.send(self._waiting)
                except _AGAIN:
                    return
                del self._waiting[:count]
                self._sent_at = time.monotonic()

    def _listen(self, reading: bool) -> None:
        events = selectors.EVENT_READ if reading else 0
        events |= selectors.EVENT_WRITE if self._waiting else 0
        if events == self._events:
            return
        if self._events == 0:
            self._poll.register(self._socket, events)
        elif events == 0:
            self._poll.unregister(self._socket)
        else:
            self._poll.modify(self._socket, events)
        self._events = events

    def _keep_alive(self, reading: bool) -> None:
        now = time.monotonic()
        if not reading:
            self._heard_at = now  # we do not listen: its silence says nothing
        elif now - self._heard_at > 1.5 * self.keepalive:
            msg = f"it has said nothing for {now - self._heard_at:.0f} s"
            raise LinkLostError(msg)
        if now - self._sent_at > self.keepalive / 2:
            self._sent_at = now
            self.send(PINGREQ)

    def _pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
