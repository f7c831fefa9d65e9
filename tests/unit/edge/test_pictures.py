import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from contracts.clock import utc_now
from edge.pictures import FRESH, PictureServer, Shelf
from edge.wire import Picture

TOKEN = "0123456789abcdef"  # noqa: S105  # the test's own


class Camera:
    """Gives a picture when it is asked for one."""

    def __init__(self, shelf: Shelf) -> None:
        self.asked = 0
        self._shelf = shelf

    def want(self) -> None:
        self.asked += 1
        self._shelf.put(Picture(1_777_878_000_000_000 + self.asked, b"jpeg %d" % self.asked))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(utc_now)


@pytest.fixture
def camera(shelf: Shelf) -> Camera:
    return Camera(shelf)


@pytest.fixture
def server(shelf: Shelf, camera: Camera) -> Iterator[PictureServer]:
    server = PictureServer(("127.0.0.1", 0), TOKEN, shelf, camera.want)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server: PictureServer, path: str, token: str | None) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(server.url)
    with closing(HTTPConnection(parts.hostname or "", parts.port)) as connection:
        headers = {} if token is None else {"Authorization": token}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def test_who_has_the_token_gets_the_newest(server: PictureServer, camera: Camera) -> None:
    path = urlsplit(server.url).path
    for n in (1, 2):
        answer, body = get(server, path, f"Bearer {TOKEN}")
        assert (answer.status, body) == (200, b"jpeg %d" % n)
        assert answer.headers["X-Captured"] == f"2026-05-04T07:00:00.{n:06d}+00:00"
        assert answer.headers["Cache-Control"] == "no-store"
    assert camera.asked == 2


@pytest.mark.parametrize("token", [None, "", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer \xfc"])
def test_nobody_else_gets_anything(
    server: PictureServer, camera: Camera, token: str | None
) -> None:
    for path in ("/picture.jpg", "/other"):
        answer, body = get(server, path, token)
        assert (answer.status, body) == (401, b"")
    assert camera.asked == 0, "nothing is encoded"


def test_there_is_only_the_picture(server: PictureServer, camera: Camera) -> None:
    assert get(server, "/", f"Bearer {TOKEN}")[0].status == 404
    assert camera.asked == 0


def test_an_old_picture_is_not_the_newest() -> None:
    now = 1_777_878_000_000_000
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
