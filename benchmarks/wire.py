"""Wire: bytes a trajectory point and a scalar take, over the same as compact JSON.

Trajectories are the annotated pedestrians of PETS09-S2L1, put on the ground and measured as an
agent does, at 7 frames a second, and the pedestrians and vehicles of DUT's recordings, at 24. They
are cut into batches of half a second, as an agent makes them by default, and of longer times.
Scalars are those of a box with a camera, a modem and an air station, over one minute.

The JSON is what an agent that cares would send: one object a batch with the same header, short
names, rounded to what `tracks/2` keeps, without spaces, without what is unknown. MQTT's topic and
user properties come to both and are left out of both.
"""

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from contracts.batch import SCHEMAS, Batch, decode, encode
from edge.vision.ground import Ground, Odometer

GOAL_POINT, GOAL_RATIO = 8.0, 0.1
PERIODS: Final = (0.5, 1.0, 5.0)  # [s]
START: Final = 1_777_878_000_000_000  # [us]
DATA: Final = Path(__file__).parents[2] / "shared" / "data" / "tracks"
DIGITS: Final = {"x": 2, "y": 2, "vx": 2, "vy": 2, "heading": 2, "sd": 3, "length": 2, "width": 2}
SCALARS: Final = {
    # name: mean, standard deviation, digits that such a device gives, period [s]
    "camera.observed": (1.0, 0.0, 0, 1), "camera.frames": (25, 0.5, 0, 1),
    "camera.dropped": (0, 0.0, 0, 1), "camera.processing_ms": (11.3, 1.4, 15, 1),
    "agent.outbox_bytes": (6000, 2000, 0, 1), "agent.backlog_age_s": (0.2, 0.1, 6, 1),
    "agent.dropped_batches": (0, 0.0, 0, 1), "uplink.round_trip": (21.4, 4.0, 15, 1),
    "modem.rsrp": (-95, 2, 0, 5), "modem.rsrq": (-11, 1, 0, 5), "modem.sinr": (14, 2, 1, 5),
    "air.temperature": (19.4, 0.1, 1, 10), "air.humidity": (55, 0.3, 1, 10),
    "air.pm10": (17.2, 0.9, 1, 10), "air.pm2_5": (9.1, 0.5, 1, 10),
}  # fmt: skip
Columns = dict[str, NDArray[Any]]


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with pets09/ and dut/")
    data = parser.parse_args().data
    recordings = {"pets09": pets(data / "pets09" / "gt.txt")}
    recordings |= {
        name: dut(data / "dut", name)
        for name in sorted({f.stem.rpartition("_")[0] for f in (data / "dut").glob("*.csv")})
    }
    points: list[dict[str, Any]] = [
        {"recording": name, "batch_s": period}
        | measure([batch("tracks/2", part) for part in cut(columns, period)], "tracks/1")
        for name, columns in recordings.items()
        for period in PERIODS
    ]
    readings: list[dict[str, Any]] = [
        {"batch_s": period}
        | measure([batch("obs/2", *named(part)) for part in cut(scalars(), period)], "obs/1")
        for period in (*PERIODS, 60.0)
    ]
    worst = max(p["bytes"] for p in points)
    ratio = max(p["ratio"] for p in points)
    result = {
        "name": "wire",
        "bytes_per_point": worst,
        "goal_bytes_per_point": GOAL_POINT,
        "ratio": ratio,
        "goal": GOAL_RATIO,
        "holds": worst <= GOAL_POINT and ratio <= GOAL_RATIO,
        "baseline": "compact JSON of the batch, an object for each point, rounded alike",
        "points": points,
        "scalars": readings,
        "scalars_hold_from_batches_of_s": next(
            (r["batch_s"] for r in readings if r["ratio"] <= GOAL_RATIO), None
        ),
        "machine": machine(),
    }
    print(json.dumps(result))


def measure(batches: list[Batch], former: str = "") -> dict[str, float]:
    """Bytes of a row here, in JSON and formerly; ratio; rows/s of processor time both ways."""
    rows = sum(batch.rows for batch in batches)
    sent = [encode(batch) for batch in batches]
    found = {
        "rows_per_batch": round(rows / len(batches), 1),
        "bytes": round(sum(map(len, sent)) / rows, 2),
        "json_bytes": round(sum(len(as_json(decode(payload))) for payload in sent) / rows, 1),
        "encoded_per_s": round(rows / seconds(lambda: [encode(batch) for batch in batches])),
        "decoded_per_s": round(rows / seconds(lambda: [decode(payload) for payload in sent])),
    }
    found["ratio"] = round(found["bytes"] / found["json_bytes"], 3)
    if former:
        again = [decode(payload) for payload in sent]
        old = [encode(batch(former, dict(b.columns), b.names)) for b in again]
        found["former_bytes"] = round(sum(map(len, old)) / rows, 2)
        found["former_decoded_per_s"] = round(rows / seconds(lambda: [decode(o) for o in old]))
    return found


def seconds(work: Callable[[], object]) -> float:
    """Processor time of it, the median of five. [s]."""
    took = []
    for _ in range(5):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return statistics.median(took)


def batch(schema: str, columns: Columns, names: list[str] | None = None) -> Batch:
    """Make a batch as it is sent 0.3 s after its last sample, in the middle of a day."""
    return Batch(
        schema=schema,
        device="usti-belehradska/cam-1",
        boot=UUID("7c7ea1f2-97a5-4b3e-8d0c-6f5a1e2b3c4d"),
        seq=80_000,
        sent_at=int(columns["t"].max()) + 300_000,
        columns={name: columns[name] for name in SCHEMAS[schema].dtypes},
        names=names or [],
        clock_offset=-12e-6,
        clock_error=85e-6,
    )


def cut(columns: Columns, period: float) -> Iterator[Columns]:
    """Cut rows into batches of so many seconds, sorted as an agent sorts them."""
    number = (columns["t"] - START) // round(1e6 * period)
    key = columns.get("track", columns["t"])
    order = np.lexsort((columns["t"], key, number))
    inner = np.flatnonzero(np.diff(number[order])) + 1
    for rows in np.split(order, inner):
        yield {name: column[rows] for name, column in columns.items()}


def as_json(batch: Batch) -> bytes:
    """Give the batch as such JSON."""
    columns = batch.columns
    keep = [n for n in columns if n not in {"cls", "metric", "quality"}]
    rows = []
    for i in range(batch.rows):
        row = {name: columns[name][i].item() for name in keep}
        row = {n: round(v, DIGITS.get(n, 9)) for n, v in row.items() if not isnan(v)}
        if batch.names:
            row |= {"metric": batch.names[columns["metric"][i]]}
        else:
            row |= {"class": int(columns["cls"][i])}
        rows.append(row)
    header = {
        "device": batch.device, "boot": str(batch.boot), "seq": batch.seq, "sent": batch.sent_at,
        "clock_offset": batch.clock_offset, "clock_error": batch.clock_error, "rows": rows,
    }  # fmt: skip
    return json.dumps(header, separators=(",", ":")).encode()


def named(columns: Columns) -> tuple[Columns, list[str]]:
    """Give the metrics of a batch their names, and only those."""
    found, index = np.unique(columns["metric"], return_inverse=True)
    names = list(SCALARS)
    return columns | {"metric": index.astype(np.uint16)}, [names[metric] for metric in found]


def pets(file: Path) -> Columns:
    """Annotated pedestrians on the ground, measured by the agent's own odometer."""
    truth = np.loadtxt(file, delimiter=",")
    foot = np.c_[truth[:, 2] + truth[:, 4] / 2, truth[:, 3] + truth[:, 5]]
    ground, odometer, parts = Ground.from_pairs(foot, truth[:, 7:9]), Odometer(), []
    for frame in np.unique(truth[:, 0]):
        rows = np.flatnonzero(truth[:, 0] == frame)
        rows = rows[np.argsort(truth[rows, 1])]
        ids, captured = truth[rows, 1].astype(np.uint32), START + round((frame - 1) * 1e6 / 7)
        places = ground.places(foot[rows])
        sd = np.sqrt((places.jacobian**2).sum(axis=(1, 2)) / 2)  # of one pixel
        state = odometer.step(ids, places.xy, sd, np.ones(len(rows), np.bool_), captured)
        parts.append(
            {"t": captured, "track": ids, "cls": 1, "sd": sd, "heading": state.heading}
            | dict(zip(("x", "y", "vx", "vy"), (*places.xy.T, *state.velocity.T), strict=True))
        )
    names = parts[0].keys()
    return _all_columns(
        {n: np.concatenate([np.broadcast_to(p[n], len(p["sd"])) for p in parts]) for n in names}
    )


def dut(folder: Path, name: str) -> Columns:
    """Pedestrians and vehicles seen by a drone; it states no standard errors."""
    rows = []
    for number, kind in enumerate(("ped", "veh")):
        with (folder / f"{name}_{kind}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                t = START + round(int(row["frame"]) * 1e6 * 1001 / 24000)
                if kind == "ped":
                    vx, vy = float(row["vx_est"]), float(row["vy_est"])
                    heading = np.arctan2(vy, vx)
                else:
                    heading, speed = float(row["psi_est"]), float(row["vel_est"])
                    vx, vy = speed * np.cos(heading), speed * np.sin(heading)
                track = 1000 * (number + 1) + int(row["id"])
                x, y = float(row["x_est"]), float(row["y_est"])
                rows.append((t, track, 1 + 2 * number, x, y, vx, vy, heading))
    names = ("t", "track", "cls", "x", "y", "vx", "vy", "heading")
    return _all_columns(
        {n: np.array(column) for n, column in zip(names, zip(*rows, strict=True), strict=True)}
    )


def _all_columns(given: Columns) -> Columns:
    unknown = np.full(len(given["t"]), np.nan)
    dtypes = SCHEMAS["tracks/2"].dtypes
    return {name: given.get(name, unknown).astype(dtype) for name, dtype in dtypes.items()}


def scalars() -> Columns:
    """Sample the metrics of one device for a minute, in the order of their times."""
    random, rows = np.random.default_rng(1), []
    for metric, (mean, sd, digits, period) in enumerate(SCALARS.values()):
        phase = int(random.integers(1_000_000)) if period > 1 else 999_999
        for second in range(0, 60, period):
            value = round(float(random.normal(mean, sd)), digits)
            rows.append((START + second * 1_000_000 + phase, metric, value, 0))
    rows.sort()
    dtypes = SCHEMAS["obs/1"].dtypes
    return {
        name: np.array(column, dtype)
        for (name, dtype), column in zip(dtypes.items(), zip(*rows, strict=True), strict=True)
    }


if __name__ == "__main__":
    main()
