from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contracts.batch import SCHEMAS
from contracts.clock import MINUTE
from contracts.trajectories import (
    FLOATS,
    OCTAVE,
    POSITION,
    REACH,
    SIZE,
    TURN,
    VELOCITY,
    pack_tracks,
    unpack_tracks,
)

DTYPES = SCHEMAS["tracks/2"].dtypes
NOW = 1_777_878_000_000_000
STEP = {
    "x": POSITION, "y": POSITION, "vx": VELOCITY, "vy": VELOCITY, "length": SIZE, "width": SIZE,
}  # fmt: skip
Columns = dict[str, np.ndarray[Any, Any]]


def again(columns: Columns) -> Columns:
    extents, packed = pack_tracks(columns)
    return unpack_tracks(extents, packed, len(columns["t"]))


def walk(users: int = 5, frames: int = 50, seed: int = 1, origin: float = 0.0) -> Columns:
    """Users that walk with noise, seen ten times a second."""
    random = np.random.default_rng(seed)
    rows = users * frames
    t = NOW + np.cumsum(np.full(frames, 100_000) + random.integers(-200, 200, frames))
    course = random.uniform(-np.pi, np.pi, users)[:, None] + random.normal(0, 0.05, (1, frames))
    vx, vy = 1.4 * np.cos(course), 1.4 * np.sin(course)
    columns = {
        name: np.full(rows, np.nan, dtype) for name, dtype in DTYPES.items() if dtype == "f4"
    }
    columns |= {
        "t": np.tile(t, users),
        "track": np.repeat(np.arange(users, dtype=np.uint32) * 3 + 1000, frames),
        "cls": np.repeat(np.arange(users) % 3, frames).astype(np.uint8),
        "x": (origin + np.cumsum(0.1 * vx, 1) + random.normal(0, 0.03, vx.shape)).ravel(),
        "y": (np.cumsum(0.1 * vy, 1) + random.normal(0, 0.03, vx.shape)).ravel(),
        "vx": vx.ravel(),
        "vy": vy.ravel(),
        "heading": course.ravel(),
        "sd": np.full(rows, 0.05),
    }
    return {name: np.asarray(columns[name], dtype) for name, dtype in DTYPES.items()}


def same_within_steps(given: Columns, found: Columns) -> None:
    for name in ("t", "track"):
        assert found[name].dtype == DTYPES[name]
        assert found[name].tolist() == given[name].tolist()
    for name in ("x", "y", "vx", "vy", "heading", "sd", "v_sd"):
        a, b = given[name].astype(float), found[name].astype(float)
        assert (np.isnan(a) == np.isnan(b)).all(), name
        a, b = a[~np.isnan(a)], b[~np.isnan(b)]
        if name == "heading":
            off = np.abs((a - b + np.pi) % (2 * np.pi) - np.pi)
            assert (off <= np.pi / TURN * 1.001).all()
        elif name in STEP:
            assert (np.abs(a - b) <= STEP[name] / 2 + 1e-6 * np.abs(a)).all(), name
        else:
            assert (np.abs(a - b) <= a * (2 ** (0.5 / OCTAVE) - 1) * 1.001).all(), name


def test_every_value_comes_back_within_half_a_step() -> None:
    columns = walk()
    columns["v_sd"][:] = np.linspace(0.01, 3, len(columns["t"]))
    same_within_steps(columns, again(columns))


def test_what_is_not_known_stays_so() -> None:
    columns = walk()
    for seed, name in enumerate(("x", "vx", "vy", "heading", "sd", "v_sd")):
        columns[name][np.random.default_rng(seed).random(len(columns["t"])) < 0.3] = np.nan
    same_within_steps(columns, again(columns))


@st.composite
def any_columns(draw: st.DrawFn) -> Columns:
    rows = draw(st.integers(1, 30))
    wide = st.floats(-30_000, 30_000, width=32)
    odd = wide | st.sampled_from([0.0, -0.0, np.nan])
    columns = {
        name: draw(hnp.arrays(dtype, rows, elements=odd if dtype == "f4" else None))
        for name, dtype in DTYPES.items()
    }
    for name in ("sd", "v_sd", "length", "width"):
        columns[name] = np.abs(columns[name])
        columns[name][columns[name] < 0.001] = 0.0
    few = draw(st.booleans())
    if few:  # as of a camera: few tracks, few frames
        columns["track"] %= 3
        columns["t"] = NOW + columns["t"] % 5 * 40_000
        order = np.lexsort((columns["t"], columns["track"]))
        columns = {name: column[order] for name, column in columns.items()}
    return columns


@given(any_columns())
def test_any_rows_come_back_within_half_a_step(columns: Columns) -> None:
    same_within_steps(columns, again(columns))


@given(any_columns())
def test_what_was_stepped_is_not_stepped_again(columns: Columns) -> None:
    once = again(columns)
    twice = again(once)
    for name in DTYPES:
        assert once[name].tobytes() == twice[name].tobytes(), name


@given(st.data())
def test_values_without_steps_come_back_exactly(data: st.DataObject) -> None:
    columns = walk(2, 10)
    name = data.draw(st.sampled_from(FLOATS))
    noise = data.draw(hnp.arrays("<f4", 20))
    beyond = [np.inf, -np.inf, 3e38, -3e38]
    if not name.endswith("sd"):  # whose steps are twelfths of an octave: they go further
        beyond.append(REACH)
    noise[-1] = data.draw(st.sampled_from(beyond))
    columns[name] = noise
    found = again(columns)[name]
    exact = noise if name not in {"length", "width"} else np.repeat(noise[9::10], 10)
    assert found.tobytes() == exact.tobytes()


def test_sizes_and_class_are_those_of_the_last_point_of_track_and_minute() -> None:
    columns = walk(2, 4)
    columns["t"] = np.tile(MINUTE * 1000 + np.array([-2, -1, 1, 2]) * 50_000, 2)
    columns["cls"] = np.array([1, 2, 3, 4, 5, 6, 7, 8], np.uint8)
    columns["length"] = np.array([1, 2, 3, np.nan, 5, 6, 7, 8.004], np.float32)
    found = again(columns)
    assert found["cls"].tolist() == [2, 2, 4, 4, 6, 6, 8, 8]
    assert found["length"].tolist() == pytest.approx(
        [2, 2, np.nan, np.nan, 6, 6, 8, 8], nan_ok=True
    )


def test_a_speed_without_standard_error_costs_nothing() -> None:
    columns = walk()
    without = len(pack_tracks(columns)[1])
    columns["v_sd"][:] = 0.1
    assert len(pack_tracks(columns)[1]) > without


def test_a_standing_queue_costs_next_to_nothing() -> None:
    columns = walk(20, 100)
    for name in ("x", "y", "vx", "vy", "heading", "sd"):
        columns[name][:] = np.repeat(np.arange(20), 100)
    columns["vx"][:], columns["vy"][:] = 0, 0
    assert len(pack_tracks(columns)[1]) / 2000 < 0.25


@pytest.mark.parametrize("origin", [0.0, 4_000.0, -40_000.0])
def test_points_of_a_walk_take_less_than_four_bytes(origin: float) -> None:
    assert len(pack_tracks(walk(8, 50, origin=origin))[1]) / 400 < 4.0
