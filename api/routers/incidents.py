"""Incidents: conflicts, red-light running, cameras that went blind."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.dependencies import Connection, Simulated, Site
from api.errors import BadPeriodError, UnknownIncidentError
from api.paging import Cursor, Limit, Page, page, read_cursor
from api.routers.metrics import From, To
from storage.metrics import Incident, list_incidents, read_incident

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])

SEVERITY: dict[int, Literal["notice", "serious", "severe"]] = {
    1: "notice",
    2: "serious",
    3: "severe",
}


class _Key(NamedTuple):
    captured: datetime
    incident: UUID


class IncidentModel(BaseModel):
    """One incident."""

    id: UUID
    kind: str = Field(examples=["conflict"])
    severity: Literal["notice", "serious", "severe"]
    at: AwareDatetime = Field(description="captured")
    device: str | None
    simulated: bool
    x_m: float | None = Field(description="east of the site's origin")
    y_m: float | None = Field(description="north of it")
    evidence: dict[str, Any] = Field(description="tracks, values, thresholds")


@router.get("")
async def get_incidents(
    connection: Connection,
    site: Site,
    start: From,
    to: To,
    kind: Annotated[list[str] | None, Query()] = None,
    simulated: Simulated = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[IncidentModel]:
    """Incidents of a site in [from, to), newest first."""
    if to <= start:
        raise BadPeriodError(f"`to` ({to.isoformat()}) is not after `from` ({start.isoformat()})")
    rows = await list_incidents(
        connection,
        site=site.site,
        simulated=simulated,
        start=start.astimezone(UTC),
        end=to.astimezone(UTC),
        kinds=kind,
        after=read_cursor(cursor, _Key),
        limit=limit + 1,
    )
    return page(rows, limit, _model, lambda row: (row.captured, row.incident))


@router.get("/{incident}")
async def get_incident(connection: Connection, incident: UUID) -> IncidentModel:
    """One incident."""
    row = await read_incident(connection, incident)
    if row is None:
        raise UnknownIncidentError(str(incident))
    return _model(row)


def _model(row: Incident) -> IncidentModel:
    return IncidentModel(
        id=row.incident,
        kind=row.kind,
        severity=SEVERITY[row.severity],
        at=row.captured,
        device=row.device,
        simulated=row.simulated,
        x_m=row.x,
        y_m=row.y,
        evidence=row.evidence,
    )
