"""What the API reads: merged by summing, paged by the last row seen."""

from typing import Any

import pytest

from analytics.derived import derive
from analytics.jobs.worker import Worker
from storage.metrics import list_incidents, list_metrics, read_incident


async def settle(worker: Worker) -> None:
    while await worker.sweep():
        pass


async def test_an_hour_is_the_sum_of_its_minutes(
    street: Any, worker: Worker, reader: Any, clock: Any
) -> None:
    clock.second = 100
    street.camera_works(0, 100)
    speeds = [8.0, 11.0, 13.9, 25.0, 9.5]
    for k, speed in enumerate(speeds):
        street.passes(20 * k, speed=speed, track=k)
    await settle(worker)
    where: dict[str, Any] = {
        "site": street.site, "simulated": False, "start": street.at(0), "end": street.at(3600),
        "metrics": ["speed"], "parts": ["out"], "directions": [1], "road_users": [-1],
    }  # fmt: skip
    [hour] = await list_metrics(reader, level="hour", **where)
    minutes = await list_metrics(reader, level="minute", **where)
    assert (hour.n, hour.windows, hour.provisional) == (5, 2, True)
    assert hour.total == pytest.approx(sum(speeds))
    assert hour.peak == 25.0
    assert (hour.observed, hour.wanted) == (100, 120)
    assert hour.histogram is not None
    assert [k for k, n in enumerate(hour.histogram) if n] == sorted(int(v * 3.6) for v in speeds)
    assert [m.n for m in minutes] == [3, 2]
    assert derive(hour, speed_limit=50 / 3.6)["speed_mean_km_h"] == pytest.approx(
        3.6 * sum(speeds) / 5
    )


@pytest.mark.parametrize("level", ["minute", "hour"])
async def test_pages_are_the_whole(street: Any, worker: Worker, reader: Any, level: Any) -> None:
    street.camera_works(0, 180)
    street.passes(1, cls=7)
    street.passes(70, cls=2, track=2)
    await settle(worker)
    where: dict[str, Any] = {
        "site": street.site, "simulated": False, "start": street.at(0), "end": street.at(3600),
        "level": level,
    }  # fmt: skip
    whole = await list_metrics(reader, **where)
    pages, after = [], None
    while page := await list_metrics(reader, **where, after=after, limit=7):
        pages += page
        after = page[-1][:5]
    assert pages == whole
    assert len(whole) > 14


async def test_simulated_is_asked_for(street: Any, worker: Worker, reader: Any) -> None:
    street.camera_works()
    await settle(worker)
    where = {"site": street.site, "start": street.at(0), "end": street.at(60)}
    assert await list_metrics(reader, simulated=False, **where)
    assert not await list_metrics(reader, simulated=True, **where)


async def test_incidents_newest_first_page_by_page(
    street: Any, worker: Worker, reader: Any
) -> None:
    street.camera_works(0, 120)
    street.signal(0)
    street.clocks_agree()
    for k in range(5):
        street.passes(30 + k, line="stop", track=k)
    await settle(worker)
    where: dict[str, Any] = {
        "site": street.site, "simulated": False, "start": street.at(0), "end": street.at(3600),
    }  # fmt: skip
    found, after = [], None
    while page := await list_incidents(reader, **where, after=after, limit=2):
        found += page
        after = (page[-1].captured, page[-1].incident)
    assert [i.evidence["since_red_s"] for i in found] == [11.0, 10.0, 9.0, 8.0, 7.0]
    assert {i.device for i in found} == {"test/cam"}
    assert await read_incident(reader, found[0].incident) == found[0]
    assert not await list_incidents(reader, **where, kinds=["conflict"])
