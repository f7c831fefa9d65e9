"""The application: one process that answers /v1 and shows the console."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from analytics.indicators import definitions
from api import errors, openapi
from api.auth import KeyGate
from api.console.overview import Overviews
from api.feed import Feed
from api.live import Hub
from api.meters import Metering, Meters
from api.pictures import Looks, Pictures
from api.routers import (
    commands,
    dead_letters,
    devices,
    health,
    incidents,
    indicators,
    live,
    metric_types,
    metrics,
    prometheus,
    sites,
    unknown,
    views,
)
from api.settings import ApiSettings
from contracts.clock import Clock, utc_now
from contracts.version import __version__
from storage.keys import KeyRing, find_key
from storage.pool import open_pool


def create_app(settings: ApiSettings, *, clock: Clock = utc_now) -> FastAPI:
    """Make API and console. One to a process: NiceGUI, which draws the console, is global."""
    from api.console.mount import mount_console  # noqa: PLC0415  # NiceGUI acts when imported

    app = create_api(settings, clock=clock)
    mount_console(app)
    return app


def create_api(settings: ApiSettings, *, clock: Clock = utc_now) -> FastAPI:
    """/v1 without the console."""
    hub = Hub(clients=settings.live_clients, queue=settings.live_queue)
    feed = Feed(settings, hub)
    meters = Meters(hub, feed)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = open_pool(settings, name="tepna api")
        app.state.pool = pool
        app.state.keys = KeyRing(pool, find_key)
        app.state.pictures, app.state.looks = Pictures(settings), Looks()
        app.state.overviews = Overviews(app.state)
        await pool.open(wait=False)  # health says so when the database is away
        reading = asyncio.create_task(feed.run(), name="live feed")
        try:
            yield
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            await app.state.pictures.close()
            await pool.close()

    app = FastAPI(
        title="Tepna",
        version=__version__,
        summary="From the street to the indicator, with evidence.",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # those pages fetch their scripts from elsewhere
        redoc_url=None,
    )
    app.state.hub, app.state.feed, app.state.meters = hub, feed, meters
    app.state.clock, app.state.settings = clock, settings
    app.state.definitions = definitions.load()
    readings = (sites, devices, metric_types, metrics, incidents, indicators, live, views, commands)
    for part in (*readings, dead_letters, health):
        app.include_router(part.router, responses=errors.RESPONSES)
    app.include_router(unknown.router)
    app.include_router(prometheus.router, responses=errors.RESPONSES)
    errors.install(app)
    openapi.install(app)
    app.add_middleware(KeyGate)
    app.add_middleware(Metering, meters=meters)
    return app
