"""A camera's account stays with its host, wherever the camera sends its viewers."""

import hashlib
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest

from contracts.clock import utc_now
from edge.config import Camera
from edge.errors import SourceError
from edge.redirection import check_redirection
from edge.sources import open_video

USER, PASSWORD = "admin", 'p@ss:w/d"'
BASIC = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CHALLENGES = {
    "none": "",
    "basic": 'Basic realm="camera"',
    "digest": 'Digest realm="camera", nonce="a1b2"',
    "qop": 'Digest realm="camera", nonce="a1b2", qop="auth", opaque="5ccc", algorithm=MD5',
}


class RtspPeer:
    """Speaks RTSP over TCP: asks for an account, then sends elsewhere, or has nothing."""

    def __init__(self, challenge: str = "none", *, at: str = "DESCRIBE") -> None:
        self.asked: list[str] = []
        self.location = ""
        self._challenge, self._at = CHALLENGES[challenge], at
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.port = self._server.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as requests:
                self._talk(client, requests)

    def _talk(self, client: socket.socket, requests: Any) -> None:
        while head := self._head(requests):
            self.asked.append(head)
            number = re.search(r"CSeq: \d+", head, re.IGNORECASE)
            assert number is not None
            status, more = self._answer(head)
            client.sendall(f"RTSP/1.0 {status}\r\n{number[0]}\r\n{more}\r\n".encode())

    @staticmethod
    def _head(requests: Any) -> str:
        lines = []
        while (line := requests.readline()) not in {b"\r\n", b""}:
            lines.append(line.decode())
        return "".join(lines)

    def _answer(self, head: str) -> tuple[str, str]:
        method = head.split(maxsplit=1)[0]
        if method == "DESCRIBE" and self._challenge and not self._knows(head):
            body = "who are you?"
            more = f"WWW-Authenticate: {self._challenge}\r\nContent-Length: {len(body)}\r\n"
            return "401 Unauthorized", f"{more}\r\n{body}"[:-2]
        if method == self._at and self.location:
            return "302 Found", f"Location: {self.location}\r\n"
        if method == "OPTIONS":
            return "200 OK", "Public: OPTIONS, DESCRIBE\r\n"
        return "404 Not Found", ""

    def _knows(self, head: str) -> bool:
        """Check the answer to a challenge, as RFC 2617 has it."""
        if BASIC in head:
            return True
        said = dict(re.findall(r'(\w+)="?([^",\r]*)"?', head.partition("Digest ")[2]))
        if not said:
            return False
        who = hashlib.md5(f"{USER}:camera:{PASSWORD}".encode()).hexdigest()  # noqa: S324
        what = hashlib.md5(f"DESCRIBE:{head.split()[1]}".encode()).hexdigest()  # noqa: S324
        parts = [
            who,
            "a1b2",
            *((said["nc"], said["cnonce"], "auth") if "qop" in said else ()),
            what,
        ]
        right = hashlib.md5(":".join(parts).encode()).hexdigest()  # noqa: S324
        return said["response"] == right and said["username"] == USER


def camera(source: str) -> Camera:
    return Camera.model_validate({"source": source, "user": USER, "password": PASSWORD})


@pytest.mark.parametrize("challenge", sorted(CHALLENGES))
def test_an_rtsp_camera_that_sends_elsewhere_is_refused(challenge: str) -> None:
    with RtspPeer("basic") as other, RtspPeer(challenge) as own:
        own.location = f"rtsp://localhost:{other.port}/stream"
        with (
            pytest.raises(SourceError, match=f"to rtsp://localhost:{other.port}: the account") as f,
            open_video(camera(f"rtsp://127.0.0.1:{own.port}/stream"), utc_now),
        ):
            pass
    assert other.asked == [], "nobody has gone there"
    assert PASSWORD not in str(f.value)


def test_already_its_first_answer_may_send_elsewhere() -> None:
    with RtspPeer() as other, RtspPeer(at="OPTIONS") as own:
        own.location = f"rtsp://localhost:{other.port}/stream"
        with (
            pytest.raises(SourceError, match="the account stays here"),
            open_video(camera(f"rtsp://127.0.0.1:{own.port}/stream"), utc_now),
        ):
            pass
    assert other.asked == []


def test_on_its_own_host_a_camera_may_send_on() -> None:
    with RtspPeer("digest") as other, RtspPeer() as own:
        own.location = f"rtsp://127.0.0.1:{other.port}/moved"
        check_redirection(f"rtsp://{USER}:x@127.0.0.1:{own.port}/stream", None, 5)
    assert [head.split()[:2] for head in other.asked][-1] == [
        "DESCRIBE",
        f"rtsp://127.0.0.1:{other.port}/moved",
    ]
    with RtspPeer() as own:
        own.location = "/round"
        with pytest.raises(SourceError, match="to and fro"):
            check_redirection(f"rtsp://{USER}@127.0.0.1:{own.port}/stream", None, 5)


@pytest.mark.parametrize("location", ["rtsp://[::1/a", "rtsp://127.0.0.1:far/a"])
def test_to_where_there_is_no_address_nobody_goes(location: str) -> None:
    with RtspPeer() as own:
        own.location = location
        with pytest.raises(SourceError, match="to, an address"):
            check_redirection(f"rtsp://{USER}:x@127.0.0.1:{own.port}/stream", None, 5)


def test_who_has_no_account_has_nothing_to_lose() -> None:
    with RtspPeer() as own:
        check_redirection(f"rtsp://127.0.0.1:{own.port}/stream", None, 5)
    assert own.asked == []


@contextmanager
def http_peer(location: str = "") -> Iterator[tuple[int, list[str | None]]]:
    """Ask for an account, then send elsewhere; tell what accounts were given."""
    accounts: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            accounts.append(self.headers["Authorization"])
            if accounts[-1] is None:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            else:
                self.send_response(302)
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port, accounts
        server.shutdown()
        thread.join()


def test_of_http_the_account_is_left_behind() -> None:
    with (
        http_peer() as (elsewhere, told),
        http_peer(f"http://localhost:{elsewhere}/a.mjpg") as (port, own),
        pytest.raises(SourceError, match="401 Unauthorized"),
        open_video(camera(f"http://127.0.0.1:{port}/a.mjpg"), utc_now),
    ):
        pass
    assert own == [None, BASIC]
    assert told
    assert set(told) == {None}
