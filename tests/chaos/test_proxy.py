"""The proxy does what its faults say: what passes is whole, what does not pass ends in a reset."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import DOWN, UP, Faults, Proxy

DEADLINE = 10.0


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, and says what came."""

    def handle(self) -> None:
        try:
            while piece := self.request.recv(1 << 16):
                self.server.heard.append(piece)
                self.request.sendall(piece)
            self.server.heard.append(b"FIN")
        except ConnectionResetError:
            self.server.heard.append(b"RST")


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: list[bytes] = []


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[Proxy]:
    proxy = Proxy(server.server_address)
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(proxy.address, DEADLINE) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        yield client


def received(client: socket.socket) -> bytes:
    """What comes until the end; a reset is told by its name."""
    whole = b""
    try:
        while piece := client.recv(1 << 16):
            whole += piece
    except ConnectionResetError:
        whole += b"RST"
    return whole


def heard(server: EchoServer, piece: bytes) -> None:
    """Wait until the server has heard this."""
    end = time.monotonic() + DEADLINE
    while piece not in server.heard and time.monotonic() < end:
        time.sleep(0.01)


def test_late_and_slow_bytes_arrive_whole_and_in_order(proxy: Proxy, client: socket.socket) -> None:
    proxy.set(Faults(late=0.01, rate=5e6))
    sent = bytes(range(256)) * 2000
    writing = threading.Thread(target=client.sendall, args=[sent])
    writing.start()
    came = b""
    while len(came) < len(sent):
        came += client.recv(1 << 16)
    writing.join()
    assert came == sent


def test_a_cut_resets_and_lets_the_next_one_in(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()
    assert received(client) == b"RST"
    with socket.create_connection(proxy.address, DEADLINE) as again:
        again.sendall(b"again")
        assert again.recv(100) == b"again"


def test_who_is_refused_is_reset(proxy: Proxy, client: socket.socket) -> None:
    proxy.set(Faults(refuses=True))
    assert received(client) == b"RST"
    with pytest.raises(ConnectionResetError):
        call(proxy)


def call(proxy: Proxy) -> None:
    """Connect and hear something: the reset comes during the one or the other."""
    with socket.create_connection(proxy.address, DEADLINE) as client:
        client.recv(1)


@pytest.mark.parametrize("way", [UP, DOWN])
def test_a_half_open_connection_swallows_and_is_reset_when_it_heals(
    proxy: Proxy, client: socket.socket, server: EchoServer, way: str
) -> None:
    proxy.set(Faults(swallows=frozenset({way})))
    client.sendall(b"lost")
    if way == DOWN:
        heard(server, b"lost")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)
    client.settimeout(DEADLINE)
    proxy.heal()
    assert received(client) == b"RST"
    assert (b"lost" in server.heard) == (way == DOWN)


def test_nobody_hears_of_the_end_of_a_half_open_connection(
    proxy: Proxy, client: socket.socket, server: EchoServer
) -> None:
    proxy.set(Faults(swallows=frozenset({UP, DOWN})))
    client.close()
    with socket.create_connection(proxy.address, DEADLINE) as later:  # the proxy has seen it
        later.sendall(b"x")
    assert b"FIN" not in server.heard


@pytest.mark.parametrize("passes", [True, False])
def test_a_trap_springs_at_its_bytes(
    proxy: Proxy, client: socket.socket, server: EchoServer, *, passes: bool
) -> None:
    sprung = proxy.trap(b"COPY", b"COMMIT", passes=passes)
    for harmless in (b"COMMIT", b"COPY"):
        client.sendall(harmless)
        assert client.recv(100) == harmless
    server.heard.clear()
    client.sendall(b"COMMIT")
    assert sprung.wait(DEADLINE)
    if passes:
        heard(server, b"COMMIT")  # a reset would take what it has not read yet
    proxy.heal()
    assert received(client) == b"RST"
    assert (b"COMMIT" in server.heard) == passes
