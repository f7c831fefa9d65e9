"""Whatever comes in at a door of the agent is used, or refused by the room's own errors.

What a thread dies of ends the agent, and what the broker retains would end it again and again.
"""

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import isfinite
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pynmeagps.nmeahelpers import calc_checksum

from contracts.batch import Batch, decode, encode
from contracts.chrony import ClockQuality, parse_tracking
from contracts.clock import utc_now
from contracts.messages import Doctor, Flush, Ping, RestartCamera, Snapshot
from contracts.viewing import Permit, PermitError, check, mint
from edge.batches import Batcher
from edge.budget import Budget
from edge.commands import Commands
from edge.config import AgentConfig, read_config
from edge.configuration.remote import Health, Remote
from edge.errors import SourceError
from edge.onvif.discovery import matches
from edge.onvif.events import notifications
from edge.onvif.listen import captured
from edge.onvif.said import Said
from edge.onvif.soap import read
from edge.outbox import Outbox
from edge.pictures import PictureServer, Rules, Shelf, Supply
from edge.probing.cost import Costs
from edge.probing.prober import Prober
from edge.sensors.at_answers import parse_cesq, parse_qeng, parse_registration
from edge.sensors.kinds import read_sensor
from edge.sensors.lines import parse_line
from edge.sensors.mavlink import Drone
from edge.sensors.mavlink_frames import KINDS, Frames, checksum
from edge.sensors.mmcli import parse_cell, parse_signal
from edge.sensors.nmea import Receiver
from edge.sensors.plugin import END_OF_TIME, Reading, Watch
from edge.sensors.run import SensorRun
from edge.uplink import Uplink
from tests.unit.edge.sensors.test_http_json import Device

NOW = 1_760_000_000_000_000
TOKEN = "t" * 16
DEEP = b"[" * 3000
NASTY = [
    b"", b"\xff", b"\xc3", b"\0", b"-", b"-1", b"0", b"1e999", b"1e308", b"9" * 400, b"9" * 19,
    b"f" * 400, b"." * 3, b"null", b"true", b"[]", b"{}", DEEP, b'{"x":' * 3000, b'""',
    b'"\xff"', b'"\\ud800"', b'"\\u0000"', b'"file:a\\u0000"', b'"http://["', b'"tcp://a:b"',
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"utf-32", b"rot13", b"<a>", b"&x;",
    "\u00b2".encode(), "\u0661".encode(),
]  # fmt: skip
PARTS = re.compile(rb'"[^"]*"|[\w.+-]+|.', re.DOTALL)


@st.composite
def damaged(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Sample of which some parts are others, or something else altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    parts = PARTS.findall(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 3))):
        part = st.sampled_from([*NASTY, *parts]) | st.binary(max_size=4)
        parts[draw(st.integers(0, len(parts) - 1))] = draw(part)
    return b"".join(parts)


def fuzz(*samples: bytes, most: int = 60) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a test samples as they are, then damaged ones."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        test = settings(max_examples=most)(given(data=damaged(list(samples)))(test))
        for sample in samples:
            test = example(data=sample)(test)
        return test

    return decorate


COMMANDS = [
    json.dumps({"id": "12345678", "do": do}).encode()
    for do in ({"type": "ping"}, {"type": "log-level", "level": "info", "minutes": 3})
]


@fuzz(*COMMANDS, b'{"id":"12345678","do":{"type":"\xff"}}')
def test_commands(data: bytes) -> None:
    done = dict.fromkeys((Ping, Flush, RestartCamera), lambda _: {})
    slow = dict.fromkeys((Doctor, Snapshot), lambda _: {})
    commands = Commands(done, slow=slow, clock=lambda: NOW)
    commands.hear(data, b"")
    for answer, _ in commands.work():
        assert json.loads(answer)["state"] in {"done", "refused"}
    commands.close()


OWN = "device: a/b\nuplink: {url: mqtt://x}\ncamera: {source: a.avi}\n"
CAMERA = {
    "source": "rtsp://a/1", "password": "file:secret", "user": "a", "detector": "a.onnx",
    "lines": [{"id": "no", "a": [0, 0.5], "b": [1, 0.5]}], "start": "2026-05-04T07:00:00Z",
    "incidents": {"stopped": [{"zone": "a"}]}, "drawn_on": [768, 576],
}  # fmt: skip
SENSORS = [
    {"kind": "modbus", "source": "tcp://a:1", "registers": [
        {"address": 1, "metric": "a.b", "unit": "m", "scale": 0.1}]},
    {"kind": "http", "url": "http://a/", "token": "file:t", "values": [
        {"path": "$.a[0]", "metric": "air.temperature"}]},
]  # fmt: skip


def desired(config: dict[str, Any]) -> bytes:
    return json.dumps({"version": 2, "config": config, "sent_at": 1, "watch_s": 9.5}).encode()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Remote]:
    folder = tmp_path_factory.mktemp("box")
    (folder / "a.yaml").write_text(OWN)
    (folder / "secret").write_bytes(b"\xff")

    def start() -> Remote:
        (folder / "kept").unlink(missing_ok=True)
        return Remote(
            folder / "kept",
            lambda overlay: read_config(folder / "a.yaml", (), {}, overlay=overlay),
            clock=lambda: NOW,
        )

    return start


@fuzz(
    desired({"camera": {"source": "b.avi"}, "batches": {"rows": 5}}), desired({"camera": CAMERA}),
    desired({"sensors": SENSORS}), desired({"modem": {"kind": "at", "port": "/dev/a"}}),
    desired({"camera": {"source": "b.avi", "user": "a", "password": "file:secret"}}),
    desired({"camera": {"source": "b.avi", "user": "a", "password": "file:a\0"}}), most=60,
)  # fmt: skip
def test_what_is_desired(box: Callable[[], Remote], data: bytes) -> None:
    remote = box()
    remote.begin()
    remote.hear(data)
    config = remote.look(Health(camera=True, losses=0, connected=True))
    told = remote.report()
    assert config is None or told
    again = box()
    again._path.write_bytes(data)
    again._kept = again._load()
    assert isinstance(again.begin(), AgentConfig)


RECEIVED = b'{"probe": 7, "at": 1760000000000000, "clock_offset": 0.1, "clock_error": 0.2}'


@fuzz(RECEIVED, RECEIVED.replace(b"1760000000000000", b"9" * 400), b'{"x": ' + DEEP)
def test_answers_to_probes(data: bytes) -> None:
    def send(what: str, payload: bytes, *, qos: int) -> int:
        prober.hear("echo", data)
        prober.hear("received", data.replace(b"7", str(prober._awaited).encode(), 1))
        return 1 + len(what + str(payload)) * qos

    prober = Prober(send, Costs("a/b", sealed=False), lost_after=0.0, clock=lambda: NOW)
    delays = prober.one_way(ClockQuality(0.0, 1e-3))
    assert delays is not None
    assert delays.reason or delays.error == pytest.approx(delays.error)


@pytest.fixture(scope="module")
def uplink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uplink]:
    path = tmp_path_factory.mktemp("uplink") / "a.yaml"
    path.write_text(OWN)
    config = read_config(path)
    outbox = Outbox(
        config.outbox.path, device="a/b", boot=UUID(int=1), max_bytes=1 << 20, clock=lambda: NOW
    )
    yield Uplink(config, outbox, clock=lambda: NOW)
    outbox.close()


DURABLE = b'{"boot": "00000000-0000-0000-0000-000000000001", "ranges": [[0, 2], [5, 9]]}'


@fuzz(DURABLE, DURABLE.replace(b"9", b"9" * 20), b'{"x": ' + DEEP)
def test_what_is_durable(uplink: Uplink, data: bytes) -> None:
    uplink._on_message(None, None, SimpleNamespace(topic="tepna/1/a/b/durable", payload=data))
    uplink._settle()


@pytest.fixture(scope="module")
def pictures() -> Iterator[tuple[tuple[str, int], list[BaseException]]]:
    died: list[BaseException] = []
    rules = Rules("town/cam", TOKEN, 1, Budget(None))
    supply = Supply(lambda: None, lambda: None, Shelf(utc_now), Shelf(utc_now))

    class Watched(PictureServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            try:
                super().finish_request(request, client_address)
            except Exception as fault:
                died.append(fault)
                raise

    server = Watched(
        ("127.0.0.1", 0), rules, supply, clock=utc_now, note=lambda _: None, certificate=None
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[:2], died
    server.shutdown()
    server.server_close()
    thread.join()


@fuzz(
    b"GET /snapshots HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n" % TOKEN.encode(),
    b"GET /snapshots/1.jpg HTTP/1.0\r\nAuthorization: Bearer a.b\r\n\r\n",
    b"OPTIONS /live.mjpg HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\nAuthorization: \xff\r\n\r\n",
)  # fmt: skip
def test_the_picture_door(
    pictures: tuple[tuple[str, int], list[BaseException]], data: bytes
) -> None:
    address, died = pictures
    with socket.create_connection(address, 20) as caller, suppress(OSError):
        caller.sendall(data)
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(1 << 16):
            pass
    assert not [fault for fault in died if not isinstance(fault, OSError)]


@fuzz(b"eyJhIjoxfQ==.AAAA", b"..", mint(TOKEN, Permit("7", "town/cam", 1)).encode())
def test_permits(data: bytes) -> None:
    with pytest.raises(PermitError):
        check(TOKEN, data.decode("utf-8", "surrogateescape"), "town/cam", NOW)


RMC = b"$GPRMC,123519.00,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W"
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"


def sealed(sentence: bytes) -> bytes:
    text = sentence.decode("latin-1")[1:]
    return f"${text}*{calc_checksum(text)}\r\n".encode("latin-1")


@fuzz(
    RMC, GGA, GGA.replace(b"545.4", b"9" * 400).replace(b"08", b"9" * 400),
    b"$GNRMC,,V,,,,,,,,,,N", most=150,
)  # fmt: skip
def test_nmea(data: bytes) -> None:
    receiver = Receiver(own_time=True)
    for line in (data, sealed(RMC), sealed(data), sealed(GGA)):
        with suppress(ValueError):
            assert all(isinstance(one.value, float) for one in receiver.take(line, NOW))


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=60), st.integers(0, 255), st.binary())
@settings(max_examples=60)
def test_mavlink(kind: int, payload: bytes, system: int, noise: bytes) -> None:
    head = bytes([len(payload), 0, 0, 0, system, 1, kind, 0, 0])
    crc = checksum(head + payload + bytes([KINDS[kind].crc_extra]))
    drone, frames = Drone(), Frames()
    found = list(frames.cut(noise + b"\xfd" + head + payload + crc.to_bytes(2, "little") + noise))
    for frame in found * 2:
        assert all(isinstance(one, Reading) for one in drone.take(frame, NOW))


@fuzz(
    b'+QENG: "servingcell","NOCONN","NR5G-SA","TDD",460,01,19013B004,299,690E0F,633984,'
    b"78,12,-107,-13,2,1,-",
    b'+QENG: "LTE","FDD",460,01,5F1EA15,12,1650,3,5,5,DE10,-100,-12,-68,11,27',
    b"+CESQ: 99,99,255,255,20,80,65,70,77", b"+CESQ: 1,1,1,1,1,1,1," + b"9" * 400,
    b'+CEREG: 2,1,"8B2C","0B0A2F04",7',
)  # fmt: skip
def test_answers_to_at_commands(data: bytes) -> None:
    lines = data.decode("ascii", "replace").splitlines()
    for parse in (parse_qeng, parse_cesq, parse_registration):
        with suppress(ValueError):
            parse(lines, NOW)


@fuzz(
    b'{"t": 5, "metric": "air.temperature", "value": 21.5}', b'{"t": 5, "code": 1}',
    b'{"t": 5, "x": ' + DEEP,
)  # fmt: skip
def test_json_lines(data: bytes) -> None:
    with suppress(ValueError):
        parse_line(data)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.close()


@fuzz(
    json.dumps({"a": [21.5], "t": 1_760_000_000, "when": "2026-05-04T07:00:00Z"}).encode(),
    b'{"a": [1e308], "t": 1e308}', b'{"a": ["\xff"]}', most=10,
)  # fmt: skip
def test_answers_of_http(device: Device, data: bytes) -> None:
    device.body = data
    values = [{"path": "$.a[0]", "metric": "air.temperature", "scale": 10}]
    for own in ({}, {"time": "$.t"}, {"time": "$.when", "time_unit": "iso8601"}):
        table = {"kind": "http", "url": device.url, "values": values} | own
        watch = Watch("a", lambda: NOW)
        with suppress(SourceError):
            next(iter(read_sensor(table).read(watch)))


@pytest.fixture(scope="module")
def meter() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each request of Modbus with its number, and what it is given."""
    given = [b""]

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while request := self.request.recv(260):
                self.request.sendall(request[:2] + given[0])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}", given
        server.shutdown()
        thread.join()


@fuzz(
    b"\0\0\0\7\1\3\4\x41\xac\0\0", b"\0\0\0\7\1\3\4\x7f\x80\0\0", b"\0\0\0\3\1\x83\2",
    b"\0\0\0\6\1\6\0\1\0\2", b"\0\0\0\5\1\3\2\0\1", most=4,
)  # fmt: skip
def test_modbus(meter: tuple[str, list[bytes]], data: bytes) -> None:
    source, given = meter
    given[0] = data
    register = {"address": 1, "metric": "a.b", "unit": "m", "type": "float32"}
    sensor = {"kind": "modbus", "source": source, "timeout_s": 0.03, "registers": [register]}
    with suppress(SourceError):
        next(iter(read_sensor(sensor).read(Watch("a", lambda: NOW))))


def handed_on(t: int, value: float) -> int:
    """Batches that the agent makes of what a sensor says."""
    batches: list[Batch] = []
    batcher = Batcher("a/b", simulated=False, sink=batches.extend, clock=lambda: NOW)
    run = SensorRun(read_sensor({"kind": "at", "port": "/dev/a"}), batcher.add, lambda: NOW)
    run._take(iter([[Reading(t, "air.temperature", value, "Cel")]]))
    batcher.flush()
    return sum(len(decode(encode(batch)).columns["t"]) for batch in batches)


@given(st.integers(), st.floats())
@example(1 << 62, 1.0)
@example(int(1e300), 1.0)
@settings(max_examples=25)
def test_whatever_is_handed_on_can_be_sent(t: int, value: float) -> None:
    assert handed_on(t, value) == (0 <= t < END_OF_TIME and isfinite(value))


@fuzz(
    b'{"modem": {"signal": {"5g": {"rsrp": "-90.0", "rsrq": "--", "snr": "11"}, "lte": {}}}}',
    b'{"modem": {"location": {"3gpp": {"cid": "0001A2", "lac": "FFFE"}}}}',
    b'{"modem": {"location": {"3gpp": {"cid": "%b"}}}}' % (b"f" * 400),
    DEEP,
    b'{"modem": {"signal": {"lte": {"rsrp": %b}}}}' % (b"9" * 400),
)
def test_mmcli(data: bytes) -> None:
    for parse in (parse_signal, parse_cell):
        with suppress(ValueError):
            parse(data.decode("utf-8", "replace"), NOW)


@fuzz(
    b"System time     : 0.000012 seconds slow of NTP time\nRoot delay      : 0.02 seconds\n"
    b"Root dispersion : 0.001 seconds\nReference ID    : C0A80001 (a)\nLeap status : Normal\n",
    b"System time : . seconds slow of NTP time\nRoot delay : e seconds\nRoot dispersion : - "
    b"seconds",
)
def test_chrony(data: bytes) -> None:
    offset, error = parse_tracking(data.decode("utf-8", "replace"))
    assert (offset is None) == (error is None)
    assert offset is None or abs(offset) < 1e16


ENVELOPE = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    b' xmlns:b="http://docs.oasis-open.org/wsn/b-2" xmlns:t="http://www.onvif.org/ver10/schema"'
    b' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Body>%b</s:Body></s:Envelope>'
)
NOTIFICATION = ENVELOPE % (
    b"<b:NotificationMessage><b:Topic>tns1:VideoSource/MotionAlarm</b:Topic><b:Message>"
    b'<t:Message UtcTime="2026-05-04T07:00:00Z" PropertyOperation="Changed"><t:Source>'
    b'<t:SimpleItem Name="Source" Value="1"/></t:Source><t:Data>'
    b'<t:SimpleItem Name="State" Value="true"/></t:Data></t:Message></b:Message>'
    b"</b:NotificationMessage>"
)
MATCH = ENVELOPE % (
    b"<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/a%20b</d:Scopes>"
    b"<d:XAddrs>http://10.0.0.7/onvif http://[fe80::1]/x</d:XAddrs></d:ProbeMatch>"
)


@fuzz(NOTIFICATION, MATCH, ENVELOPE.replace(b"utf-8", b"utf-32"), most=80)
def test_onvif(data: bytes) -> None:
    list(matches(data))
    envelope = read(data)
    said = Said()
    for each in [] if envelope is None else notifications(envelope):
        said.take(each, captured(each.at, None, NOW))
