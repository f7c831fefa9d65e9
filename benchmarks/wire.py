"""Wire: bytes a trajectory point and a scalar take, over the same as compact JSON.

Trajectories are the annotated pedestrians of PETS09-S2L1, put on the ground and measured as an
agent does, at 7 frames a second, and the pedestrians and vehicles of DUT's recordings, at 24. They
are cut into batches of half a second, as an agent makes them by default, and of longer times.
Scalars are those of a box with a camera, a zone, a modem and an electricity meter over one minute,
batched by the agent's own batcher: as it does by default, by which the goal is judged, and all of
them every so many seconds. Another box has weather and noise as well, for which nobody waits.

The JSON is what an agent that cares would send: one object a batch with the same header, short
names, without spaces, without what is unknown. Points are objects, rounded to what `tracks/2`
keeps. Scalars are as ThingsBoard's gateways and devices send them: a time once, beside it an object
of all that was read then. What MQTT adds is left out of both; `mqtt_bytes` says what it is.
"""

import argparse
import csv
import json
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import isnan
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from benchmarks.machine import machine
from contracts.batch import CONTENT_TYPE, SCHEMAS, Batch, decode, encode
from contracts.chrony import ClockQuality
from contracts.topics import topic
from edge.batches import Batcher, Scalar
from edge.config import Batches
from edge.vision.ground import Ground, Odometer

GOAL_POINT, GOAL_RATIO = 8.0, 0.1
PERIODS: Final = (0.5, 1.0, 5.0)  # [s]
START: Final = 1_777_878_000_000_000  # [us]
BOOT: Final = UUID("7c7ea1f2-97a5-4b3e-8d0c-6f5a1e2b3c4d")
DATA: Final = Path(__file__).parents[2] / "shared" / "data" / "tracks"
DIGITS: Final = {"x": 2, "y": 2, "vx": 2, "vy": 2, "heading": 2, "sd": 3, "length": 2, "width": 2}
MINUTE: Final = 60  # [s]
SCALARS: Final[dict[str, tuple[int, float, float, dict[str, tuple[float, float, int]]]]] = {
    # period, phase and its scatter [s], and of each metric mean, standard deviation, digits
    "camera": (1, 0.999999, 0.0, {
        "camera.observed": (1, 0.0, 0), "camera.frames": (25, 0.3, 0),
        "camera.dropped": (0, 0.0, 0), "camera.processing_ms": (11.3, 0.7, 3),
    }),
    "zone": (1, 0.02, 0.01, {
        f"zone.occupancy.crossing.{user}": (number, 0.8, 0)
        for user, number in {"pedestrian": 2, "car": 3, "unknown": 0}.items()
    }),
    "agent": (1, 0.437, 0.0002, {
        "agent.outbox_bytes": (700, 300, 0), "agent.backlog_age_s": (0.2, 0.1, 3),
        "agent.dropped_batches": (0, 0.0, 0), "agent.bad_lines": (0, 0.0, 0),
        "uplink.round_trip": (21.4, 4.0, 3),
    }),
    "sent": (30, 0.437, 0.0002, {
        "uplink.bytes_events": (500, 300, 0), "uplink.bytes_obs": (1300, 100, 0),
        "uplink.bytes_signal": (0, 0.0, 0), "uplink.bytes_tracks": (30_000, 9000, 0),
    }),
    "modem": (5, 0.12, 0.01, {
        "modem.rsrp": (-84, 2, 1), "modem.rsrq": (-11, 1, 1), "modem.sinr": (14, 2, 1),
        "modem.cell": (101, 0.0, 0), "modem.round_trip": (16, 3, 2), "modem.uplink": (45, 5, 2),
    }),
    "meter": (10, 0.02, 0.005, {
        "meter.energy_import": (1234.567, 0.003, 3), "meter.energy_export": (55.2, 0.0, 3),
        "meter.power": (1.2, 0.05, 3),
    }),
    "air": (10, 0.3, 0.01, {
        "air.temperature": (19.4, 0.1, 1), "air.humidity": (55, 0.3, 1),
        "air.pm10": (17.2, 0.9, 1), "air.pm2_5": (9.1, 0.5, 1),
    }),
    "noise": (1, 0.25, 0.003, {"noise.level": (62, 3, 1)}),
}  # fmt: skip
LATENCY: Final = 0.05  # from capture to the batcher [s]
DEFAULT: Final = Batches()
BOX: Final = ("camera", "zone", "agent", "sent", "modem", "meter")
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
        {"box": box, "batch_s": name} | measure(batched(scalars(sources), age, patience), "obs/2")
        for box, sources in {"default": BOX, "with weather and noise": SCALARS}.items()
        for name, age, patience in [
            ("default", DEFAULT.max_age_s, DEFAULT.patient_age_s),
            *((period, period, 0.0) for period in PERIODS),
        ]
    ]
    worst = max(p["bytes"] for p in points)
    ratio = max(p["ratio"] for p in points)
    scalar = readings[0]["ratio"]
    result = {
        "name": "wire",
        "bytes_per_point": worst,
        "goal_bytes_per_point": GOAL_POINT,
        "ratio": ratio,
        "goal": GOAL_RATIO,
        "ratio_of_scalars": scalar,
        "holds": worst <= GOAL_POINT and max(ratio, scalar) <= GOAL_RATIO,
        "baseline": "compact JSON with the same header; an object for each point, rounded alike;"
        " of scalars an object for each time",
        "points": points,
        "scalars": readings,
        "mqtt_bytes": {"ours": mqtt(stated=True), "json": mqtt(stated=False)},
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
        names = SCHEMAS[former].dtypes
        again = [decode(payload) for payload in sent]
        old = [
            encode(replace(b, schema=former, columns={n: b.columns[n] for n in names}))
            for b in again
        ]
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


def batch(schema: str, columns: Columns) -> Batch:
    """Make a batch of points as it is sent 0.3 s after its last sample, in the middle of a day."""
    return Batch(
        schema=schema,
        device="usti-belehradska/cam-1",
        boot=BOOT,
        seq=80_000,
        sent_at=int(columns["t"].max()) + 300_000,
        columns={name: columns[name] for name in SCHEMAS[schema].dtypes},
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
    header = {
        "device": batch.device, "boot": str(batch.boot), "seq": batch.seq, "sent": batch.sent_at,
        "clock_offset": batch.clock_offset, "clock_error": batch.clock_error,
        "rows": by_time(batch) if batch.names else by_point(batch),
    }  # fmt: skip
    return json.dumps(header, separators=(",", ":")).encode()


def by_point(batch: Batch) -> list[dict[str, Any]]:
    """Points as objects."""
    columns, rows = batch.columns, []
    for i in range(batch.rows):
        row = {name: columns[name][i].item() for name in columns if name != "cls"}
        row = {n: round(v, DIGITS.get(n, 9)) for n, v in row.items() if not isnan(v)}
        rows.append(row | {"class": int(columns["cls"][i])})
    return rows


def by_time(batch: Batch) -> list[dict[str, Any]]:
    """Scalars as ThingsBoard takes them, with times to the microsecond."""
    read: dict[int, dict[str, float]] = {}
    columns = (batch.columns[name].tolist() for name in ("t", "metric", "value"))
    for t, metric, value in zip(*columns, strict=True):
        read.setdefault(t, {})[batch.names[metric]] = int(value) if value == int(value) else value
    return [{"ts": t, "values": values} for t, values in sorted(read.items())]


def mqtt(*, stated: bool) -> int:
    """Bytes of a publication beside its payload; with the name of the batch stated or without."""
    name = topic("usti-belehradska/cam-1", "up", "obs")
    properties = 1  # their length
    if stated:
        pairs = {"schema": "obs/3", "boot": 32 * "0", "seq": "80000"}
        properties += 3 + len(CONTENT_TYPE)
        properties += sum(5 + len(key) + len(value) for key, value in pairs.items())
    return 3 + 2 + len(name) + 2 + properties  # fixed header, topic, packet id


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


def scalars(sources: Iterable[str]) -> list[Scalar]:
    """Sample what these sources say in a minute, in the order in which they do."""
    random, found = np.random.default_rng(1), []
    for source in sources:
        period, phase, scatter, metrics = SCALARS[source]
        for second in range(0, MINUTE, period):
            t = START + round(1e6 * (second + phase + random.uniform(-scatter, scatter)))
            for name, (mean, sd, digits) in metrics.items():
                value = round(float(random.normal(mean, sd)), digits)
                found.append(Scalar(t, name, value if digits or mean < 0 else abs(value)))
    return sorted(found)


def batched(samples: list[Scalar], age: float, patience: float) -> list[Batch]:
    """Batch samples as an agent does that looks every `age` seconds."""
    made: list[Batch] = []
    now = START
    batcher = Batcher(
        "usti-belehradska/cam-1",
        simulated=False,
        sink=made.extend,
        clock=lambda: now,
        monotonic=lambda: now / 1e6,
    )
    batcher.clock_quality = ClockQuality(-12e-6, 85e-6)
    waiting = deque(samples)
    while now < START + 1e6 * MINUTE:
        now += round(1e6 * age)
        while waiting and waiting[0].t + 1e6 * LATENCY < now:
            batcher.add([waiting.popleft()])
        batcher.flush(patience)
    batcher.add(waiting)
    batcher.flush()
    return [replace(one, boot=BOOT, seq=80_000 + seq) for seq, one in enumerate(made)]


if __name__ == "__main__":
    main()
