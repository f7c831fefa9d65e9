"""What routes are given: connection, time, site."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from api.errors import UnknownSiteError
from contracts.clock import from_micros
from storage.overview import SiteRow, read_site
from storage.pool import AsyncConnection

WAIT_S = 5.0
"""How long a request waits for a connection. [s]"""

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"

Pilot = Annotated[str, Path(pattern=NAME, examples=["usti-belehradska"])]
Name = Annotated[str, Path(pattern=NAME)]
Simulated = Annotated[
    bool, Query(description="simulated data instead of measured data; the two never mix")
]


async def connection(request: Request) -> AsyncIterator[AsyncConnection]:
    """Lend a connection for the time of the request."""
    async with request.app.state.pool.connection(timeout=WAIT_S) as lent:
        yield lent


Connection = Annotated[AsyncConnection, Depends(connection, scope="function")]


def now(request: Request) -> datetime:
    """Present by the clock of the application."""
    return from_micros(request.app.state.clock())


Now = Annotated[datetime, Depends(now)]


async def site(
    connection: Connection,
    site: Annotated[
        str,
        Query(
            pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$",
            description="`{pilot}/{site}`",
            examples=["usti-belehradska/belehradska"],
        ),
    ],
) -> SiteRow:
    """Site that the request names."""
    pilot, _, name = site.partition("/")
    found = await read_site(connection, pilot, name)
    if found is None:
        raise UnknownSiteError(site)
    return found


Site = Annotated[SiteRow, Depends(site, scope="function")]
