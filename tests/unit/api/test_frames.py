from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.frames import STEP, WORST_SD, frames
from contracts.batch import SCHEMAS, Batch
from contracts.classes import RoadUser
from contracts.events import CROSSING


def batch(schema, names=(), **columns):
    dtypes = SCHEMAS[schema].dtypes
    rows = len(columns["t"])
    return Batch(
        schema=schema,
        device="town/cam",
        boot=UUID(int=1),
        seq=0,
        sent_at=0,
        columns={n: np.asarray(columns.get(n, np.zeros(rows)), d) for n, d in dtypes.items()},
        names=list(names),
    )


def test_users_are_taken_apart_by_track():
    (frame,) = frames(
        batch(
            "tracks/1",
            t=[0, STEP, 5, STEP + 5],
            track=[3, 3, 9, 9],
            cls=[5, 5, 1, 1],
            x=[0, 1, 50, 51],
            vx=[10, 10, 1, 1],
        )
    )
    assert [user["track"] for user in frame.body["users"]] == [3, 9]
    assert [user["class"] for user in frame.body["users"]] == ["car", "pedestrian"]
    assert frame.body["users"][0]["x_m"] == [0.0, 1.0]
    assert frame.body["users"][0]["speed_km_h"] == [36.0, 36.0]
    assert frame.at == STEP + 5


def test_points_are_thinned_but_the_last_stays():
    t = np.arange(0, 500_000, 10_000)  # a hundred times a second
    (frame,) = frames(batch("tracks/1", t=t, track=np.ones(len(t))))
    (user,) = frame.body["users"]
    assert user["t_ms"] == [0, 100, 200, 300, 400, 490]


def test_what_was_not_measured_is_null():
    nan = np.nan
    (frame,) = frames(
        batch("tracks/1", t=[0], track=[1], x=[2.0], vx=[nan], heading=[nan], length=[nan])
    )
    (user,) = frame.body["users"]
    assert user["speed_km_h"] == user["heading_deg"] == [None]
    assert user["length_m"] is None
    assert user["x_m"] == [2.0]


def test_where_nobody_knows_is_not_shown():
    (frame,) = frames(
        batch("tracks/1", t=[0, STEP, 2 * STEP], track=[1, 1, 2], x=[np.nan, 2.0, np.inf])
    )
    (user,) = frame.body["users"]
    assert (user["track"], user["x_m"]) == (1, [2.0])
    assert "NaN" not in frame.data


def test_positions_that_analytics_leaves_out_are_not_shown_either():
    (frame,) = frames(
        batch(
            "tracks/1",
            t=[0, 0, 0],
            track=[1, 2, 3],
            sd=[WORST_SD, 1.01 * WORST_SD, np.nan],
        )
    )
    assert [user["track"] for user in frame.body["users"]] == [1, 3]


def test_nobody_is_a_frame_without_users():
    (frame,) = frames(batch("tracks/1", t=[7], track=[1], x=[np.nan]))
    assert frame.body["users"] == []
    assert list(frames(batch("tracks/1", t=[]))) == []


def test_crossings_come_in_order_and_other_events_not_at_all():
    found = list(
        frames(
            batch(
                "events/1",
                names=[CROSSING, "camera.lost", "line"],
                t=[3000, 1000, 2000],
                kind=[0, 0, 1],
                object=[2, 2, 2],
                direction=[-1, 1, 0],
                cls=[2, 250, 5],
                value=[np.nan, 10.0, 0.0],
            )
        )
    )
    assert [(f.body["at_ms"], f.body["direction"]) for f in found] == [(1, "in"), (3, "out")]
    assert [f.body["class"] for f in found] == ["unknown", "bicycle"]
    assert [f.body["speed_km_h"] for f in found] == [36.0, None]


@pytest.mark.parametrize(
    ("code", "shows", "pedestrian"),
    [
        (1, "green", False),
        (8, "yellow", False),
        (10, "red", False),
        (21, "walk", True),
        (22, "change", True),
        (23, "stop", True),
    ],
)
def test_heads_follow_the_controller(code, shows, pedestrian):
    (frame,) = frames(batch("signal/1", t=[5], code=[code], parameter=[4]))
    assert (frame.body["phase"], frame.body["shows"]) == (4, shows)
    assert frame.body["pedestrian"] is pedestrian


def test_other_codes_of_the_controller_change_no_head():
    assert list(frames(batch("signal/1", t=[5, 6], code=[82, 81], parameter=[4, 4]))) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**6)), min_size=1, max_size=80))
def test_every_track_is_shown_and_keeps_its_order(points):
    points.sort()
    track, t = np.array(points).T
    (frame,) = frames(batch("tracks/1", t=t, track=track))
    users = frame.body["users"]
    assert [user["track"] for user in users] == sorted(set(track.tolist()))
    for user in users:
        assert user["t_ms"] == sorted(user["t_ms"])
        assert len(user["t_ms"]) == len(user["x_m"]) == len(user["heading_deg"])
        assert user["t_ms"][-1] == max(t[track == user["track"]]) // 1000
    assert {user["class"] for user in users} == {RoadUser.UNKNOWN.name.lower()}
