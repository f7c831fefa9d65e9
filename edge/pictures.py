"""The newest pixelated picture over HTTP, for who has the token; nothing is encoded unasked."""

import hmac
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from contracts.clock import Clock, from_micros
from edge.wire import Picture

log = logging.getLogger(__name__)

FRESH: Final = 2_000_000
"""An older picture is not shown as the newest one. [us]"""
PATIENCE: Final = 6.0
"""How long a request waits for a picture. [s]"""


class Shelf:
    """Keeps one picture; a newer one takes its place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrived = threading.Condition()
        self._picture: Picture | None = None
        self._since = 0  # when the picture came [us]

    def put(self, picture: Picture) -> None:
        """Take in a picture."""
        with self._arrived:
            self._picture, self._since = picture, self._clock()
            self._arrived.notify_all()

    def newest(self) -> Picture | None:
        """Give a picture that came just now, waiting for it a little."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: self._picture is not None and self._clock() - self._since < FRESH, PATIENCE
            )
            fresh = self._clock() - self._since < FRESH
            return self._picture if fresh else None


class PictureServer(ThreadingHTTPServer):
    """Serves ``/picture.jpg`` to who sends ``Authorization: Bearer <token>``."""

    daemon_threads = True
    request_queue_size = 8

    def __init__(
        self, address: tuple[str, int], token: str, shelf: Shelf, want: Callable[[], None]
    ) -> None:
        super().__init__(address, _Handler)
        self.expected = f"Bearer {token}".encode()
        self.shelf = shelf
        self.want = want

    @property
    def url(self) -> str:
        """Where the picture is."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/picture.jpg"


class _Handler(BaseHTTPRequestHandler):
    server: PictureServer
    timeout = 10.0  # a client that says nothing is let go [s]
    server_version = "tepna-edge"
    sys_version = ""

    def do_GET(self) -> None:  # the name that http.server calls
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self.server.expected):
            self._answer(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})
            return
        if self.path != "/picture.jpg":
            self._answer(HTTPStatus.NOT_FOUND, {})
            return
        self.server.want()
        picture = self.server.shelf.newest()
        if picture is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "2"})
            return
        captured = from_micros(picture.captured).isoformat()
        headers = {"Content-Type": "image/jpeg", "X-Captured": captured}
        self._answer(HTTPStatus.OK, headers, picture.jpeg)

    def _answer(self, status: HTTPStatus, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        log.debug(format, *args)
