"""Dirty windows against the real database."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from analytics.jobs.worker import Worker
from contracts.metrics import Quality
from storage.windows import Pace, candidates


async def settle(worker: Worker) -> None:
    while await worker.sweep():
        pass


async def test_zero_and_missing_differ(street: Any, worker: Worker) -> None:
    street.camera_works(0, 60)
    street.passes(61)  # minute 1: a passage, but no camera that says it worked
    street.mark(120)  # minute 2: nothing at all
    await settle(worker)
    parts = street.parts()
    assert parts[0, "flow", "out", 1, -1]["n"] == 0
    assert parts[0, "flow", "out", 1, -1]["observed"] == 60
    assert parts[60, "flow", "out", 1, -1]["n"] == 1
    assert parts[60, "flow", "out", 1, -1]["observed"] == 0
    assert not [key for key in parts if key[0] == 120]
    assert street.revisions() == {0: 1, 60: 1, 120: 1}


async def test_flow_and_speed(street: Any, worker: Worker) -> None:
    street.camera_works()
    street.passes(1, speed=10.0)
    street.passes(2, speed=20.0, cls=7, track=2)
    street.passes(3, speed=float("nan"), track=3)
    street.passes(4, speed=5.0, direction=-1, track=4)
    street.passes(5, line="elsewhere", track=5)
    await settle(worker)
    parts = street.parts()
    assert parts[0, "flow", "out", 1, -1]["n"] == 3
    assert parts[0, "flow", "out", 1, 5]["n"] == 2
    assert parts[0, "flow", "out", 1, 7]["n"] == 1
    assert parts[0, "flow", "out", -1, -1]["n"] == 1
    speed = parts[0, "speed", "out", 1, -1]
    assert (speed["n"], speed["total"], speed["squares"]) == (2, 30.0, 500.0)
    assert speed["inverse"] == pytest.approx(0.15)
    assert speed["peak"] == 20.0
    assert [k for k, n in enumerate(speed["histogram"]) if n] == [36, 72]


async def test_flagged_values_are_counted_and_not_used(street: Any, worker: Worker) -> None:
    street.camera_works()
    flags = [Quality.RECEPTION, Quality.OUT_OF_RANGE, Quality.IMPLAUSIBLE, Quality.DOUBTED]
    for second, flag in enumerate(flags):
        street.connection.execute(
            "UPDATE observation SET quality = %s WHERE captured = %s",
            [int(flag), street.at(second + 0.999999)],
        )
    await settle(worker)
    assert street.parts()[0, "flow", "out", 1, -1]["observed"] == 57
    [[inputs]] = street.connection.execute("SELECT inputs FROM metric_window").fetchall()
    assert (inputs["observations"]["rows"], inputs["flagged"]["rows"]) == (57, 3)


async def test_simulated_and_measured_never_mix(street: Any, worker: Worker) -> None:
    street.camera_works()
    street.camera_works(simulated=True)
    street.passes(1)
    street.passes(2, simulated=True, track=2)
    street.passes(3, simulated=True, track=3)
    await settle(worker)
    assert street.parts()[0, "flow", "out", 1, -1]["n"] == 1
    assert street.parts(simulated=True)[0, "flow", "out", 1, -1]["n"] == 2


async def test_revisions(street: Any, worker: Worker, clock: Any) -> None:
    clock.second = 30
    street.camera_works(0, 30)
    street.passes(10)
    await settle(worker)
    assert street.revisions() == {0: 0}
    street.passes(20, track=2)
    await settle(worker)
    assert street.revisions() == {0: 0}  # replaced in place
    assert street.parts()[0, "flow", "out", 1, -1]["n"] == 2
    clock.second = 74.9
    await settle(worker)
    assert street.revisions() == {0: 0}  # within the grace
    clock.second = 75
    await settle(worker)
    assert street.revisions() == {0: 1}  # closed though no data came
    street.mark(0)
    await settle(worker)
    assert street.revisions() == {0: 1}  # the same input makes no revision
    street.passes(30, track=3)  # late
    await settle(worker)
    assert street.revisions() == {0: 2}
    rows = street.connection.execute(
        "SELECT revision, n FROM metric_minute WHERE metric = 'flow' AND part = 'out'"
        " AND direction = 1 AND class = -1 ORDER BY revision"
    ).fetchall()
    assert rows == [(1, 2), (2, 3)]


async def test_red_light_running(street: Any, worker: Worker) -> None:
    street.camera_works(0, 120)
    street.signal(0)
    street.signal(70)
    street.clocks_agree()
    for second, track in ((10, 1), (22, 2), (23.9, 3), (24.5, 4), (60, 5)):
        street.passes(second, line="stop", track=track)
    street.passes(50, line="stop", track=6, cls=1)  # a pedestrian is not bound by it
    street.passes(51, line="stop", track=7, direction=-1)
    await settle(worker)
    parts = street.parts()
    assert parts[0, "signal_crossings", "west", 0, -1]["n"] == 4
    assert parts[0, "red_light_running", "west", 0, -1]["n"] == 1
    assert parts[60, "red_light_running", "west", 0, -1]["n"] == 1  # state known from before
    assert parts[60, "red_light_running", "west", 0, -1]["total"] == pytest.approx(37)
    found = street.connection.execute(
        "SELECT kind, evidence->>'since_red_s' FROM incident ORDER BY captured"
    ).fetchall()
    assert found == [("red-light-running", "1.5"), ("red-light-running", "37.0")]


async def test_messages_tell_the_clocks_where_chrony_does_not(street: Any, worker: Worker) -> None:
    street.camera_works(60, 120)
    street.signal(0)
    street.signal(70)
    street.clocks_agree(1)
    street.connection.execute("UPDATE batch SET clock_offset = NULL, clock_error = NULL")
    street.passes(69.8, line="stop", track=1)
    street.passes(69.95, line="stop", track=2)
    await settle(worker)
    found = street.connection.execute("SELECT kind, evidence FROM incident ORDER BY captured")
    kinds, evidence = zip(*found.fetchall(), strict=True)
    assert kinds == ("red-light-running", "red-light-insufficient")
    for each in evidence:
        assert each["clocks"]["camera"]["offset_s"] == pytest.approx(0)  # sent 0.05 s before
        assert each["clocks"]["bound_s"] == pytest.approx(2 * (0.05 + 50e-6 * 0.3))
    street.connection.execute("UPDATE batch SET sent = received")  # as stamped on arrival
    street.mark(60)
    await settle(worker)
    [(kind,), _] = street.connection.execute("SELECT kind FROM incident").fetchall()
    assert kind == "red-light-insufficient"


async def test_queue(street: Any, worker: Worker) -> None:
    street.camera_works()
    for track, x in ((1, -5), (2, -12), (3, -19), (4, -60)):
        street.drives(track, (10, 40), (x, 0), (0.0, 0.0), heading=0.0)
    street.drives(5, (10, 20), (-40, 2), (9.0, 0.0))
    street.drives(6, (10, 40), (-26, 0), (0, 0), cls=1, heading=0.0)  # a pedestrian is not queued
    await settle(worker)
    queue = street.parts()[0, "queue", "west", 0, -1]
    assert (queue["n"], queue["peak"]) == (60, 3)
    assert queue["total"] == 3 * 29  # from a second after they stand
    assert street.parts()[0, "queue_length", "west", 0, -1]["peak"] == pytest.approx(18.5)


def crossing(street: Any, second: float, *, gap: float = 0.0) -> None:
    """Let a car go east through the origin, and a cyclist north some time later."""
    street.drives(11, (second - 3, second + 3), (-30, 0), (10, 0))
    start = -5.0 * (3 + gap)
    street.drives(12, (second - 3, second + 5), (0, start), (0, 5), cls=2, size=(1.8, 0.6))


@pytest.mark.parametrize("second", [30, 58, 61.5])
async def test_a_conflict_is_counted_once_wherever_the_minute_ends(
    street: Any, worker: Worker, second: float
) -> None:
    street.camera_works(0, 120)
    crossing(street, second, gap=1.0)
    await settle(worker)
    conflicts = {k: r["n"] for k, r in street.parts().items() if k[1] == "conflicts" and r["n"]}
    assert list(conflicts.values()) == [1]
    assert [k[2] for k in conflicts] == ["severe/crossing/vru"]
    encounters = [r["n"] for k, r in street.parts().items() if k[1] == "encounters"]
    assert sorted(encounters) == [0, 0, 0, 1]
    [(kind, evidence, x)] = street.connection.execute(
        "SELECT kind, evidence, x FROM incident"
    ).fetchall()
    assert kind == "conflict"
    assert {t["class"] for t in evidence["tracks"]} == {"car", "bicycle"}
    # The rear of the car leaves the cyclist's path 0.255 s after its centre passed the origin; the
    # cyclist's front reaches the side of the car's path 0.36 s before the origin.
    assert evidence["pet_s"] == pytest.approx(1.0 - 0.36 - 0.255, abs=0.02)
    assert evidence["ttc_s"] is None
    assert abs(x) < 5


async def test_incident_keeps_its_id_and_goes_with_its_cause(street: Any, worker: Worker) -> None:
    street.camera_works()
    crossing(street, 30)
    await settle(worker)
    first = street.connection.execute("SELECT incident FROM incident").fetchall()
    assert len(first) == 1
    street.passes(50, track=99)
    await settle(worker)
    assert street.revisions() == {0: 2}
    assert street.connection.execute("SELECT incident FROM incident").fetchall() == first
    street.connection.execute("DELETE FROM track_piece")
    street.mark(0)
    await settle(worker)
    assert street.connection.execute("SELECT incident FROM incident").fetchall() == []


async def test_delivery(street: Any, worker: Worker) -> None:
    for seq in range(10):
        street.batch(seq * 5, seq, late=0.3 if seq else 4.0)
    street.loses(30, 100, 103)
    await settle(worker)
    parts = street.parts()
    assert parts[0, "delivery", "cam", 0, -1]["n"] == 10
    assert parts[0, "delivery_in_time", "cam", 0, -1]["n"] == 9
    assert parts[0, "delivery_lost", "cam", 0, -1]["n"] == 3
    assert parts[0, "delivery", "cam", 0, -1]["total"] == pytest.approx(6.7)
    assert not [key for key in parts if key[2] == "controller"]


async def test_late_points_near_the_border_reach_the_neighbour(street: Any, worker: Worker) -> None:
    street.camera_works(0, 180)
    street.drives(11, (57, 63), (-30, 0), (10, 0))
    await settle(worker)
    assert street.revisions() == {0: 1, 60: 1, 120: 1}
    # The cyclist who comes late begins the conflict in minute 0 and is captured in minute 1 too.
    street.drives(12, (58, 65), (0, -15), (0, 5), cls=2, size=(1.8, 0.6))
    await settle(worker)
    assert street.revisions()[120] == 1
    street.drives(13, (121, 125), (0, -15), (0, 5))  # in the first ten seconds of minute 2
    street.connection.execute("DELETE FROM dirty WHERE minute <> %s", [street.at(120)])
    await settle(worker)
    assert street.revisions()[120] == 2
    assert street.revisions()[60] >= 3


async def test_poison_is_put_aside_and_others_go_on(
    street: Any, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.camera_works(0, 120)
    whole = Worker.compute

    async def poisoned(self: Worker, connection: Any, window: Any) -> bool:
        if window.minute == street.at(0):
            await connection.execute("SELECT 1 / 0")
        return await whole(self, connection, window)

    monkeypatch.setattr(Worker, "compute", poisoned)
    await settle(worker)
    assert street.revisions() == {60: 1}
    [(attempts, error)] = street.connection.execute(
        "SELECT attempts, error FROM dirty WHERE not_before > clock_timestamp()"
    ).fetchall()
    assert attempts == 1
    assert error.startswith("DivisionByZero")
    monkeypatch.setattr(Worker, "compute", whole)
    street.connection.execute("UPDATE dirty SET not_before = '-infinity'")
    await settle(worker)
    assert street.revisions() == {0: 1, 60: 1}
    assert street.connection.execute("SELECT count(*) FROM dirty").fetchall() == [(0,)]


async def test_live_windows_come_first_and_old_ones_wait_for_quiet(
    street: Any, reader: Any
) -> None:
    for second in (0, 60, 3600):
        street.mark(second)
    street.connection.execute(
        "UPDATE dirty SET marked_at = marked_at - INTERVAL '10 s' WHERE minute = %s", [street.at(0)]
    )

    async def found(settle: float, quiet: float, patience: float) -> list[float]:
        pace = Pace(*(timedelta(seconds=s) for s in (settle, quiet, patience)))
        rows = await candidates(reader, live_since=street.at(3000), pace=pace)
        return [(row.window.minute - street.at(0)).total_seconds() for row in rows]

    assert await found(0, 0, 60) == [3600, 0, 60]
    assert await found(5, 5, 60) == [0]
    street.mark(0)  # not quiet any more
    assert await found(5, 5, 60) == []
    assert await found(5, 5, 9) == [0]  # but it waited long enough


async def test_two_workers_share_the_work(
    street: Any, pool: Any, settings: Any, clock: Any
) -> None:
    street.camera_works(0, 600)
    workers = [Worker(pool, settings, clock) for _ in range(3)]
    while any(await asyncio.gather(*(w.sweep() for w in workers))):
        pass
    assert street.revisions() == {60 * k: 1 for k in range(10)}


async def test_a_mark_made_while_a_window_is_computed_stays(
    street: Any, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.camera_works()
    whole = Worker.compute

    async def interrupted(self: Worker, connection: Any, window: Any) -> bool:
        done = await whole(self, connection, window)
        street.passes(30)  # committed by another connection after the inputs were read
        return done

    monkeypatch.setattr(Worker, "compute", interrupted)
    await worker.sweep()
    monkeypatch.setattr(Worker, "compute", whole)
    assert street.parts()[0, "flow", "out", 1, -1]["n"] == 0
    await settle(worker)
    assert street.parts()[0, "flow", "out", 1, -1]["n"] == 1
    assert street.revisions() == {0: 2}


async def test_order_of_arrival_does_not_matter(street: Any, worker: Worker) -> None:
    def fill(order: int) -> None:
        for track in (1, 2, 3)[::order]:
            street.passes(10 + track, track=track, speed=7.1 * track)
            street.drives(track, (10, 14), (-20 + 9 * track, 0), (3.3 + track, 0.1))
        street.camera_works()

    async def outcome() -> tuple[Any, Any]:
        await settle(worker)
        [digest] = street.connection.execute("SELECT digest FROM metric_window").fetchall()
        rows = street.connection.execute(
            "SELECT metric, part, direction, class, n, total, squares, inverse, peak, histogram"
            " FROM metric_current ORDER BY 1, 2, 3, 4"
        ).fetchall()
        return digest, rows

    fill(1)
    first = await outcome()
    for table in ("event", "track_piece", "observation", "metric_window", "metric_minute"):
        street.connection.execute(f"DELETE FROM {table}")  # noqa: S608
    fill(-1)
    assert await outcome() == first
