"""Pixelated pictures over HTTPS, for who has the token or a permit; nothing is encoded unasked.

``/picture.jpg`` is the newest picture, ``/live.mjpg`` a live view (multipart/x-mixed-replace),
``/snapshots`` lists what was kept of what happened, ``/snapshots/{id}.jpg`` shows it.
"""

import hmac
import json
import logging
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from typing import Any, Final, NamedTuple

from contracts.clock import MICROSECONDS, Clock, from_micros
from contracts.viewing import PermitError, check
from edge.budget import Budget
from edge.certificate import Certificate
from edge.proof import read_proof
from edge.snapshots import Snapshots
from edge.wire import Picture

log = logging.getLogger(__name__)

FRESH: Final = 2_000_000
"""An older picture is not shown as the newest one. [us]"""
PATIENCE: Final = 6.0
"""How long a request waits for a picture. [s]"""
OWNER: Final = "owner"
"""Who has the token itself."""
LONGEST: Final = 3600 * MICROSECONDS
"""How long one live view of the owner's may last. [us]"""
BOUNDARY: Final = "tepna-live"
LIVE: Final = "/live.mjpg"
FROM_ANY_PAGE: Final = {"Access-Control-Allow-Origin": "*"}
"""The console comes from another host; what opens a live view is a permit, never a cookie."""
PREFLIGHT: Final = FROM_ANY_PAGE | {
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Authorization",
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Max-Age": "600",
}
STREAMS: Final = ("still", "live", "snapshot")


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

    def after(self, captured: int, patience: float) -> Picture | None:
        """Give a picture that is newer than that moment [us], waiting for so long [s]."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: self._picture is not None and self._picture.captured > captured, patience
            )
            newer = self._picture is not None and self._picture.captured > captured
            return self._picture if newer else None


class Began(NamedTuple):
    """Somebody began to look at the live view."""

    viewer: str  # id of the permit, or `OWNER`
    at: int  # [us]


class Ended(NamedTuple):
    """Somebody's live view is over."""

    viewer: str
    at: int  # [us]
    sent: int  # [B]


class Rules(NamedTuple):
    """Who may see what, and how much of it."""

    device: str
    token: str
    viewers: int  # live views at a time
    budget: Budget


class Supply(NamedTuple):
    """Where pictures come from."""

    want: Callable[[], None]  # asks for a still
    want_live: Callable[[], None]  # asks for a live view during the next seconds
    stills: Shelf
    live: Shelf
    snapshots: Snapshots | None = None


class PictureServer(ThreadingHTTPServer):
    """Serves pictures to who sends ``Authorization: Bearer <token or permit>``.

    Parameters
    ----------
    note
        Told of each live view when it begins and when it ends.
    certificate
        None: plain HTTP, and no live view but on the box itself.
    """

    daemon_threads = True
    request_queue_size = 8

    def __init__(
        self,
        address: tuple[str, int],
        rules: Rules,
        supply: Supply,
        *,
        clock: Clock,
        note: Callable[[Began | Ended], None],
        certificate: Certificate | None,
    ) -> None:
        super().__init__(address, _Handler)
        self.rules, self.supply, self.clock, self.note = rules, supply, clock, note
        self.places = threading.BoundedSemaphore(rules.viewers)
        self.closing = threading.Event()
        self.fingerprint = "" if certificate is None else certificate.fingerprint
        self._sent = dict.fromkeys(STREAMS, 0)
        self._counting = threading.Lock()
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(certificate.certificate, certificate.key)
            # The handshake is left to the thread of the request: a stranger who says nothing must
            # not hold up the others.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        """Where the picture is."""
        host, port = self.server_address[:2]
        scheme = "https" if self.fingerprint else "http"
        return f"{scheme}://{host!s}:{port}/picture.jpg"

    def sent(self) -> dict[str, int]:
        """Bytes of each stream so far."""
        with self._counting:
            return self._sent.copy()

    def count(self, stream: str, size: int) -> None:
        """Count bytes that were sent."""
        with self._counting:
            self._sent[stream] += size

    def shutdown(self) -> None:
        """Let live views end, then the server."""
        self.closing.set()
        super().shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the base's
        """Log what a stranger's connection died of; nothing of it concerns the others."""
        log.debug("%s: %s", client_address, sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    server: PictureServer
    timeout = 10.0  # a client that says nothing is let go [s]
    server_version = "tepna-edge"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()

    def do_GET(self) -> None:  # the name that http.server calls
        viewer, until = self._viewer()
        if viewer is None:
            self._answer(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})
        elif self.path == "/picture.jpg":
            self._still()
        elif self.path == LIVE:
            self._live(viewer, until)
        elif self.path == "/snapshots":
            self._list()
        elif self.path.startswith("/snapshots/") and self.path.endswith(".jpg"):
            self._snapshot(self.path.removeprefix("/snapshots/").removesuffix(".jpg"))
        else:
            self._answer(HTTPStatus.NOT_FOUND, {})

    def do_OPTIONS(self) -> None:  # the name that http.server calls
        """Tell a browser that a page of the platform's may ask for the live view."""
        if self.path == LIVE:
            self._answer(HTTPStatus.NO_CONTENT, PREFLIGHT)
        else:
            self._answer(HTTPStatus.NOT_FOUND, {})

    def _viewer(self) -> tuple[str | None, int]:
        """Who asks, and until when [us]; None if that may not be."""
        rules, now = self.server.rules, self.server.clock()
        given = self.headers.get("Authorization", "")
        if hmac.compare_digest(given.encode(), f"Bearer {rules.token}".encode()):
            return OWNER, now + LONGEST
        scheme, _, token = given.partition(" ")
        try:
            permit = check(rules.token, token if scheme == "Bearer" else "", rules.device, now)
        except PermitError as fault:
            log.debug("no permit: %s", fault)
            return None, 0
        return permit.id, permit.until

    def _still(self) -> None:
        self.server.supply.want()
        picture = self.server.supply.stills.newest()
        if picture is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "2"})
        else:
            self._jpeg("still", picture.jpeg, picture.captured)

    def _list(self) -> None:
        snapshots = self.server.supply.snapshots
        listed = [
            {"id": s.id, "captured": from_micros(s.captured).isoformat(), "bytes": s.size}
            for s in (snapshots.all() if snapshots else [])
        ]
        headers = {"Content-Type": "application/json"}
        self._answer(HTTPStatus.OK, headers, json.dumps({"snapshots": listed}).encode())

    def _snapshot(self, name: str) -> None:
        snapshots = self.server.supply.snapshots
        jpeg = snapshots.read(name) if snapshots else None
        if jpeg is None:
            self._answer(HTTPStatus.NOT_FOUND, {})
        else:
            self._jpeg("snapshot", jpeg, None)

    def _jpeg(self, stream: str, jpeg: bytes, captured: int | None) -> None:
        wait = self.server.rules.budget.take(len(jpeg))
        if wait:
            self._answer(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(ceil(wait))})
            return
        headers = {"Content-Type": "image/jpeg"}
        if captured is not None:
            headers["X-Captured"] = from_micros(captured).isoformat()
        proof = read_proof(jpeg)
        if proof is not None:
            headers["X-Captured"] = proof.captured
            headers["X-Privacy"] = f"{proof.method}; hidden={proof.hidden}; boxes={proof.boxes}"
        self._answer(HTTPStatus.OK, headers, jpeg)
        self.server.count(stream, len(jpeg))

    def _live(self, viewer: str, until: int) -> None:
        server = self.server
        local = server.server_address[0] in {"127.0.0.1", "::1"}
        if not server.fingerprint and not local:
            self._answer(HTTPStatus.FORBIDDEN, {"X-Reason": "live views need TLS"})
            return
        if not server.places.acquire(blocking=False):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "10"})
            return
        sent = 0
        server.note(Began(viewer, server.clock()))
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self._allow_pages()
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for part in self._parts(until):
                self.wfile.write(part)
                sent += len(part)
                server.count("live", len(part))
        except OSError as fault:  # the viewer has gone
            log.debug("live view of %s: %s", viewer, fault)
        finally:
            server.places.release()
            server.note(Ended(viewer, server.clock(), sent))

    def _parts(self, until: int) -> Iterator[bytes]:
        """Yield each picture as a part, as far as the budget goes."""
        server, last, dropped = self.server, 0, 0
        silent_since = server.clock()
        while server.clock() < until and not server.closing.is_set():
            server.supply.want_live()
            picture = server.supply.live.after(last, 1.0)
            if picture is None:
                if server.clock() - silent_since > PATIENCE * MICROSECONDS:
                    return
                continue
            silent_since, last = server.clock(), picture.captured
            head = (
                f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                f"Content-Length: {len(picture.jpeg)}\r\n"
                f"X-Captured: {from_micros(picture.captured).isoformat()}\r\n"
                f"X-Left-Out: {dropped}\r\n\r\n"
            )
            part = b"".join((head.encode(), picture.jpeg, b"\r\n"))
            if server.rules.budget.take(len(part)):
                dropped += 1
                continue
            dropped = 0
            yield part

    def _answer(self, status: HTTPStatus, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        if self.command == "GET" and self.path == LIVE:
            self._allow_pages()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _allow_pages(self) -> None:
        for name, value in FROM_ANY_PAGE.items():
            self.send_header(name, value)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        log.debug(format, *args)
