"""Metric types: what devices send, in which unit, and what of it is plausible."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.dependencies import Connection
from api.paging import Cursor, Limit, Page, page, read_cursor
from contracts.metrics import explain
from storage.catalogue import MetricType, list_metric_types

router = APIRouter(prefix="/v1/metric-types", tags=["devices"])


class _Key(NamedTuple):
    metric: str


class MetricTypeModel(BaseModel):
    """One scalar quantity that devices send."""

    metric: str = Field(examples=["air.temperature"])
    unit: str | None = Field(description="UCUM; null: nobody has said", examples=["Cel"])
    title_cs: str | None = Field(description="null: the platform itself does not know it")
    title_en: str | None
    low: float | None = Field(description="values below are kept and flagged; null: no bound")
    high: float | None = Field(description="values above are kept and flagged; null: no bound")
    pending: bool = Field(description="its values are kept, but nobody has explained it yet")
    first_seen: AwareDatetime


@router.get("")
async def get_metric_types(
    connection: Connection,
    pending: Annotated[
        bool | None, Query(description="only those, only others; all if not given")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[MetricTypeModel]:
    """Every metric that was ever sent or registered, by name."""
    after = read_cursor(cursor, _Key)
    rows = await list_metric_types(
        connection,
        pending=pending,
        after="" if after is None else after.metric,
        limit=limit + 1,
    )
    return page(rows, limit, _model, lambda row: (row.metric,))


def _model(row: MetricType) -> MetricTypeModel:
    known = explain(row.metric)
    return MetricTypeModel(
        **row._asdict(), title_cs=known and known.cs, title_en=known and known.en
    )
