"""The live stream: what a device publishes arrives; a slow client is alone with its loss."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from time import time_ns
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aiomqtt
import httpx
import numpy as np
import pytest

from api.frames import Frame
from contracts.batch import SCHEMAS, Batch, encode
from contracts.classes import RoadUser
from contracts.events import CROSSING
from contracts.messages import ENCODER, State
from contracts.topics import topic

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered

DEVICE = "town/cam"
PATIENCE = 20.0  # [s]


@asynccontextmanager
async def broker(url):
    address = urlsplit(url)
    async with aiomqtt.Client(
        address.hostname,
        address.port,
        username=unquote(address.username),
        password=unquote(address.password),
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        yield client


def batch(schema, *, names=(), **columns):
    dtypes = SCHEMAS[schema].dtypes
    rows = len(columns["t"])
    full = {name: np.asarray(columns.get(name, np.zeros(rows)), dtypes[name]) for name in dtypes}
    return Batch(
        schema=schema,
        device=DEVICE,
        boot=uuid4(),
        seq=0,
        sent_at=time_ns() // 1000,
        columns=full,
        names=list(names),
        simulated=True,
    )


class Stream:
    """Server-sent events of one client."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self, kind: str):
        """Data of the next event of this kind."""
        async with asyncio.timeout(PATIENCE):
            name = None
            async for line in self._lines:
                if line.startswith("event:"):
                    name = line.partition(":")[2].strip()
                elif line.startswith("data:") and name == kind:
                    return json.loads(line.partition(":")[2])
        pytest.fail(f"the stream ended without {kind}")


@asynccontextmanager
async def watching(api):
    async with (
        api.client() as client,
        client.stream("GET", "/v1/live", params={"site": "town/junction"}) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Stream(answer)
        await stream.next("reset")
        yield stream


async def test_published_batches_arrive(api, device_url):
    now = time_ns() // 1000
    async with watching(api) as stream, broker(device_url(DEVICE)) as device:
        tracks = batch(
            "tracks/1",
            t=[now, now + 50_000],
            track=[7, 7],
            cls=[RoadUser.CAR] * 2,
            x=[1.0, 1.5],
            y=[2.0, 2.0],
            vx=[10.0, 10.0],
            length=[4.5, 4.5],
            width=[1.8, 1.8],
        )
        await device.publish(topic(DEVICE, "up", "tracks"), encode(tracks), qos=1)
        frame = await stream.next("tracks")
        assert frame["device"] == DEVICE
        assert frame["simulated"] is True
        (user,) = frame["users"]
        assert user["class"] == "car"
        assert user["speed_km_h"][-1] == pytest.approx(36.0)
        assert user["x_m"][-1] == pytest.approx(1.5)

        crossing = batch(
            "events/1",
            names=[CROSSING, "stop"],
            t=[now],
            object=[1],
            direction=[1],
            cls=[RoadUser.BICYCLE],
            value=[5.0],
        )
        await device.publish(topic(DEVICE, "up", "events"), encode(crossing), qos=1)
        seen = await stream.next("crossing")
        assert (seen["line"], seen["direction"], seen["class"]) == ("stop", "in", "bicycle")
        assert seen["speed_km_h"] == pytest.approx(18.0)

        signal = batch("signal/1", t=[now, now + 1], code=[1, 21], parameter=[2, 4])
        await device.publish(topic(DEVICE, "up", "signal"), encode(signal), qos=1)
        assert (await stream.next("signal"))["shows"] == "green"
        walk = await stream.next("signal")
        assert (walk["phase"], walk["pedestrian"], walk["shows"]) == (4, True, "walk")

        state = State(status="online", boot=uuid4(), since=now)
        await device.publish(topic(DEVICE, "state"), ENCODER.encode(state), qos=1, retain=True)
        assert (await stream.next("state"))["online"] is True
        await device.publish(topic(DEVICE, "state"), b"", qos=1, retain=True)


async def test_a_newcomer_is_told_the_present(api, device_url, until):
    hub = api.app.state.hub
    async with broker(device_url(DEVICE)) as device:
        signal = batch("signal/1", t=[time_ns() // 1000], code=[8], parameter=[6])
        await device.publish(topic(DEVICE, "up", "signal"), encode(signal), qos=1)
        await until(lambda: hub.taken)
    async with watching(api) as stream:
        assert (await stream.next("signal"))["shows"] == "yellow"


async def test_garbage_is_counted_and_hurts_nobody(api, device_url, until):
    feed = api.app.state.feed
    async with watching(api) as stream, broker(device_url(DEVICE)) as device:
        await device.publish(topic(DEVICE, "up", "tracks"), b"\xff garbage", qos=1)
        await until(lambda: feed.refused == 1)
        signal = batch("signal/1", t=[time_ns() // 1000], code=[1], parameter=[6])
        await device.publish(topic(DEVICE, "up", "signal"), encode(signal), qos=1)
        assert (await stream.next("signal"))["phase"] == 6


async def test_a_slow_client_loses_frames_alone(api, until):
    hub = api.app.state.hub
    address = urlsplit(api.url)
    request = f"GET /v1/live?site=town/junction HTTP/1.1\r\nHost: x\r\nX-API-Key: {api.key}\r\n\r\n"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((address.hostname, address.port))
        slow.sendall(request.encode())  # and never reads
        async with watching(api) as stream:
            await until(lambda: hub.watching == 2)
            number = 0
            while hub.lost == 0:
                assert number < 10_000
                hub.publish(
                    Frame("tracks", DEVICE, number, "tracks", {"n": number, "x": "x" * 65_536})
                )
                assert (await stream.next("tracks"))["n"] == number  # in order, none missing
                number += 1
    await until(lambda: hub.watching == 0)
    async with api.client() as client:
        meters = (await client.get("/metrics")).text
    assert f"tepna_live_frames_lost {float(hub.lost)}" in meters


async def test_places_are_bounded(api):
    async with watching(api), watching(api), watching(api), api.client() as client:
        answer = await client.get("/v1/live", params={"site": "town/junction"})
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:tepna:problem:too-many-streams"
    assert "retry-after" in answer.headers
