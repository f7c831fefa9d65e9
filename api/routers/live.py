"""The live stream."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.dependencies import NAME, WAIT_S
from api.errors import UnknownSiteError
from storage.overview import list_site_devices, read_site

router = APIRouter(prefix="/v1", tags=["live"])

SITE = NAME.removesuffix("$") + "/" + NAME.removeprefix("^")
EXAMPLE: Final = """event: tracks
data: {"device":"usti-belehradska/cam-1","at_ms":1777878000400,"simulated":true,"users":[\
{"track":7,"class":"car","length_m":4.5,"width_m":1.8,"t_ms":[1777878000400],"x_m":[3.2],\
"y_m":[-18.5],"heading_deg":[90.0],"speed_km_h":[31.4]}]}

event: crossing
data: {"device":"usti-belehradska/cam-1","at_ms":1777878000410,"line":"south-in","direction":"in",\
"class":"car","track":7,"speed_km_h":31.4,"simulated":true}

event: signal
data: {"device":"usti-belehradska/ssz","at_ms":1777878000500,"phase":2,"pedestrian":false,\
"shows":"green"}

event: state
data: {"device":"usti-belehradska/cam-1","online":true,"since_ms":1777870000000}
"""


@router.get(
    "/live",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Endless; `reset` comes first and after frames were lost: "
            "forget everything, what follows is the present.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
        }
    },
)
async def get_live(
    request: Request,
    site: Annotated[
        str,
        Query(
            pattern=SITE,
            description="`{pilot}/{site}`",
            examples=["usti-belehradska/belehradska"],
        ),
    ],
) -> EventSourceResponse:
    """Road users, crossings, signal heads and states of a site as server-sent events."""
    pilot, _, name = site.partition("/")
    # The connection goes back at once: the stream lasts for hours.
    async with request.app.state.pool.connection(timeout=WAIT_S) as connection:
        row = await read_site(connection, pilot, name)
        if row is None:
            raise UnknownSiteError(site)
        devices = frozenset(await list_site_devices(connection, row.site))
    hub = request.app.state.hub
    hub.check_places()

    async def events() -> AsyncIterator[ServerSentEvent]:
        with hub.watch(devices) as watcher:
            async for frame in hub.stream(watcher):
                if frame is None:
                    now_ms = request.app.state.clock() // 1000
                    yield ServerSentEvent(event="reset", data=f'{{"now_ms":{now_ms}}}')
                else:
                    yield ServerSentEvent(event=frame.kind, data=frame.data)

    return EventSourceResponse(events(), ping=15, headers={"Cache-Control": "no-store"})
