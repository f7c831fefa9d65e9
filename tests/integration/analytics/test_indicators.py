"""Values from telemetry to evidence and back."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from analytics.indicators.compute import PeriodError, compute
from analytics.indicators.recompute import UnknownValueError, recompute
from analytics.jobs.worker import Worker
from storage.indicators import IndicatorValue, latest_values, list_values, read_evidence, read_value


async def settle(worker: Worker) -> None:
    while await worker.sweep():
        pass


def fill(street: Any, minutes: int = 10) -> None:
    street.camera_works(0, 60 * minutes)
    for minute in range(minutes):
        for k in range(6):
            street.passes(60 * minute + 5 * k, speed=11.0 + k, track=10 * minute + k)
        street.batch(60 * minute + 1, 2 * minute)
        street.batch(60 * minute + 2, 2 * minute + 1, late=5.0 if minute == 3 else 0.4)
        street.batch(60 * minute + 2, minute, device="controller")
        street.drives(100 + minute, (60 * minute + 20, 60 * minute + 28), (-40, 0), (10, 0))
        street.drives(
            200 + minute, (60 * minute + 20, 60 * minute + 30), (0, -27), (0, 5), cls=2,
            size=(1.8, 0.6),
        )  # fmt: skip


@pytest.fixture
def evaluate(reader: Any, street: Any, clock: Any) -> Any:
    async def run(first: float = 0, last: float = 600) -> dict[str, IndicatorValue]:
        values = await compute(
            reader,
            site=street.site,
            simulated=False,
            start=street.at(first),
            end=street.at(last),
            clock=clock,
        )
        return {value.definition: value for value in values}

    return run


async def test_values_by_hand(street: Any, worker: Worker, evaluate: Any) -> None:
    fill(street)
    await settle(worker)
    values = await evaluate()
    speed = values["speed-within-limit"]
    # 11, 12, 13 m/s are within; 14 m/s = 50.4 km/h and more are over.
    assert (speed.state, speed.n, speed.coverage) == ("final", 60, 1.0)
    assert speed.value == pytest.approx(0.5)
    assert speed.low < 0.5 < speed.high
    conflicts = values["severe-conflicts"]
    assert (conflicts.state, conflicts.n, conflicts.value) == ("final", 10, 1000.0)
    delivery = values["5g-reliability"]
    assert (delivery.n, delivery.value) == (30, pytest.approx(29 / 30))


async def test_missing_insufficient_and_zero(street: Any, worker: Worker, evaluate: Any) -> None:
    nothing = await evaluate()
    assert {v.state for v in nothing.values()} == {"missing"}
    assert {v.value for v in nothing.values()} == {None}
    street.camera_works(0, 300)
    street.drives(1, (30, 38), (-40, 0), (10, 0))
    street.drives(2, (30, 38), (-40, 3), (10, 0))
    await settle(worker)
    half = await evaluate()
    assert half["severe-conflicts"].state == "insufficient"
    assert half["severe-conflicts"].value is None
    assert half["severe-conflicts"].coverage == 0.5
    assert half["5g-reliability"].state == "missing"
    whole = await evaluate(0, 300)
    assert (whole["severe-conflicts"].state, whole["severe-conflicts"].value) == ("final", 0.0)
    assert whole["severe-conflicts"].high > 0
    assert whole["speed-within-limit"].state == "insufficient"  # nobody passed: no share
    evidence_minutes = (await evaluate(0, 600))["severe-conflicts"]
    assert evidence_minutes.value_id == half["severe-conflicts"].value_id  # nothing changed


async def test_recompute_gives_the_same_bits(
    street: Any, worker: Worker, evaluate: Any, reader: Any
) -> None:
    fill(street)
    await settle(worker)
    for value in (await evaluate()).values():
        again = await recompute(reader, value.value_id)
        assert again.changes == []
        assert again.identical
        assert again.value is not None
        assert again.value.hex() == value.value.hex()


async def test_one_late_sample_is_named_and_supersedes(
    street: Any, worker: Worker, evaluate: Any, reader: Any
) -> None:
    fill(street)
    await settle(worker)
    old = (await evaluate())["speed-within-limit"]
    street.passes(245, speed=30.0, track=999)  # into minute 4
    again = await recompute(reader, old.value_id)
    assert not again.identical
    assert any("07:04:00" in c and "events had 6 rows" in c for c in again.changes)
    assert not any("07:03:00" in change for change in again.changes)
    assert again.value == pytest.approx(30 / 61)
    await settle(worker)
    new = (await evaluate())["speed-within-limit"]
    assert new.supersedes == old.value_id
    assert new.digest != old.digest
    assert (await recompute(reader, new.value_id)).identical
    assert await read_value(reader, old.value_id) == old  # what was published stays
    listed = await list_values(reader, site=street.site, simulated=False, definition=new.definition)
    assert {v.value_id for v in listed} == {old.value_id, new.value_id}
    assert new in await latest_values(reader, site=street.site, simulated=False)


async def test_one_changed_sample_changes_the_digest(
    street: Any, worker: Worker, evaluate: Any, reader: Any
) -> None:
    fill(street, 1)
    await settle(worker)
    value = (await evaluate(0, 60))["severe-conflicts"]
    moved = "packed(ARRAY[real_at(xs, 0) + 0.001]::real[]) || substring(xs FROM 5)"
    street.connection.execute(f"UPDATE track_piece SET xs = {moved} WHERE track = 100")  # noqa: S608
    again = await recompute(reader, value.value_id)
    assert not again.identical
    assert any(change.startswith("2026-05-04T07:00:00+00:00: points") for change in again.changes)


async def test_tampered_parts_and_evidence_are_found(
    street: Any, worker: Worker, evaluate: Any, reader: Any
) -> None:
    fill(street, 2)
    await settle(worker)
    value = (await evaluate(0, 120))["5g-reliability"]
    street.connection.execute(
        "UPDATE metric_minute SET n = n + 1 WHERE metric = 'delivery_in_time' AND minute = %s",
        [street.at(60)],
    )
    changes = (await recompute(reader, value.value_id)).changes
    assert changes == ["2026-05-04T07:01:00+00:00: the stored parts of revision 1 differ"]
    street.connection.execute(
        "UPDATE indicator_value SET evidence = jsonb_set(evidence, '{terms,numerator}', '6')"
        " WHERE value_id = %s",
        [value.value_id],
    )
    changes = (await recompute(reader, value.value_id)).changes
    assert any("evidence was changed" in change for change in changes)


async def test_the_running_period_is_provisional(
    street: Any, worker: Worker, evaluate: Any, clock: Any, reader: Any
) -> None:
    clock.second = 100
    fill(street, 1)
    street.camera_works(60, 100)
    await settle(worker)
    values = await evaluate(0, 3600)
    speed = values["speed-within-limit"]
    assert (speed.state, speed.coverage, speed.n) == ("provisional", 1.0, 6)
    assert (await recompute(reader, speed.value_id)).identical


async def test_part_of_a_minute_is_wanted_only_in_part(
    street: Any, worker: Worker, evaluate: Any
) -> None:
    street.camera_works(45, 135)
    for k in range(8):
        street.passes(50 + 10 * k, track=k)
    await settle(worker)
    value = (await evaluate(45, 135))["speed-within-limit"]
    assert (value.state, value.coverage, value.n) == ("final", 1.0, 8)


async def test_evidence_names_all(street: Any, worker: Worker, evaluate: Any, reader: Any) -> None:
    fill(street, 2)
    await settle(worker)
    value = (await evaluate(0, 180))["severe-conflicts"]
    evidence = await read_evidence(reader, value.value_id)
    assert evidence is not None
    assert [w["revision"] for w in evidence["windows"]] == [1, 1]
    assert evidence["windows"][0]["inputs"]["points"][0] == 180
    assert evidence["exclusions"] == [{"minute": "2026-05-04T07:02:00+00:00", "reason": "no data"}]
    [thresholds] = evidence["thresholds"].values()
    assert thresholds["severe_pet"] == 1.5
    assert evidence["recipe"]["interval"] == "poisson-rate"


async def test_no_period_and_no_value(reader: Any, evaluate: Any) -> None:
    with pytest.raises(PeriodError):
        await evaluate(60, 60)
    with pytest.raises(PeriodError):
        await evaluate(0, timedelta(days=367).total_seconds())
    with pytest.raises(UnknownValueError):
        await recompute(reader, uuid4())
