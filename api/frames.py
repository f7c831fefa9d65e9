"""What a batch looks like on the live stream: display units, small, made once for all clients."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.metrics import Thresholds
from contracts.batch import Batch
from contracts.classes import RoadUser
from contracts.events import CROSSING
from contracts.messages import State

Kind = Literal["tracks", "crossing", "signal", "state"]
WORST_SD: Final = Thresholds().position_sd
"""Worse positions are not shown, as analytics does not use them. [m]"""
STEP: Final = 100_000  # [us] between the points of a track that are shown
KM_H: Final = 3.6  # per m/s
DIRECTIONS: Final = {1: "in", -1: "out", 0: "none"}
NAMES: Final = {user.value: user.name.lower() for user in RoadUser}

# Indiana Traffic Signal Hi Resolution Data Logger Enumerations: what each makes the head show.
VEHICLE: Final = {1: "green", 8: "yellow", 9: "red", 10: "red", 11: "red"}
PEDESTRIAN: Final = {21: "walk", 22: "change", 23: "stop"}

_encoder: Final = msgspec.json.Encoder()


class Frame(NamedTuple):
    """One event of the stream."""

    kind: Kind
    device: str
    at: int  # [us] when what it tells was captured
    key: str  # two frames of one device and key: the later replaces the earlier in a snapshot
    body: dict[str, Any]

    @property
    def data(self) -> str:
        """Body as JSON."""
        return _encoder.encode(self.body).decode()


def frames(batch: Batch) -> Iterator[Frame]:
    """Frames of one batch, oldest first."""
    if batch.rows == 0:
        return
    stream = batch.schema.partition("/")[0]
    if stream == "tracks":
        yield _tracks(batch)
    elif stream == "events":
        yield from _crossings(batch)
    elif stream == "signal":
        yield from _signals(batch)


def state_frame(device: str, state: State) -> Frame:
    """Birth or will of a device."""
    body = {"device": device, "online": state.status == "online", "since_ms": state.since // 1000}
    return Frame("state", device, state.since, "state", body)


def _tracks(batch: Batch) -> Frame:
    columns = batch.columns
    placed = np.isfinite(columns["x"]) & np.isfinite(columns["y"])
    placed &= ~(columns["sd"] > WORST_SD)  # nan: nobody knows, so nothing speaks against it
    keep = np.flatnonzero(_shown(columns["track"], columns["t"]) & placed)
    t, track = columns["t"][keep], columns["track"][keep]
    inner = np.flatnonzero(track[1:] != track[:-1]) + 1
    users = []
    for piece in np.split(np.arange(len(track)), inner) if len(track) else []:
        first, end = piece[0], piece[-1] + 1
        rows = keep[first:end]
        last = rows[-1]
        speed = np.hypot(columns["vx"][rows], columns["vy"][rows]) * KM_H
        users.append(
            {
                "track": int(track[first]),
                "class": _class_name(int(columns["cls"][last])),
                "length_m": _rounded(columns["length"][last]),
                "width_m": _rounded(columns["width"][last]),
                "t_ms": (t[first:end] // 1000).tolist(),
                "x_m": _known(columns["x"][rows], 2),
                "y_m": _known(columns["y"][rows], 2),
                "heading_deg": _known(np.degrees(columns["heading"][rows]), 1),
                "speed_km_h": _known(speed, 1),
            }
        )
    at = int(columns["t"].max())
    body = {
        "device": batch.device,
        "at_ms": at // 1000,
        "simulated": batch.simulated,
        "users": users,
    }
    return Frame("tracks", batch.device, at, "tracks", body)


def _shown(track: NDArray[Any], t: NDArray[Any]) -> NDArray[np.bool_]:
    """First point of each STEP of each track, and each track's last."""
    step = t // STEP
    first = np.r_[True, (track[1:] != track[:-1]) | (step[1:] != step[:-1])]
    last = np.r_[track[1:] != track[:-1], True]
    return np.asarray(first | last, bool)


def _known(values: NDArray[Any], digits: int) -> list[float | None]:
    """Round numbers; what was not measured is null, never 0."""
    rounded = values.astype(float).round(digits).tolist()
    return [value if isfinite(value) else None for value in rounded]


def _crossings(batch: Batch) -> Iterator[Frame]:
    columns = batch.columns
    for row in np.argsort(columns["t"], kind="stable"):
        if batch.names[int(columns["kind"][row])] != CROSSING:
            continue
        at = int(columns["t"][row])
        speed = float(columns["value"][row])
        body = {
            "device": batch.device,
            "at_ms": at // 1000,
            "line": batch.names[int(columns["object"][row])],
            "direction": DIRECTIONS.get(int(columns["direction"][row]), "none"),
            "class": _class_name(int(columns["cls"][row])),
            "track": int(columns["track"][row]),
            "speed_km_h": _rounded(speed * KM_H),
            "simulated": batch.simulated,
        }
        yield Frame("crossing", batch.device, at, "", body)


def _signals(batch: Batch) -> Iterator[Frame]:
    columns = batch.columns
    for row in np.argsort(columns["t"], kind="stable"):
        at, code = int(columns["t"][row]), int(columns["code"][row])
        phase = int(columns["parameter"][row])
        shown = VEHICLE.get(code) or PEDESTRIAN.get(code)
        if shown is None:
            continue
        body = {
            "device": batch.device,
            "at_ms": at // 1000,
            "phase": phase,
            "pedestrian": code in PEDESTRIAN,
            "shows": shown,
        }
        yield Frame(
            "signal", batch.device, at, f"{phase}{'p' if code in PEDESTRIAN else 'v'}", body
        )


def _class_name(number: int) -> str:
    return NAMES.get(number, NAMES[RoadUser.UNKNOWN])


def _rounded(value: float) -> float | None:
    return round(float(value), 2) if isfinite(value) else None
