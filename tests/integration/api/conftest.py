"""A running API on the real database and the real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_api
from api.settings import ApiSettings
from contracts.site import Approach, Camera, CountLine, LineRole, Name, Site
from storage.pool import StorageSettings, connect
from storage.registry import create_api_key, register_site

DEADLINE = 20.0  # [s] for what should take milliseconds


class Running(NamedTuple):
    """The API, its address and a key."""

    app: FastAPI
    url: str
    key: str

    def client(self, *, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=DEADLINE)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Give a wait with a deadline."""
    return wait_until


@pytest.fixture
def served() -> "type[serve]":
    """Give a way to serve an application."""
    return serve


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """Connection that commits each statement."""
    with connect(StorageSettings(database_url=database_url)) as connection:
        yield connection


@pytest.fixture
def plan() -> Site:
    """Junction with one camera, one approach and three lines."""

    def named(text: str) -> Name:
        return Name(cs=f"{text} (cs)", en=text)

    def line(name: str, role: LineRole) -> CountLine:
        return CountLine(id=name, name=named(name), device="cam", role=role, a=(0, 0), b=(5, 0))

    return Site(
        id="junction",
        pilot="town",
        name=named("Junction"),
        latitude=50.0,
        longitude=14.0,
        speed_limit_km_h=50.0,
        approaches=[
            Approach(
                id="south",
                name=named("South"),
                area=[(0, 0), (5, 0), (5, -30)],
                stop_line=((0, 0), (5, 0)),
            )
        ],
        lines=[
            line("stop", LineRole.STOP),
            line("exit", LineRole.EXIT),
            line("walk", LineRole.CROSSING),
        ],
        cameras=[
            Camera(
                device="cam",
                name=named("Camera"),
                position=(10, -10, 6),
                target=(0, 0, 0),
                fov_deg=60,
                width=640,
                height=360,
                fps=10,
            )
        ],
        signal_device="controller",
    )


@pytest.fixture
def site(database: psycopg.Connection, plan: Site) -> int:
    """Register the junction; its number."""
    return register_site(database, plan)


@pytest.fixture
def settings(database_url: str, mqtt_url: str) -> ApiSettings:
    """Settings of the API under test."""
    return ApiSettings(
        database_url=database_url,
        mqtt_url=mqtt_url,
        picture_token="secret of the agents",  # noqa: S106
        live_queue=8,
        live_clients=3,
    )


@pytest.fixture
async def api(settings: ApiSettings, database: psycopg.Connection) -> AsyncIterator[Running]:
    """API that answers on a port of its own and is connected to the broker."""
    key = create_api_key(database, "tests")
    app = create_api(settings)
    async with serve(app) as url:
        await wait_until(app.state.feed.connected.is_set)
        yield Running(app, url, key)


class serve:  # noqa: N801  # reads like a function
    """Serve an application within this event loop."""

    def __init__(self, app: FastAPI) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_level="warning", access_log=False)
        )

    async def __aenter__(self) -> str:
        self._task = asyncio.create_task(self._server.serve())
        await wait_until(lambda: self._server.started or self._task.done())
        if self._task.done():
            self._task.result()
        host, port = self._server.servers[0].sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task


async def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail after the deadline."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  # conditions of others have no event
            await asyncio.sleep(0.01)
