import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edge.errors import SourceError
from edge.sensors.http_json import MOST
from edge.sensors.kinds import read_sensor
from edge.sensors.plugin import Reading, Sensor, Watch

# What a Shelly Plus H&T answers to /rpc/Shelly.GetStatus, abridged.
STATUS = {
    "humidity:0": {"id": 0, "rh": 46.3},
    "temperature:0": {"id": 0, "tC": 22.8, "tF": 73.0},
    "sys": {"unixtime": 1_760_000_000, "uptime": 43},
}
VALUES = [
    {"path": "$['temperature:0'].tC", "metric": "air.temperature"},
    {"path": "$['humidity:0'].rh", "metric": "air.humidity"},
]


class Device:
    """A real HTTP server with one answer."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, json.dumps(STATUS).encode(), {}
        self.asked: list[tuple[str, str | None]] = []
        device = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                device.asked.append((self.path, self.headers["Authorization"]))
                self.send_response(device.status)
                for name, value in device.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(device.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/rpc/Shelly.GetStatus"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(20)


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.close()


def sensor(device: Device, **more: Any) -> Sensor:
    return read_sensor({"kind": "http", "url": device.url, "values": VALUES, "period_s": 1} | more)


def once(sensor: Sensor, watch: Watch | None = None) -> Any:
    reader = sensor.read(watch or Watch("", lambda: 5))
    try:
        return next(reader)
    finally:
        reader.close()


def test_values_with_their_units(device: Device) -> None:
    assert once(sensor(device)) == [
        Reading(5, "air.temperature", 22.8, "Cel"),
        Reading(5, "air.humidity", 46.3, "%"),
    ]
    path = "$['temperature:0'].tF"
    converted = {"path": path, "metric": "air.temperature", "scale": 5 / 9, "offset": -160 / 9}
    (fahrenheit,) = once(sensor(device, values=[converted]))
    assert fahrenheit.value == pytest.approx(22.8, abs=0.05)


@pytest.mark.parametrize(
    ("stated", "unit"),
    [(1_760_000_000, "s"), ("1760000000", "s"), (1_760_000_000_000, "ms"),
     (1_760_000_000_000_000, "us"), ("2025-10-09T08:53:20Z", "iso8601"),
     ("2025-10-09T10:53:20+02:00", "iso8601")],
)  # fmt: skip
def test_the_devices_own_time(device: Device, stated: Any, unit: str) -> None:
    device.body = json.dumps(STATUS | {"at": stated}).encode()
    readings = once(sensor(device, time="$.at", time_unit=unit))
    assert {reading.t for reading in readings} == {1_760_000_000_000_000}


def test_an_unchanged_time_says_nothing_new(device: Device) -> None:
    watch = Watch("", lambda: 999_999)
    reader = sensor(device, time="$.sys.unixtime").read(watch)
    assert len(next(reader) or ()) == 2
    assert next(reader) == []
    device.body = device.body.replace(b"1760000000", b"1760000001")
    assert len(next(reader) or ()) == 2
    device.body = device.body.replace(b"1760000001", b'"yesterday"')
    assert next(reader) == []
    assert watch.bad == 1, "an unreadable time is no reason to invent one"
    watch.stopping.set()
    assert list(reader) == []


def test_what_is_not_there_is_counted(device: Device) -> None:
    device.body = b'{"temperature:0": {"tC": "n/a"}, "humidity:0": {"rh": "nan"}}'
    watch = Watch("", lambda: 5)
    assert once(sensor(device), watch) == []
    assert watch.bad == 2
    device.body = b'{"temperature:0": {"tC": null}}'
    assert once(sensor(device), watch) == []
    assert watch.bad == 4


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (500, b"{}", {}, "500"),
        (302, b"", {"Location": "http://127.0.0.1:1/"}, "302"),
        (200, b"<html>", {}, "no JSON"),
        (200, b"[" * 100_000, {}, "no JSON"),
        (200, b'"%s"' % (b"x" * MOST), {}, "longer than"),
        (200, b'{"a', {"Content-Length": "100"}, "no JSON"),
    ],
)
def test_no_answer(
    device: Device, status: int, body: bytes, headers: dict[str, str], said: str
) -> None:
    device.status, device.body, device.headers = status, body, headers
    with pytest.raises((OSError, SourceError), match=said):
        once(sensor(device))


def test_what_is_no_http(device: Device) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        other = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(SourceError, match="does not speak HTTP"):
            once(sensor(device, url=other))
        thread.join(20)


def test_who_asks(device: Device) -> None:
    once(sensor(device, token="s3cret"))  # noqa: S106
    once(sensor(device, user="jan", password="s3cret"))  # noqa: S106
    assert [who for _, who in device.asked] == ["Bearer s3cret", "Basic amFuOnMzY3JldA=="]


def test_a_device_that_fails_comes_back(
    start: Callable[..., Any], device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    device.status = 503
    running = start(kind="http", url=device.url + "?key=s3cret", values=VALUES, period_s=1)
    running.until(lambda: "lost" in caplog.text)
    device.status = 200
    running.until(lambda: running.values("air.temperature"))
    running.stop()
    assert f"sensor {device.url} lost: HTTP Error 503" in caplog.text
    assert f"sensor {device.url} recovered" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "ftp://host/"}, "not http://host/path"),
        ({"url": "http://jan:s3cret@host/"}, "use the keys user and password"),
        ({"values": []}, "at least 1 item"),
        ({"values": [{"path": "$[", "metric": "air.humidity"}]}, "no JSONPath, as"),
        ({"values": [{"path": "$.a", "metric": "air.humidity", "unit": "1"}]}, "is kept in '%'"),
        ({"values": [{"path": "$.a", "metric": "soil.moisture"}]}, "unit\n  Field required"),
        ({"values": [{"path": "$.a", "metric": "Humidity", "unit": "%"}]}, "match pattern"),
        ({"values": [VALUES[0] | {"scale": float("inf")}]}, "not a number to calculate with"),
        ({"time": "$["}, "no JSONPath"),
        ({"user": "jan"}, "user and password belong together"),
        ({"user": "jan", "password": "x", "token": "y"}, "without token"),
        ({"period_s": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_settings(device: Device, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        sensor(device, **wrong)
    if "s3cret" in str(wrong):
        assert "s3cret" not in str(refused.value)
