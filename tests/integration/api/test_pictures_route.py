"""Pictures: from where the device said, in the allowed networks, with a word in the audit."""

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


@asynccontextmanager
async def camera(body=JPEG, *, status="200 OK", token="secret of the agents"):  # noqa: S107
    """Serve a picture as an agent does."""

    async def answer(reader, writer):
        asked = await reader.readuntil(b"\r\n\r\n")
        right = f"authorization: bearer {token}".encode() in asked.lower()
        line = status if right else "401 Unauthorized"
        head = f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/picture.jpg"


def announce(database: psycopg.Connection, url: str, *, online: bool = True) -> None:
    boot = uuid4()
    state = {"status": "online", "boot": str(boot), "since": 0, "camera": True, "picture_url": url}
    database.execute(
        "INSERT INTO device_state SELECT device, %s, %s, now(), %s, now() FROM device"
        " WHERE name = 'cam'"
        " ON CONFLICT (device) DO UPDATE SET online = EXCLUDED.online, state = EXCLUDED.state",
        [online, boot, json.dumps(state)],
    )


async def look(api, **params):
    async with api.client() as client:
        query = {"purpose": "accident on the corner"} | params
        return await client.get("/v1/devices/town/cam/picture", params=query)


def audits(database: psycopg.Connection):
    return database.execute("SELECT actor, action, subject, purpose FROM audit").fetchall()


async def test_a_picture_comes_and_is_put_down(api, database):
    async with camera() as url:
        announce(database, url)
        answer = await look(api)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == JPEG
    assert audits(database) == [("tests", "picture", "town/cam", "accident on the corner")]


async def test_a_look_that_goes_on_is_one_line(api, database):
    async with camera() as url:
        announce(database, url)
        for _ in range(3):
            assert (await look(api)).status_code == 200
        await look(api, purpose="something else")
    assert [row[3] for row in audits(database)] == ["accident on the corner", "something else"]


async def test_without_a_purpose_there_is_no_picture(api, database):
    async with api.client() as client:
        answer = await client.get("/v1/devices/town/cam/picture")
    assert answer.status_code == 422
    assert audits(database) == []


async def test_no_other_address_is_asked(api, database, subtests):
    for url in (
        "http://192.0.2.1/picture.jpg",  # a public address
        "http://[2001:db8::1]/picture.jpg",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://127.0.0.1:port/",
        "",
    ):
        with subtests.test(url=url):
            announce(database, url)
            answer = await look(api)
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:tepna:problem:no-picture"


async def test_a_camera_that_is_off_line_is_not_asked(api, database):
    async with camera() as url:
        announce(database, url, online=False)
        answer = await look(api)
    assert answer.status_code == 503


async def test_what_is_no_picture_is_refused(api, database, subtests):
    for kind in (
        {"body": b"<html>no picture</html>"},
        {"body": b"\xff\xd8" + bytes(3 << 20)},
        {"status": "302 Found"},
        {"status": "500 Internal Server Error"},
        {"token": "another"},
    ):
        with subtests.test(kind=str(kind)[:60]):
            async with camera(**kind) as url:
                announce(database, url)
                answer = await look(api)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_camera_that_is_gone_is_told(api, database):
    async with camera() as url:
        pass
    announce(database, url)
    answer = await look(api)
    assert answer.status_code == 503
    assert "town/cam" in answer.json()["detail"]
