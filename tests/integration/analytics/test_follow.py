"""Values that keep up with the windows."""

from typing import Any

from analytics.indicators.follow import Follower
from analytics.jobs.worker import Worker
from storage.indicators import latest_values, list_values


async def settle(worker: Worker) -> None:
    while await worker.sweep():
        pass


async def test_the_hour_is_evaluated_as_it_goes_and_once_it_is_over(
    street: Any, pool: Any, settings: Any, clock: Any, reader: Any
) -> None:
    worker = Worker(pool, settings, clock, closed=Follower(clock))
    where: dict[str, Any] = {"site": street.site, "simulated": False}
    recorded = []
    for minute in range(6):
        clock.second = 60 * minute + 75
        street.camera_works(60 * minute, 60 * minute + 60)
        street.drives(2 * minute, (60 * minute + 30, 60 * minute + 34), (-40, 0), (10, 0))
        street.drives(2 * minute + 1, (60 * minute + 30, 60 * minute + 34), (-40, 3), (10, 0))
        await settle(worker)
        values = await list_values(reader, **where, definition="severe-conflicts")
        recorded.append(len(values))
    assert recorded == [1, 1, 1, 1, 2, 2]  # the first minute, and each fifth
    latest = {v.definition: v for v in await latest_values(reader, **where)}
    running = latest["severe-conflicts"]
    assert running.state == "provisional"
    clock.second = 4000
    street.passes(100)
    await settle(worker)
    latest = {v.definition: v for v in await latest_values(reader, **where)}
    over = latest["severe-conflicts"]
    assert (over.state, over.n, over.coverage) == ("insufficient", 6, 0.1)
    assert over.supersedes == running.value_id
