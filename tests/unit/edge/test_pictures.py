import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from contracts.clock import utc_now
from contracts.viewing import Permit, mint
from edge.budget import Budget
from edge.certificate import Certificate, own
from edge.pictures import (
    BOUNDARY,
    FRESH,
    OWNER,
    Began,
    Ended,
    PictureServer,
    Rules,
    Shelf,
    Supply,
)
from edge.snapshots import Snapshots
from edge.wire import Picture

TOKEN = "0123456789abcdef"  # noqa: S105
START = 1_777_878_000_000_000


class Camera:
    """Gives a picture whenever it is asked, as the camera's process does a little later."""

    def __init__(self, shelf: Shelf, live: Shelf) -> None:
        self.asked = self.live_asked = 0
        self._shelf, self._live = shelf, live

    def want(self) -> None:
        self.asked += 1
        self._shelf.put(Picture(START + self.asked, b"jpeg %d" % self.asked))

    def want_live(self) -> None:
        self.live_asked += 1
        self._live.put(Picture(START + self.live_asked, b"live %d" % self.live_asked, "live"))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(utc_now)


@pytest.fixture
def live() -> Shelf:
    return Shelf(utc_now)


@pytest.fixture
def camera(shelf: Shelf, live: Shelf) -> Camera:
    return Camera(shelf, live)


@pytest.fixture
def notes() -> list[Began | Ended]:
    return []


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "snapshots", max_bytes=1000, days=1, clock=lambda: START)


@pytest.fixture
def eventually() -> Callable[[str, Callable[[], object]], None]:
    """Give a wait with a deadline."""

    def wait(what: str, happened: Callable[[], object]) -> None:
        end = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < end, what
            time.sleep(0.01)

    return wait


Serve = Callable[..., PictureServer]


@pytest.fixture
def serve(
    shelf: Shelf, live: Shelf, camera: Camera, notes: list[Began | Ended], snapshots: Snapshots
) -> Iterator[Serve]:
    """Serve pictures until the test is over."""
    running: list[tuple[PictureServer, threading.Thread]] = []

    def start(
        *, viewers: int = 2, budget: float | None = None, certificate: Certificate | None = None
    ) -> PictureServer:
        server = PictureServer(
            ("127.0.0.1", 0),
            Rules("town/cam", TOKEN, viewers, Budget(budget)),
            Supply(camera.want, camera.want_live, shelf, live, snapshots),
            clock=utc_now,
            note=notes.append,
            certificate=certificate,
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(serve: Serve) -> PictureServer:
    return serve()


def get(
    server: PictureServer, path: str, token: str | None, method: str = "GET"
) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(server.url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=10)) as connection:
        headers = {} if token is None else {"Authorization": token}
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def permit(*, device: str = "town/cam", seconds: float = 60, secret: str = TOKEN) -> str:
    return "Bearer " + mint(secret, Permit("view-1", device, utc_now() + round(seconds * 1e6)))


def look(server: PictureServer, parts: int, token: str = f"Bearer {TOKEN}") -> list[bytes]:
    """Look at the live view until so many pictures have come."""
    address = server.server_address
    with socket.create_connection((str(address[0]), int(address[1])), timeout=10) as connection:
        connection.sendall(f"GET /live.mjpg HTTP/1.1\r\nAuthorization: {token}\r\n\r\n".encode())
        got = b""
        while got.count(b"X-Left-Out") < parts and (piece := connection.recv(4096)):
            got += piece
    return got.split(f"--{BOUNDARY}".encode())


def test_who_has_the_token_gets_the_newest(server: PictureServer, camera: Camera) -> None:
    path = urlsplit(server.url).path
    for n in (1, 2):
        answer, body = get(server, path, f"Bearer {TOKEN}")
        assert (answer.status, body) == (200, b"jpeg %d" % n)
        assert answer.headers["X-Captured"] == f"2026-05-04T07:00:00.{n:06d}+00:00"
        assert answer.headers["Cache-Control"] == "no-store"
    assert camera.asked == 2
    deadline = time.monotonic() + 10
    while server.sent()["still"] < 12 and time.monotonic() < deadline:  # counted once it is sent
        time.sleep(0.01)
    assert server.sent() == {"still": 12, "live": 0, "snapshot": 0}


def test_who_has_a_permit_gets_it_too(server: PictureServer) -> None:
    assert get(server, "/picture.jpg", permit())[0].status == 200


def strangers() -> list[str | None]:
    other = "another secret of 16"
    forged = [
        permit(device="town/other"),
        permit(seconds=-1),
        permit(seconds=2 * 86_400),
        permit(secret=other),
        permit()[:-4] + "AAA=",
        "Bearer a.b",
        "Bearer .",
    ]
    return [None, "", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer \xfc", *forged]


def test_nobody_else_gets_anything(
    server: PictureServer, camera: Camera, notes: list[Began | Ended]
) -> None:
    for token in strangers():
        for path in ("/picture.jpg", "/live.mjpg", "/snapshots", "/other"):
            answer, body = get(server, path, token)
            assert (answer.status, body) == (401, b"")
    assert camera.asked == camera.live_asked == 0, "nothing is encoded"
    assert notes == []


def test_there_is_nothing_else(server: PictureServer, camera: Camera) -> None:
    for path in ("/", "/snapshots/none.jpg", "/snapshots/../outbox.jpg", "/snapshots/.jpg"):
        assert get(server, path, f"Bearer {TOKEN}")[0].status == 404
    assert camera.asked == 0


def test_a_live_view_is_pictures_one_after_the_other_and_is_noted(
    server: PictureServer, notes: list[Began | Ended], eventually: Callable[..., object]
) -> None:
    head, *parts = look(server, 3, permit())
    assert f"multipart/x-mixed-replace; boundary={BOUNDARY}".encode() in head
    for n, part in enumerate(parts[:2], 1):
        assert part.endswith(b"\r\n\r\nlive %d\r\n" % n)
        assert b"X-Left-Out: 0" in part
    eventually("the end", lambda: len(notes) == 2)
    began, ended = notes
    assert isinstance(began, Began)
    assert isinstance(ended, Ended)
    assert began.viewer == ended.viewer == "view-1"
    assert ended.at >= began.at
    assert ended.sent == server.sent()["live"] > 0


def test_a_page_of_another_host_may_show_the_live_view_and_nothing_else(
    server: PictureServer,
) -> None:
    allowed = "Access-Control-Allow-Origin"
    answer, body = get(server, "/live.mjpg", None, "OPTIONS")
    assert (answer.status, body, answer.headers[allowed]) == (204, b"", "*")
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization"
    head, *_ = look(server, 1, permit())
    assert head.count(f"{allowed}: *".encode()) == 1
    answer, _ = get(server, "/live.mjpg", "Bearer wrong")
    assert (answer.status, answer.headers[allowed]) == (401, "*"), "a page can say why"
    assert get(server, "/picture.jpg", None, "OPTIONS")[0].status == 404
    assert allowed not in get(server, "/picture.jpg", permit())[0].headers


def test_a_permit_that_runs_out_ends_the_view(server: PictureServer) -> None:
    token = permit(seconds=0.5)
    assert look(server, 10**9, token), "the server closed it"
    assert get(server, "/picture.jpg", token)[0].status == 401


def test_there_are_so_many_viewers_and_no_more(
    serve: Serve, notes: list[Began | Ended], eventually: Callable[..., object]
) -> None:
    server = serve(viewers=1)
    with closing(HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)) as first:
        first.request("GET", "/live.mjpg", headers={"Authorization": f"Bearer {TOKEN}"})
        viewing = first.getresponse()
        assert viewing.status == 200
        answer, _ = get(server, "/live.mjpg", f"Bearer {TOKEN}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        assert get(server, "/picture.jpg", f"Bearer {TOKEN}")[0].status == 200
        viewing.close()
    eventually("its end", lambda: any(isinstance(note, Ended) for note in notes))
    assert {note.viewer for note in notes} == {OWNER}
    assert len(look(server, 1)) > 1, "its place is free again"


def test_beyond_the_budget_pictures_are_left_out_and_the_view_says_so(serve: Serve) -> None:
    server = serve(budget=4)  # 500 B/s, 2,000 B at once: each part has more than 100 B
    parts = look(server, 22)[1:22]
    left_out = [int(part.split(b"X-Left-Out: ")[1].split(b"\r")[0]) for part in parts]
    assert left_out[0] == 0
    assert left_out[-1] > 0
    answer, body = get(server, "/picture.jpg", f"Bearer {TOKEN}")
    while answer.status == 200:
        answer, body = get(server, "/picture.jpg", f"Bearer {TOKEN}")
    assert (answer.status, body) == (429, b"")
    assert int(answer.headers["Retry-After"]) >= 1


def test_snapshots_are_listed_and_shown(server: PictureServer, snapshots: Snapshots) -> None:
    assert snapshots.put("wrong-way-7", START, b"a picture")
    answer, body = get(server, "/snapshots", f"Bearer {TOKEN}")
    assert answer.headers["Content-Type"] == "application/json"
    listed = [{"id": "wrong-way-7", "captured": "2026-05-04T07:00:00+00:00", "bytes": 9}]
    assert json.loads(body) == {"snapshots": listed}
    answer, body = get(server, "/snapshots/wrong-way-7.jpg", permit())
    assert (answer.status, body) == (200, b"a picture")


def test_with_tls_the_fingerprint_is_that_of_the_certificate(serve: Serve, tmp_path: Path) -> None:
    certificate = own(tmp_path / "outbox.sqlite", "town/cam", utc_now)
    server = serve(certificate=certificate)
    assert server.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(certificate.certificate))
    context.check_hostname = False
    port = int(server.server_address[1])
    # one who connects and says nothing holds up nobody
    with (
        socket.create_connection(("127.0.0.1", port)),
        closing(HTTPSConnection("127.0.0.1", port, context=context, timeout=10)) as connection,
    ):
        connection.request("GET", "/picture.jpg", headers={"Authorization": f"Bearer {TOKEN}"})
        assert connection.getresponse().status == 200
    assert get_plainly(port) is None


def get_plainly(port: int) -> HTTPResponse | None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request("GET", "/picture.jpg", headers={"Authorization": f"Bearer {TOKEN}"})
            return connection.getresponse()
        except (OSError, HTTPException):  # closed, with or without an alert before
            return None


def test_an_old_picture_is_not_the_newest() -> None:
    now = START
    shelf = Shelf(lambda: now)
    picture = Picture(now, b"jpeg")
    shelf.put(picture)
    now += FRESH - 1
    assert shelf.newest() == picture
    now += 1
    shelf_now = threading.Timer(0.05, shelf.put, [Picture(now, b"new")])
    shelf_now.start()
    newest = shelf.newest()  # waits for the next one
    assert newest is not None
    assert newest.jpeg == b"new"
