"""Indicators: definitions, values, and the way back to the telemetry."""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from analytics.indicators.definitions import Definition
from api.dependencies import Connection, Simulated, Site
from api.errors import UnknownValueError
from api.paging import Cursor, Limit, Page, page, read_cursor
from storage.indicators import (
    IndicatorValue,
    latest_values,
    list_values,
    read_evidence,
    read_value,
)

router = APIRouter(prefix="/v1", tags=["indicators"])

State = Literal["final", "provisional", "insufficient", "missing"]


class _Key(NamedTuple):
    recorded_at: datetime
    value_id: UUID


class ValueModel(BaseModel):
    """One value; it never changes, a later one supersedes it."""

    id: UUID
    definition: str
    version: int
    code: str = Field(description="digest of definition and evaluating code")
    start: AwareDatetime
    end: AwareDatetime
    recorded_at: AwareDatetime
    simulated: bool
    state: State
    value: float | None = Field(description="null unless final or provisional; zero is a value")
    low: float | None
    high: float | None
    n: float
    coverage: float
    digest: str = Field(description="SHA-256 of the evidence in canonical form")
    supersedes: UUID | None
    evidence: str = Field(examples=["/v1/indicator-values/{id}/evidence"])


class IndicatorModel(BaseModel):
    """One definition, and its latest value at a site."""

    id: str
    version: int
    name_cs: str
    name_en: str
    unit: str
    direction: str
    latest: ValueModel | None


@router.get("/indicators")
async def get_indicators(
    request: Request, connection: Connection, site: Site, simulated: Simulated = False
) -> list[IndicatorModel]:
    """Every definition with its latest value at a site; null: never evaluated."""
    rows = await latest_values(connection, site=site.site, simulated=simulated)
    latest = {row.definition: model(row) for row in rows}
    definitions: dict[str, Definition] = request.app.state.definitions
    return [
        IndicatorModel(
            id=each.id,
            version=each.version,
            name_cs=each.name.cs,
            name_en=each.name.en,
            unit=each.unit,
            direction=each.direction,
            latest=latest.get(each.id),
        )
        for each in definitions.values()
    ]


@router.get("/indicator-values")
async def get_values(
    connection: Connection,
    site: Site,
    definition: Annotated[str | None, Query()] = None,
    simulated: Simulated = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ValueModel]:
    """Values at a site, newest recorded first."""
    rows = await list_values(
        connection,
        site=site.site,
        simulated=simulated,
        definition=definition,
        after=read_cursor(cursor, _Key),
        limit=limit + 1,
    )
    return page(rows, limit, model, lambda row: (row.recorded_at, row.value_id))


@router.get("/indicator-values/{value}")
async def get_value(connection: Connection, value: UUID) -> ValueModel:
    """One value."""
    row = await read_value(connection, value)
    if row is None:
        raise UnknownValueError(str(value))
    return model(row)


@router.get("/indicator-values/{value}/evidence")
async def get_evidence(connection: Connection, value: UUID) -> dict[str, Any]:
    """Recipe, windows with revisions and digests, and exclusions: enough to compute it again."""
    evidence = await read_evidence(connection, value)
    if evidence is None:
        raise UnknownValueError(str(value))
    return evidence


def model(row: IndicatorValue) -> ValueModel:
    """Present a value."""
    return ValueModel(
        id=row.value_id,
        definition=row.definition,
        version=row.version,
        code=row.code,
        start=row.start,
        end=row.end,
        recorded_at=row.recorded_at,
        simulated=row.simulated,
        state=row.state,
        value=row.value,
        low=row.low,
        high=row.high,
        n=row.n,
        coverage=row.coverage,
        digest=row.digest.hex(),
        supersedes=row.supersedes,
        evidence=f"/v1/indicator-values/{row.value_id}/evidence",
    )
