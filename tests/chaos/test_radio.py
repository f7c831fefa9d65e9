"""The link of packets does what its weather says."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.chaos.radio import SILENCE, Radio, Weather, may_make

DEADLINE = 20.0
SENDER = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as far:
    far.sendall(bytes(range(256)) * int(sys.argv[3]))
"""

pytestmark = pytest.mark.skipif(not may_make(), reason="namespaces need root and iproute2")


@pytest.fixture
def radio() -> Iterator[Radio]:
    radio = Radio(seed=1)
    yield radio
    radio.close()


def start_sender(radio: Radio, blocks: int) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    server = socket.create_server((radio.address, 0))
    server.settimeout(DEADLINE)
    port = server.getsockname()[1]
    command = [*radio.within, sys.executable, "-c", SENDER, radio.address, str(port), str(blocks)]
    return server, subprocess.Popen(command)  # noqa: S603


@pytest.mark.parametrize(
    "weather",
    [Weather(), Weather(lost=0.05, doubled=0.1, late=(0.0, 0.02))],
    ids=["fair", "foul"],
)
def test_tcp_lives_with_any_weather(radio: Radio, weather: Weather) -> None:
    radio.weather = weather
    server, sender = start_sender(radio, 200)
    with server, server.accept()[0] as near:
        came = b""
        while piece := near.recv(1 << 16):
            came += piece
    assert came == bytes(range(256)) * 200
    assert sender.wait(DEADLINE) == 0


def test_nothing_passes_in_silence(radio: Radio) -> None:
    radio.weather = SILENCE
    server, sender = start_sender(radio, 1)
    server.settimeout(1.0)
    with server, pytest.raises(TimeoutError):
        server.accept()
    sender.kill()
    sender.wait()
