"""Live streams cannot slow the write path: nobody reads, and everything is stored all the same."""

import asyncio
import os
import signal
import socket
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from time import time_ns
from urllib.parse import urlsplit
from uuid import uuid4

import aiomqtt
import numpy as np
import pytest
from pydantic import SecretStr

from api.frames import Frame
from contracts.batch import SCHEMAS, Batch, encode
from contracts.broker import read_broker
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.run import Ingest
from ingest.settings import IngestSettings

pytestmark = pytest.mark.usefixtures("site")  # the junction is registered

DEVICE = "town/cam"
STORED = "SELECT count(*) FROM batch WHERE stream = 'tracks'"
BATCHES = 60
USERS = 500


@pytest.fixture
def ingest(database_url: str, mqtt_url: str) -> Iterator[Ingest]:
    """Ingest at work in this process."""
    name = f"ingest-{uuid4().hex[:12]}"
    ingest = Ingest(
        IngestSettings(database_url=database_url, mqtt_url=mqtt_url, ingest_client=name), utc_now
    )
    thread = threading.Thread(target=ingest.run)
    thread.start()
    assert ingest.receiver.subscribed.wait(20)
    yield ingest
    ingest.stop()
    thread.join(20)


@pytest.fixture
async def device(device_url) -> AsyncIterator[aiomqtt.Client]:
    broker = read_broker(SecretStr(device_url(DEVICE)))
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        yield client


def tracks(boot, seq: int) -> bytes:
    """Batch of many road users: some 60 KiB on a live stream."""
    columns = {name: np.zeros(USERS, kind) for name, kind in SCHEMAS["tracks/1"].dtypes.items()}
    columns["t"] += time_ns() // 1000
    columns["track"] += np.arange(USERS, dtype=np.uint32)
    columns["x"] += np.random.default_rng(seq).normal(0, 50, USERS).astype(np.float32)
    return encode(
        Batch(
            schema="tracks/1",
            device=DEVICE,
            boot=boot,
            seq=seq,
            sent_at=time_ns() // 1000,
            columns=columns,
        )
    )


def stalled(api) -> socket.socket:
    """Open a live stream that nobody reads."""
    address = urlsplit(api.url)
    request = f"GET /v1/live?site=town/junction HTTP/1.1\r\nHost: x\r\nX-API-Key: {api.key}\r\n\r\n"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((address.hostname, address.port))
    client.sendall(request.encode())
    return client


@pytest.mark.usefixtures("ingest")
async def test_streams_that_nobody_reads_hold_up_nothing(api, device, database, until) -> None:
    hub, boot = api.app.state.hub, uuid4()
    with ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(stalled(api))
        await until(lambda: hub.watching == 3)
        for seq in range(BATCHES):
            await device.publish(topic(DEVICE, "up", "tracks"), tracks(boot, seq), qos=1)
        await until(lambda: database.execute(STORED).fetchone() == (BATCHES,))
        await until(lambda: hub.taken >= BATCHES // 2)
        assert hub.watching == 3  # they are still there, and still read nothing
        assert hub.lost > 0
        async with api.client() as client:
            assert (await client.get("/v1/health")).json()["live"]["lost_frames"] >= hub.lost // 2


async def test_streams_that_nobody_reads_cost_a_bounded_memory(api, until) -> None:
    hub = api.app.state.hub
    size, clients, queue = 256 << 10, 3, 8  # of the fixture's settings
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(stalled(api))
        await until(lambda: hub.watching == clients)
        tracemalloc.start()
        try:
            for number in range(400):  # 100 MiB, each frame of its own
                body = {"n": number, "x": bytes(size).hex()[:size]}
                hub.publish(Frame("tracks", DEVICE, number, "tracks", body))
                await asyncio.sleep(0)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert hub.lost >= clients * 350
    # What waits, what is being sent (as text, as bytes, in the transport), and the latest.
    assert held < clients * (queue + 8) * size


@pytest.mark.usefixtures("ingest")
async def test_a_console_that_stands_still_holds_up_nothing(
    settings, device, database, until, tmp_path
) -> None:
    secrets = {
        "TEPNA_DATABASE_URL": settings.database_url.get_secret_value(),
        "TEPNA_MQTT_URL": settings.mqtt_url.get_secret_value(),
    }
    boot, log = uuid4(), tmp_path / "log"
    with log.open("wb") as output:
        console = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tepna", "api", "run", "--port", "0"),
            env=os.environ | secrets,
            stdout=output,
            stderr=output,
        )
    try:
        listening = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tepna api'"
        here = f"{listening} AND datname = current_database()"
        await until(lambda: database.execute(here).fetchone() != (0,) or console.returncode)
        assert console.returncode is None, log.read_text()
        console.send_signal(signal.SIGSTOP)
        for seq in range(BATCHES):
            await device.publish(topic(DEVICE, "up", "tracks"), tracks(boot, seq), qos=1)
        await until(lambda: database.execute(STORED).fetchone() == (BATCHES,))
    finally:
        console.send_signal(signal.SIGCONT)
        console.terminate()
        await console.wait()
