"""Sites and their plans."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, Field

from api.dependencies import NAME, Connection, Pilot
from api.errors import UnknownSiteError
from api.paging import Cursor, Limit, Page, page, read_cursor
from contracts.site import Site as Plan
from storage.overview import SiteRow, list_sites, read_site

router = APIRouter(prefix="/v1/sites", tags=["sites"])


class _Key(NamedTuple):
    pilot: str
    name: str


class SiteSummary(BaseModel):
    """One site."""

    site: str = Field(examples=["usti-belehradska/belehradska"])
    name_cs: str
    name_en: str
    latitude: float
    longitude: float
    speed_limit_km_h: float
    devices: list[str]
    updated_at: AwareDatetime


class SiteDetail(SiteSummary):
    """One site and what stands where on it, in metres east and north of its origin."""

    plan: Plan


@router.get("")
async def get_sites(
    connection: Connection, cursor: Cursor = None, limit: Limit = 100
) -> Page[SiteSummary]:
    """Sites by pilot and name."""
    after = read_cursor(cursor, _Key)
    rows = await list_sites(connection, after=after, limit=limit + 1)
    return page(rows, limit, lambda row: SiteSummary(**_fields(row)), lambda r: (r.pilot, r.name))


@router.get("/{pilot}/{site}")
async def get_site(
    connection: Connection,
    pilot: Pilot,
    site: Annotated[str, Path(pattern=NAME, examples=["belehradska"])],
) -> SiteDetail:
    """One site with its plan."""
    row = await read_site(connection, pilot, site)
    if row is None:
        raise UnknownSiteError(f"{pilot}/{site}")
    return SiteDetail(**_fields(row), plan=Plan.model_validate(row.plan))


def _fields(row: SiteRow) -> dict[str, Any]:
    plan = Plan.model_validate(row.plan)
    return {
        "site": f"{row.pilot}/{row.name}",
        "name_cs": plan.name.cs,
        "name_en": plan.name.en,
        "latitude": plan.latitude,
        "longitude": plan.longitude,
        "speed_limit_km_h": plan.speed_limit_km_h,
        "devices": [f"{row.pilot}/{device}" for device in plan.devices],
        "updated_at": row.updated_at,
    }
