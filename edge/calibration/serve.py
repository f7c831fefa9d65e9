"""The page with a picture to click on. Its files are its own: it works without the internet."""

import hmac
import json
import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from contracts.site import Site, SiteError, read_site
from edge.calibration.block import check_writable
from edge.calibration.command import origin_of
from edge.calibration.desk import Desk, Work
from edge.calibration.picture import Live, Source, Still
from edge.calibration.read import CalibrationError
from edge.configuration.camera import Camera

log = logging.getLogger(__name__)

LARGEST: Final = 1 << 20
"""Bytes of a request. More: refused."""
COOKIE: Final = "tepna-calibration"
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/stage.js": ("stage.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
}
POLICY: Final = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'"


class PageServer(ThreadingHTTPServer):
    """Serves the page of one camera to the one browser that has the link.

    The token of the link opens it once; the browser is then known by a cookie.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], desk: Desk, source: Source) -> None:
        super().__init__(address, _Handler)
        self.desk = desk
        self.source = source
        self._token: str | None = secrets.token_urlsafe(16)
        self._session = secrets.token_urlsafe(32)
        host, port = self.server_address[:2]
        self.url = f"http://{host!s}:{port}/?token={self._token}"

    def exchange(self, token: str) -> str | None:
        """Give the session for the token; once."""
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        self._token = None
        return self._session

    def knows(self, session: str) -> bool:
        """Whether this is the browser that had the token."""
        return self._token is None and hmac.compare_digest(session.encode(), self._session.encode())


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 30.0  # a client that says nothing is let go [s]
    server_version = "tepna-edge"
    sys_version = ""

    def do_GET(self) -> None:  # the name that http.server calls
        parts = urlsplit(self.path)
        token = parse_qs(parts.query).get("token", [""])[0]
        if parts.path == "/" and token and (session := self.server.exchange(token)):
            cookie = f"{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/"
            self._answer(HTTPStatus.SEE_OTHER, {"Location": "/", "Set-Cookie": cookie})
        elif not self._known():
            self._say(HTTPStatus.UNAUTHORIZED, "The link has been used, or is wrong: start anew.")
        elif parts.path in FILES:
            name, kind = FILES[parts.path]
            body = files("edge.calibration").joinpath("page", name).read_bytes()
            self._answer(HTTPStatus.OK, {"Content-Type": kind}, body)
        elif parts.path == "/begin":
            self._json(self.server.desk.begin())
        elif parts.path == "/picture.jpg":
            self._picture()
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:  # the name that http.server calls
        answers = {"/fit": self.server.desk.fit, "/finish": self.server.desk.finish}
        answer = answers.get(self.path)
        length = self.headers.get("Content-Length", "")
        if not self._known():
            self._say(HTTPStatus.UNAUTHORIZED, "The link has been used, or is wrong: start anew.")
        elif answer is None:
            self._say(HTTPStatus.NOT_FOUND, "There is no such page.")
        elif not length.isdecimal() or int(length) > LARGEST:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is too much.")
        else:
            try:
                self._json(answer(Work.model_validate_json(self.rfile.read(int(length)))))
            except CalibrationError as fault:
                self._say(HTTPStatus.UNPROCESSABLE_ENTITY, str(fault))
            except ValidationError as fault:
                self._say(HTTPStatus.BAD_REQUEST, str(fault))

    def _picture(self) -> None:
        shown = self.server.source.shown()
        if not shown.jpeg:
            wait = {"Retry-After": "1", "X-Learning": f"{shown.learning:.1f}"}
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, wait)
            return
        self._answer(HTTPStatus.OK, {"Content-Type": "image/jpeg"}, shown.jpeg)

    def _known(self) -> bool:
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return False
        return COOKIE in cookies and self.server.knows(cookies[COOKIE].value)

    def _json(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self._answer(HTTPStatus.OK, {"Content-Type": "application/json"}, body)

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())

    def _answer(self, status: HTTPStatus, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        log.debug(format, *args)


def serve(
    path: Path, camera: Camera, *, listen: str, picture: Path | None, origin: str | None,
    site: Path | None, save: bool, say: Callable[[str], Any],
) -> None:  # fmt: skip
    """Serve the page until Ctrl-C.

    Raises
    ------
    EdgeError
        If anything given cannot be used.
    """
    if save:
        check_writable(path)
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 1 << 16:
        msg = f"--listen {listen}: not HOST:PORT; write for instance 127.0.0.1:8090"
        raise CalibrationError(msg)
    where, plan = origin_of(origin, site), _plan(site)
    source: Source = Live(camera) if picture is None else Still(picture, camera)
    try:
        desk = Desk(path, camera, source.size(), origin=where, plan=plan, save=save)
        try:
            server = PageServer((host, int(port)), desk, source)
        except OSError as fault:
            msg = f"--listen {listen}: {fault.strerror}; give an address of this machine"
            raise CalibrationError(msg) from fault
        with server:
            say(f"open once: {server.url}")
            if host not in {"127.0.0.1", "localhost", "::1"}:
                say("whoever is on that network can read along: use it at the site only")
            server.serve_forever()
    except KeyboardInterrupt:
        say("")
    finally:
        source.close()


def _plan(site: Path | None) -> Site | None:
    try:
        return None if site is None else read_site(site)
    except SiteError as fault:
        raise CalibrationError(str(fault)) from fault
