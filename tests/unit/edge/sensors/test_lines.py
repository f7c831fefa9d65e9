import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.batches import Scalar, SignalEvent
from edge.sensors.kinds import read_sensor
from edge.sensors.lines import parse_line
from edge.sensors.run import SensorRun
from edge.sensors.streams import LONGEST

Found = list[Scalar | SignalEvent]


def reader(source: str, sink: Callable[[Found], None]) -> SensorRun:
    return SensorRun(read_sensor({"source": source}), sink, lambda: 0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"[]",
        b'{"t": 1}',
        b'{"t": -1, "metric": "a", "value": 1}',
        b'{"t": 1e30, "metric": "a", "value": 1}',
        b'{"t": 99999999999999999999, "metric": "a", "value": 1}',
        b'{"t": 1, "metric": "a", "value": NaN}',
        b'{"t": 1, "metric": "a", "value": 1e999}',
        b'{"t": 1, "metric": "a", "value": "1"}',
        b'{"t": 1, "metric": "a\\u0000b", "value": 1}',
        b'{"t": 1, "metric": "' + b"a" * 64 + b'", "value": 1}',
        b'{"t": 1, "code": 65536, "parameter": 0}',
        b'{"t": 1, "code": 1, "parameter": -1}',
        b'{"t": 1, "metric": "a", "value": 1}' + b" " * LONGEST,
        b'\xff\xfe{"t": 1}',
    ],
)
def test_a_bad_line_is_no_sample(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_line(line)


def test_a_file_is_read_to_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lines"
    good = [b'{"t": %d, "metric": "air.temperature", "value": %d}\n' % (n, n) for n in range(3000)]
    path.write_bytes(b"".join(good[:1500]) + b"bad\n\nbad\n" + b"".join(good[1500:]).rstrip())
    found: Found = []
    source = reader(str(path), found.extend)
    source.run(until_done=False)
    assert found == [Scalar(n, "air.temperature", n) for n in range(3000)]
    assert source.bad == 2
    assert source.over
    assert caplog.text.count("unreadable lines") == 1, "said once"


def test_a_stream_is_read_across_pieces_and_connections() -> None:
    found: Found = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = reader(f"tcp://127.0.0.1:{server.getsockname()[1]}", found.extend)
        thread = threading.Thread(target=source.run, kwargs={"until_done": False})
        thread.start()
        first, _ = server.accept()
        first.sendall(b'{"t": 1, "code": 1, "par')
        first.sendall(b'ameter": 2}\n{"t": 2, "co')
        first.close()
        second, _ = server.accept()
        second.sendall(b'{"t": 3, "code": 4}\n')
        second.sendall(b"x" * (LONGEST + 1) + b"\n")
        second.sendall(b'{"t": 5, "code": 4}\n')
        second.close()
        third, _ = server.accept()
        third.close()
        source.stop()
        thread.join(20)
    assert found == [SignalEvent(1, 1, 2), SignalEvent(3, 4, 0), SignalEvent(5, 4, 0)]
    assert source.bad >= 1


def test_with_until_done_the_end_of_the_stream_is_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = reader(f"tcp://127.0.0.1:{server.getsockname()[1]}", lambda _: None)
        thread = threading.Thread(target=source.run, kwargs={"until_done": True})
        thread.start()
        connection, _ = server.accept()
        connection.close()
        thread.join(20)
    assert source.over


def test_it_is_lost_once_and_recovers_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found: Found = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    source = reader(f"tcp://127.0.0.1:{address[1]}", found.extend)
    thread = threading.Thread(target=source.run, kwargs={"until_done": False})
    thread.start()
    deadline = time.monotonic() + 20
    while "lost" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with socket.create_server(address) as server:
        connection, _ = server.accept()
        connection.sendall(b'{"t": 3, "code": 4}\n')
        connection.close()
        again, _ = server.accept()
        again.close()
        source.stop()
        thread.join(20)
    assert found == [SignalEvent(3, 4, 0)]
    assert "refused" in caplog.messages[0]
    assert caplog.messages[1].endswith("recovered")


@pytest.mark.parametrize(
    ("source", "said"),
    [("udp://127.0.0.1:1", "not tcp://host:port"), ("/etc/mmcli", 'kind = "mmcli"')],
)
def test_a_source_that_is_none(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_sensor({"source": source})
