"""The first packet to a broker, taken apart again."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepna.stack.greeting import NoBrokerError, length, reason_code


def read_length(data: bytes) -> int:
    return sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(data))


@given(st.integers(0, 2**28 - 1))
def test_a_length_reads_back(size: int) -> None:
    data = length(size)
    assert read_length(data) == size
    assert all(byte & 0x80 for byte in data[:-1])
    assert not data[-1] & 0x80
    assert len(data) == 1 or data[-1]  # no longer than it must be


def answered_with(answer: bytes) -> tuple[int, bytes]:
    """Ask a server that says just this; return the code and what it was asked."""
    heard = b""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            nonlocal heard
            connection, _ = server.accept()
            with connection:
                heard = connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            code = reason_code(f"mqtt://pilot%2Fcam:word@127.0.0.1:{server.getsockname()[1]}")
        finally:
            thread.join()
    return code, heard


def test_name_and_password_are_in_the_packet_and_the_code_is_in_the_answer() -> None:
    code, heard = answered_with(b"\x20\x03\x00\x87\x00")
    assert code == 0x87
    assert heard[0] == 0x10
    assert read_length(heard[1:2]) == len(heard) - 2
    assert heard.endswith(b"\x00\x09pilot/cam\x00\x04word")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n"])
def test_what_is_no_broker_is_said(answer: bytes) -> None:
    with pytest.raises(NoBrokerError, match="does not speak MQTT 5"):
        answered_with(answer)
