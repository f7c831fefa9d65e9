"""Live views and snapshots through the API, from a real picture server with TLS."""

import json
import threading
from uuid import uuid4

import cv2
import numpy as np
import pytest

from contracts.clock import utc_now
from edge.budget import Budget
from edge.certificate import own
from edge.pictures import Began, Ended, PictureServer, Rules, Shelf, Supply
from edge.snapshots import Snapshots
from edge.wire import Picture

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered
JPEG = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()


@pytest.fixture
def notes():
    return []


@pytest.fixture
def camera(tmp_path, notes):
    """The picture server of an agent; it has a picture whenever it is asked."""
    stills, live = Shelf(utc_now), Shelf(utc_now)
    snapshots = Snapshots(tmp_path / "kept", max_bytes=10_000, days=1, clock=utc_now)
    snapshots.put("wrong-way-7", utc_now(), JPEG)
    server = PictureServer(
        ("127.0.0.1", 0),
        Rules("town/cam", "secret of the agents", 1, Budget(None)),
        Supply(
            lambda: stills.put(Picture(utc_now(), JPEG)),
            lambda: live.put(Picture(utc_now(), JPEG, "live")),
            stills,
            live,
            snapshots,
        ),
        clock=utc_now,
        note=notes.append,
        certificate=own(tmp_path / "outbox.sqlite", "town/cam", utc_now),
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def announce(database, camera):
    def say(**changes):
        boot = uuid4()
        state = {
            "status": "online",
            "boot": str(boot),
            "since": 0,
            "camera": True,
            "picture_url": camera.url,
            "picture_certificate": camera.fingerprint,
        } | changes
        database.execute(
            "INSERT INTO device_state SELECT device, true, %s, now(), %s, now() FROM device"
            " WHERE name = 'cam' ON CONFLICT (device) DO UPDATE SET state = EXCLUDED.state",
            [boot, json.dumps(state)],
        )

    return say


async def ask(api, path):
    async with api.client() as client:
        return await client.get(f"/v1/devices/town/cam/{path}", params={"purpose": "accident"})


def audits(database):
    return database.execute("SELECT actor, action, subject, purpose FROM audit").fetchall()


async def test_pictures_come_over_tls(api, announce):
    announce()
    answer = await ask(api, "picture")
    assert (answer.status_code, answer.content) == (200, JPEG)


async def test_who_shows_another_certificate_is_refused(api, announce):
    announce(picture_certificate="00" * 32)
    for path in ("picture", "live"):
        answer = await ask(api, path)
        assert answer.status_code == 503
        assert "another certificate" in answer.json()["detail"]


async def test_a_live_view_comes_and_is_put_down_on_both_sides(
    api, announce, database, notes, until
):
    announce()
    url = "/v1/devices/town/cam/live"
    async with (
        api.client() as client,
        client.stream("GET", url, params={"purpose": "accident"}) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
        got = b""
        async for part in answer.aiter_raw():
            got += part
            if got.count(JPEG) >= 3:
                break
    await until(lambda: len(notes) == 2)
    began, ended = notes
    assert isinstance(began, Began)
    assert isinstance(ended, Ended)
    assert audits(database) == [("tests", "live", "town/cam", f"accident [{began.viewer}]")]


async def test_a_permit_opens_the_camera_itself(api, announce, database, camera):
    announce()
    answer = await ask(api, "permit")
    assert answer.status_code == 200
    permit = answer.json()
    assert permit["url"] == camera.url.replace("picture.jpg", "live.mjpg")
    assert permit["certificate"] == camera.fingerprint
    assert audits(database) == [("tests", "live", "town/cam", f"accident [{permit['id']}]")]


async def test_a_snapshot_comes_and_is_put_down(api, announce, database):
    announce()
    answer = await ask(api, "snapshots/wrong-way-7")
    assert (answer.status_code, answer.content) == (200, JPEG)
    assert (await ask(api, "snapshots/nothing")).status_code == 503
    assert [row[1:] for row in audits(database)] == [
        ("snapshot", "town/cam", "accident [wrong-way-7]"),
        ("snapshot", "town/cam", "accident [nothing]"),
    ]
