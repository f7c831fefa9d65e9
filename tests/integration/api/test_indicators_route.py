"""Indicators: definitions, latest values, evidence; zero is a value, insufficient is none."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from analytics.indicators import definitions

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HERE = {"site": "town/junction"}
NAME = next(iter(definitions.load()))


def add_value(
    database: psycopg.Connection,
    site: int,
    state: str,
    value: float | None,
    *,
    later: int = 0,
    supersedes: UUID | None = None,
) -> UUID:
    number = uuid4()
    database.execute(
        "INSERT INTO indicator_value VALUES (%s, %s, 1, 'code', %s, false, tstzrange(%s, %s), %s,"
        " %s, %s, %s, %s, 40, 0.9, %s, %s, %s)",
        [
            number,
            NAME,
            site,
            NOON,
            NOON + timedelta(hours=1),
            NOON + timedelta(hours=2, minutes=later),
            state,
            value,
            value,
            value,
            b"\x01" * 32,
            Jsonb({"recipe": NAME, "windows": []}),
            supersedes,
        ],
    )
    return number


async def get(api, path, **params):
    async with api.client() as client:
        answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("site")
async def test_every_definition_is_there_and_unevaluated_is_null(api):
    found = await get(api, "/v1/indicators", **HERE)
    assert {each["id"] for each in found} == definitions.load().keys()
    assert all(each["latest"] is None for each in found)
    assert all(each["name_cs"] and each["name_en"] and each["unit"] for each in found)


async def test_zero_is_a_value_and_insufficient_has_none(api, database, site):
    zero = add_value(database, site, "final", 0.0)
    none = add_value(database, site, "insufficient", None, later=1, supersedes=zero)
    found = await get(api, f"/v1/indicator-values/{zero}")
    assert (found["state"], found["value"], found["low"]) == ("final", 0.0, 0.0)
    found = await get(api, f"/v1/indicator-values/{none}")
    assert (found["state"], found["value"], found["low"]) == ("insufficient", None, None)
    assert found["supersedes"] == str(zero)
    latest = {each["id"]: each["latest"] for each in await get(api, "/v1/indicators", **HERE)}
    assert latest[NAME]["id"] == str(none)


async def test_a_value_leads_to_its_evidence(api, database, site):
    number = add_value(database, site, "final", 0.5)
    value = await get(api, f"/v1/indicator-values/{number}")
    evidence = await get(api, value["evidence"])
    assert evidence["recipe"] == NAME
    assert value["digest"] == "01" * 32


async def test_values_are_walked_newest_first(api, database, site):
    added = [add_value(database, site, "final", 0.1, later=n // 2) for n in range(7)]
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await get(api, "/v1/indicator-values", **HERE, limit=2, **more)
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(each["id"] for each in seen) == sorted(map(str, added))
    moments = [each["recorded_at"] for each in seen]
    assert moments == sorted(moments, reverse=True)
