"""Batches become rows: every sample once, sorted as the tables' indexes are."""

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.batch import SCHEMAS, Batch
from contracts.clock import MINUTE
from ingest import rows as making
from ingest.rows import Mark, Sample, blocks, marks
from storage.copy import Packed, Table
from storage.registry import Device

NOW = 1_800_000_000_000_000 // MINUTE * MINUTE


def sample(schema: str, device: int = 1, *, simulated: bool = False, **given: Any) -> Sample:
    rows = len(given["t"])
    columns = {name: np.zeros(rows, dtype) for name, dtype in SCHEMAS[schema].dtypes.items()}
    for name, value in given.items():
        columns[name] = np.asarray(value).astype(columns[name].dtype)
    batch = Batch(
        schema=schema,
        device=f"usti/cam-{device}",
        boot=uuid.UUID(int=device),
        seq=0,
        sent_at=0,
        names=["b", "a"],
        columns=columns,
        simulated=simulated,
    )
    return Sample(Device(device, 10 + device), batch)


def columns_of(monkeypatch: Any, samples: list[Sample]) -> dict[str, Any]:
    """Columns as they go into the COPY of the one table that these samples are for."""
    seen: dict[str, Any] = {}

    def keep(_: Table, columns: dict[str, Any]) -> bytes:
        seen.update(columns)
        return b""

    monkeypatch.setattr(making, "encode", keep)
    assert len(blocks(samples, {"a": 1, "b": 2})) == 1
    return seen


def test_observations_are_sorted_by_device_metric_and_time(monkeypatch: Any) -> None:
    columns = columns_of(
        monkeypatch,
        [
            sample("obs/1", 2, t=[NOW + 1, NOW], metric=[0, 0], value=[1, 2]),
            sample("obs/1", 1, t=[NOW, NOW + 2], metric=[0, 1], value=[3, 4]),
        ],
    )
    assert columns["device"].tolist() == [1, 1, 2, 2]
    assert columns["metric"].tolist() == [1, 2, 2, 2]
    assert columns["value"].tolist() == [4, 3, 2, 1]


def test_events_keep_their_own_names(monkeypatch: Any) -> None:
    columns = columns_of(
        monkeypatch,
        [
            sample("events/1", 1, t=[NOW], kind=[1], object=[0]),
            sample("events/1", 2, t=[NOW, NOW], kind=[0, 1], object=[1, 0]),
        ],
    )
    kinds = [columns["kind"].values[i] for i in columns["kind"].which]
    assert kinds == ["a", "b", "a"]


@pytest.mark.parametrize("order", [1, -1])
def test_events_with_and_without_details_are_written_together(monkeypatch: Any, order: int) -> None:
    given = [
        sample("events/1", 1, t=[NOW]),
        sample("events/2", 2, t=[NOW, NOW + 1], detail=[1, 0]),
    ]
    columns = columns_of(monkeypatch, given[::order])
    assert columns["device"].tolist() == [1, 2, 2]
    detail = columns["detail"]
    assert [detail.values[i] for i in detail.which] == ["", "a", "b"]


points = st.lists(
    st.tuples(st.integers(-3 * MINUTE, 0), st.integers(0, 3)), min_size=1, max_size=40
)


@given(batches=st.lists(points, min_size=1, max_size=3))
def test_pieces_hold_every_point_once(batches: list[list[tuple[int, int]]]) -> None:
    samples = [
        sample(
            "tracks/1",
            i + 1,
            t=[NOW + t for t, _ in points],
            track=[track for _, track in points],
            x=range(len(points)),
        )
        for i, points in enumerate(batches)
    ]
    seen: dict[str, Any] = {}
    original, making.encode = making.encode, lambda _, columns: seen.update(columns) or b""  # type: ignore[func-returns-value]
    try:
        blocks(samples, {})
    finally:
        making.encode = original
    delay, x = seen["delays"], seen["xs"]
    assert isinstance(delay, Packed)
    found = []
    for i, (start, until) in enumerate(zip(seen["captured"], seen["until"], strict=True)):
        piece = slice(delay.offsets[i], delay.offsets[i + 1])
        t = start + delay.elements[piece]
        assert t[-1] == until
        assert np.all(np.diff(t) >= 0)
        assert start // MINUTE == until // MINUTE
        device, track = int(seen["device"][i]), int(seen["track"][i])
        found += [
            (device, track, int(a), float(b)) for a, b in zip(t, x.elements[piece], strict=True)
        ]
    wanted = [
        (i + 1, track, NOW + t, float(n))
        for i, points in enumerate(batches)
        for n, (t, track) in enumerate(points)
    ]
    assert sorted(found) == sorted(wanted)


def test_marks_are_windows_each_once() -> None:
    found = marks(
        [
            sample("obs/1", 1, t=[NOW, NOW + 5, NOW - 1]),
            sample("signal/1", 1, t=[NOW + MINUTE - 1]),
            sample("signal/1", 1, t=[NOW], simulated=True),
            sample("signal/1", 2, t=[NOW]),
            sample("signal/1", 2, t=[]),
        ]
    )
    assert found == {
        Mark(11, NOW - MINUTE, False),
        Mark(11, NOW, False),
        Mark(11, NOW, True),
        Mark(12, NOW, False),
    }


def test_nothing_from_nothing() -> None:
    assert blocks([sample("obs/1", t=[])], {}) == []
    assert marks([]) == set()
