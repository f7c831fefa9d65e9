import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.onvif.device import Device, _on_host
from edge.onvif.discovery import matches
from edge.onvif.resolve import chosen
from edge.onvif.soap import SPACES, Account, Service, ask, read, token

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
SPACE = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in SPACES.items())


def envelope(body: str) -> bytes:
    return f"<s:Envelope {SPACE}><s:Body>{body}</s:Body></s:Envelope>".encode()


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler, str], None]) -> Iterator[str]:
    """Serve answers to POST; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/onvif/device_service"
        finally:
            server.shutdown()
            thread.join()


def say(request: BaseHTTPRequestHandler, code: int, body: bytes, **headers: str) -> None:
    request.send_response(code)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@given(user=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1))
def test_the_digest_is_that_of_the_profile(user: str) -> None:
    header = read(f"<x {SPACE}>{token(Account(user, 'secret'), NOW)}</x>".encode())
    assert header is not None
    found = {each.tag.partition("}")[2]: each.text or "" for each in header.iter()}
    nonce = base64.b64decode(found["Nonce"])
    digest = hashlib.sha1(nonce + found["Created"].encode() + b"secret").digest()  # noqa: S324
    assert found["Password"] == base64.b64encode(digest).decode()
    assert (found["Username"], found["Created"]) == (user, "2026-05-04T07:00:00Z")


def test_the_account_is_stamped_by_the_devices_clock() -> None:
    """A camera that has been without power believes that it is 2020, and checks."""
    created: list[str] = []

    def answer(request: BaseHTTPRequestHandler, body: str) -> None:
        created.extend(re.findall(r"<u:Created[^>]*>([^<]*)<", body))
        if "GetSystemDateAndTime" in body:
            day = "<tt:Year>2020</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day>"
            hour = "<tt:Hour>3</tt:Hour><tt:Minute>4</tt:Minute><tt:Second>5</tt:Second>"
            utc = f"<tt:Time>{hour}</tt:Time><tt:Date>{day}</tt:Date>"
            say(request, 200, envelope(f"<tt:UTCDateTime>{utc}</tt:UTCDateTime>"))
        elif "GetCapabilities" in body:
            inside = "<tt:Media><tt:XAddr>http://10.0.0.9/onvif/media</tt:XAddr></tt:Media>"
            say(request, 200, envelope(inside))
        else:
            assert request.path == "/onvif/media", "on the host that was asked"
            say(request, 200, envelope("<trt:GetProfilesResponse/>"))

    with answering(answer) as address:
        assert Device(Service(address, Account("a", "b"), 5.0)).profiles() == []
    stamps = {datetime.fromisoformat(text) for text in created}
    assert stamps
    for stamp in stamps:
        assert abs(stamp - datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)) < timedelta(minutes=2)


def test_a_device_that_wants_http_digest_gets_it() -> None:
    seen: list[str] = []

    def answer(request: BaseHTTPRequestHandler, _: str) -> None:
        given_ = request.headers.get("Authorization", "")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', given_))
        if not fields:
            wanted = 'Digest realm="cam", nonce="n0", algorithm=MD5'
            say(request, 401, b"", WWW_Authenticate=wanted)
            return
        first = hashlib.md5(b"admin:cam:secret").hexdigest()  # noqa: S324  # RFC 2617
        second = hashlib.md5(f"POST:{request.path}".encode()).hexdigest()  # noqa: S324
        right = hashlib.md5(f"{first}:n0:{second}".encode()).hexdigest()  # noqa: S324
        seen.append(given_)
        if fields["response"] == right:
            say(request, 200, envelope("<tds:Yes/>"))
        else:
            say(request, 401, b"", WWW_Authenticate='Digest realm="cam", nonce="n0"')

    with answering(answer) as address:
        good = Service(address, Account("admin", "secret"), 5.0)
        assert ask(good, "<tds:X/>").find("tds:Yes", SPACES) is not None
        assert "secret" not in "".join(seen)
        with pytest.raises(SourceError, match=r"check camera\.user"):
            ask(good._replace(account=Account("admin", "wrong")), "<tds:X/>")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>no device</html>",
        b"",
        b"\xff\xfe",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + envelope("&a;"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + envelope("&a;").decode()).encode("utf-16"),
    ],
)
def test_what_is_no_device_is_refused(answer: bytes) -> None:
    with (
        answering(lambda request, _: say(request, 200, answer)) as address,
        pytest.raises(SourceError, match="not as an ONVIF device"),
    ):
        ask(Service(address, None, 5.0), "<tds:X/>")
    assert list(matches(answer)) == []


def test_an_answer_that_comes_byte_by_byte_is_given_up() -> None:
    def drip(request: BaseHTTPRequestHandler, _: str) -> None:
        request.send_response(200)
        request.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # who gave up has hung up
            for _ in range(1000):
                request.wfile.write(b" ")
                time.sleep(0.01)

    with (
        answering(drip) as address,
        pytest.raises(SourceError, match=r"does not answer: its answer is not over after 0\.1 s"),
    ):
        ask(Service(address, None, 0.1), "<tds:X/>")


def test_nobody_there_is_told() -> None:
    with pytest.raises(SourceError, match=r"does not answer: .*refused"):
        ask(Service("http://127.0.0.1:1/onvif", None, 1.0), "<tds:X/>")


def test_a_camera_without_pictures_has_no_profile() -> None:
    with pytest.raises(SourceError, match="no profile with pictures"):
        chosen([], None, "onvif://cam")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("rtsp://10.0.0.9:554/a?b=c", "rtsp://cam:554/a?b=c"),
        ("rtsp://10.0.0.9/a", "rtsp://cam/a"),
        ("rtsp://user:x@10.0.0.9/a", "rtsp://cam/a"),
    ],
)
def test_a_stream_is_on_the_host_that_was_asked(told: str, found: str) -> None:
    assert _on_host(told, "http://cam:8080/onvif/device_service") == found


def test_an_answer_to_a_probe_is_read_whatever_its_prefixes() -> None:
    scopes = "onvif://www.onvif.org/Name/Hala%20%1b1 onvif://www.onvif.org/hardware/X9"
    other = f'<ProbeMatches xmlns="{SPACES["d"]}"><ProbeMatch><Scopes>{scopes}</Scopes>'
    addresses = "http://[fe80::1]/x http://10.0.0.9/onvif/device_service http://10.0.1.9/y"
    answer = envelope(f"{other}<XAddrs>{addresses}</XAddrs></ProbeMatch></ProbeMatches>")
    assert read(answer) is not None
    found = list(matches(answer))
    assert [tuple(each) for each in found] == [
        ("http://10.0.0.9/onvif/device_service", "Hala 1", "X9")
    ]
