"""`POST /v1/uplinks/{pilot}/{device}/{stream}`: answered when it is durable, and not before."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from time import monotonic
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.clock import Clock
from contracts.messages import Durable
from ingest.door import reading
from ingest.door.desk import Desk
from ingest.door.enrolment import enrolment_routes
from ingest.door.meters import Metering, Meters
from ingest.door.problems import HANDLERS, DeadLetterError
from ingest.door.settings import DoorSettings
from ingest.health import Heartbeat
from ingest.store import Stored
from storage.keys import KeyRing, find_device_key
from storage.pool import open_pool

WAIT_S: Final = 3.0
"""How long a look at the database may take before a request is answered that it is away. [s]"""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a message; omitted is what is 0 or none."""

    rows: int  # stored by this request
    repeated: bool = False  # it was settled before
    held: int = 0  # rows whose time is not believed until somebody confirms it
    dead_letters: Mapping[str, int] = {}  # by reason
    durable: Durable | None = None  # what a device with a numbered outbox may let go


def create_door(settings: DoorSettings, clock: Clock) -> Starlette:
    """Make the door."""
    desk = Desk(settings, clock)
    meters = Meters(desk)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_pool(settings, name="tepna-door") as pool:
            app.state.keys = KeyRing(pool, find_device_key)
            app.state.pool = pool
            heartbeat = Heartbeat(settings, settings.door_name, desk.tell)
            heartbeat.start()
            yield
            await asyncio.to_thread(heartbeat.stop)
        await asyncio.to_thread(desk.close)

    async def post_uplink(request: Request) -> Response:
        identity = await reading.authenticate(request, request.app.state.keys)
        kind = reading.kind(request, identity)
        with desk.place(identity):
            body = await reading.read(request, settings.door_body_s)
            delivery = await asyncio.to_thread(reading.delivery, kind, body, clock())
            begun = monotonic()
            stored = await desk.settle(delivery)
        meters.count(stored.tally, monotonic() - begun)
        return _answer(stored)

    async def get_health(request: Request) -> Response:
        async with request.app.state.pool.connection(timeout=WAIT_S):
            return _json({"state": "ok"})

    app = Starlette(
        routes=[
            Route("/v1/uplinks/{pilot}/{device}/{stream}", post_uplink, methods=["POST"]),
            Route("/v1/health", get_health, methods=["GET"]),
            *enrolment_routes(settings.office, desk, clock, settings.door_body_s),
        ],
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        middleware=[Middleware(Metering, meters=meters)],
    )
    app.state.desk, app.state.meters = desk, meters
    return app


def _answer(stored: Stored) -> Response:
    """Say what became of one message.

    Raises
    ------
    DeadLetterError
        If nothing of it was stored, neither now nor before.
    """
    tally = stored.tally
    durable = [Durable(boot, ranges) for (_, boot), ranges in stored.durable.items()]
    receipt = Receipt(
        rows=tally.rows,
        repeated=tally.duplicates > 0,
        held=tally.unconfirmed,
        dead_letters=dict(tally.letters),
        durable=durable[0] if durable else None,
    )
    if tally.letters and not (receipt.rows or receipt.repeated or receipt.held):
        kept = "The quota of the device is used up: it is not kept." if tally.over_quota else ""
        more = msgspec.to_builtins(receipt)
        raise DeadLetterError(f"{', '.join(tally.letters)}. {kept}".strip(), **more)
    return _json(receipt)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), HTTPStatus.OK, media_type="application/json")
