"""Metrics: zero, insufficient, missing and never computed are four answers."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CAR, BICYCLE = 5, 2


def add_window(database: psycopg.Connection, site: int, minute: datetime, *rows: tuple) -> None:
    """Write one closed minute; a row is (metric, part, class, n, observed)."""
    database.execute(
        "INSERT INTO metric_window (site, minute, simulated, revision, digest, code, computed_at,"
        " inputs) VALUES (%s, %s, false, 1, '', 'test', now(), '{}')",
        [site, minute],
    )
    for metric, part, road_user, n, observed in rows:
        database.execute(
            "INSERT INTO metric_minute (minute, site, simulated, revision, metric, part, direction,"
            " class, n, total, squares, inverse, observed, wanted)"
            " VALUES (%s, %s, false, 1, %s, %s, 1, %s, %s, 0, 0, 0, %s, 60)",
            [minute, site, metric, part, road_user, n, observed],
        )


@pytest.fixture
def minutes(database, site):
    """Twelve o'clock: five cars; then none; then a blind camera; then a busy one; then silence."""
    for offset, n, observed in ((0, 5, 60.0), (1, 0, 60.0), (2, 0, 0.0), (3, 2, 12.0)):
        minute = NOON + timedelta(minutes=offset)
        add_window(database, site, minute, ("flow", "stop", CAR, n, observed))
    add_window(database, site, NOON + timedelta(minutes=6), ("flow", "stop", CAR, 1, 60.0))


async def ask(api, **params):
    async with api.client() as client:
        query = {
            "site": "town/junction",
            "from": "2026-05-04T12:00:00Z",
            "to": "2026-05-04T12:07:00Z",
        }
        answer = await client.get("/v1/metrics", params=query | params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("minutes")
async def test_zero_insufficient_and_missing_differ(api):
    items = (await ask(api))["items"]
    assert [each["state"] for each in items] == ["ok", "ok", "missing", "insufficient", "ok"]
    assert [each["values"].get("flow_veh_h") for each in items] == [300.0, 0.0, None, None, 60.0]
    assert [each["n"] for each in items] == [5, 0, 0, 2, 1]
    assert [each["coverage"] for each in items] == [1.0, 1.0, 0.0, 0.2, 1.0]


@pytest.mark.usefixtures("minutes")
async def test_minutes_never_computed_are_gaps(api):
    assert (await ask(api))["gaps"] == [
        {"start": "2026-05-04T12:04:00Z", "end": "2026-05-04T12:06:00Z"}
    ]


@pytest.mark.usefixtures("minutes")
async def test_gaps_are_told_once_over_all_pages(api):
    gaps, cursor = [], None
    for _ in range(5):
        answer = await ask(api, limit=1, **({"cursor": cursor} if cursor else {}))
        gaps += answer["gaps"]
        cursor = answer["next"]
    assert cursor is None
    assert gaps == [{"start": "2026-05-04T12:04:00Z", "end": "2026-05-04T12:06:00Z"}]


@pytest.mark.usefixtures("site")
async def test_the_future_is_no_gap(api):
    now = datetime.now(UTC)
    answer = await ask(
        api, **{"from": now.isoformat(), "to": (now + timedelta(days=1)).isoformat()}
    )
    total = sum(
        (datetime.fromisoformat(g["end"]) - datetime.fromisoformat(g["start"])).total_seconds()
        for g in answer["gaps"]
    )
    assert total <= 120


@pytest.mark.usefixtures("minutes")
async def test_a_count_has_its_interval(api):
    first = (await ask(api))["items"][0]
    interval = first["intervals"]["flow_veh_h"]
    # Garwood's exact limits of 5 events: 1.623 and 11.668.
    assert interval["low"] == pytest.approx(1.623 * 60, rel=1e-3)
    assert interval["high"] == pytest.approx(11.668 * 60, rel=1e-3)


@pytest.mark.usefixtures("minutes")
async def test_an_hour_is_a_merge(api):
    items = (await ask(api, level="hour", to="2026-05-04T13:00:00Z"))["items"]
    assert [each["n"] for each in items] == [8]
    assert items[0]["minutes"] == 5
    assert items[0]["coverage"] == pytest.approx((60 + 60 + 0 + 12 + 60) / 300)
    assert items[0]["state"] == "insufficient"


@pytest.mark.usefixtures("minutes")
async def test_filters(api, database, site):
    add_window(
        database,
        site,
        NOON - timedelta(minutes=1),
        ("flow", "stop", BICYCLE, 1, 60.0),
        ("flow", "exit", CAR, 2, 60.0),
        ("speed", "exit", CAR, 0, 60.0),
    )
    early = {"from": "2026-05-04T11:59:00Z", "to": "2026-05-04T12:00:00Z"}
    assert len((await ask(api, **early))["items"]) == 3
    assert [i["class"] for i in (await ask(api, **early, part="stop"))["items"]] == ["bicycle"]
    assert [
        i["part"] for i in (await ask(api, **early, metric="flow", **{"class": "car"}))["items"]
    ] == ["exit"]


@pytest.mark.usefixtures("minutes")
async def test_measured_is_not_simulated(api):
    answer = await ask(api, simulated=True)
    assert answer["items"] == []
    assert answer["gaps"] == [{"start": "2026-05-04T12:00:00Z", "end": "2026-05-04T12:07:00Z"}]
