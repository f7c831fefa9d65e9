"""A window's inputs without a database."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from analytics.jobs.inputs import Inputs, arrange
from analytics.metrics import Thresholds
from contracts.clock import MICROSECONDS, to_micros
from storage.telemetry import (
    BATCH_TYPES,
    CLOCK_TYPES,
    DETAIL_TYPES,
    EVENT_TYPES,
    LOSS_TYPES,
    OBSERVATION_TYPES,
    PIECE_TYPES,
    SIGNAL_TYPES,
    Telemetry,
)
from storage.windows import Window

MINUTE = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
DTYPES = {
    "timestamptz": "i8", "int2": "i2", "int4": "i4", "int8": "i8", "float4": "f4", "float8": "f8",
    "uuid": "V16", "text": "U600", "int4[]": "i4", "float4[]": "f4",
}  # fmt: skip
NAME = {"cs": "Jméno", "en": "Name"}
PLAN = {
    "id": "corner", "pilot": "test", "name": NAME, "latitude": 50.0, "longitude": 14.0,
    "speed_limit_km_h": 50.0, "signal_device": "controller",
    "approaches": [
        {"id": "west", "name": NAME, "phase": 2, "stop_line": [[-2, -4], [-2, 4]],
         "area": [[-80, -4], [-2, -4], [-2, 4], [-80, 4]]},
    ],
    "lines": [
        {"id": "out", "name": NAME, "device": "cam", "role": "exit", "a": [20, 4], "b": [20, -4]},
        {"id": "stop", "name": NAME, "device": "cam", "role": "stop", "a": [-2, 4], "b": [-2, -4],
         "approach": "west"},
    ],
    "cameras": [
        {"device": "cam", "name": NAME, "position": [0, -20, 8], "target": [0, 0, 0],
         "fov_deg": 90, "width": 640, "height": 360, "fps": 10},
    ],
}  # fmt: skip


class Recorder:
    """Collects rows of one minute; times in seconds of it."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in Telemetry._fields}
        self.boot = b"\x01" * 16

    def at(self, second: float) -> int:
        return to_micros(MINUTE) + round(second * MICROSECONDS)

    def works(self) -> None:
        for second in range(60):
            row = (self.at(second + 0.999999), 1, "camera.observed", 1.0, 0)
            self.rows["observations"].append(row)

    def passes(
        self, second: float, *, line: str = "out", speed: float = 13.0, cls: int = 5
    ) -> None:
        row = (
            self.at(second),
            1,
            self.boot,
            "crossing",
            line,
            1,
            cls,
            len(self.rows["events"]),
            speed,
        )
        self.rows["events"].append(row)

    def drives(
        self, track: int, seconds: tuple[float, float], start: tuple[float, float],
        velocity: tuple[float, float], *, cls: int = 5, size: tuple[float, float] = (4.5, 1.8),
        device: int = 1, heading: float | None = None, sd: float = 0.2,
    ) -> None:  # fmt: skip
        angle = np.arctan2(velocity[1], velocity[0]) if heading is None else heading
        for t in np.arange(seconds[0], seconds[1], 0.1):
            since = t - seconds[0]
            self.rows["points"].append((
                self.at(t), device, self.boot, track, cls, *size,
                start[0] + velocity[0] * since, start[1] + velocity[1] * since,
                *velocity, angle, sd,
            ))  # fmt: skip

    def lights(self, *cycles: float, device: int = 2) -> None:
        """Phase 2: 20 s of green and 3 s of yellow, then red; what the minute has of it."""
        for begin in cycles:
            for second, code in ((begin, 1), (begin + 20, 8), (begin + 23, 10)):
                if second >= 60:
                    continue
                self.rows["signal"].append((self.at(second), device, code, 2))

    def clock(
        self, device: int, *, told: tuple[float, float] = (np.nan, np.nan), least: float = np.nan,
        age: float = 0.0,
    ) -> None:  # fmt: skip
        """What the batches of a device told of its clock."""
        self.rows["clocks"].append((self.at(0), device, *told, least, age))

    def inputs(
        self, *, thresholds: Thresholds | None = None, order: Any = None, simulated: bool = False,
        plan: dict[str, Any] = PLAN,
    ) -> Inputs:  # fmt: skip
        point_types = {k: v for k, v in PIECE_TYPES.items() if k != "delay"}
        types = {
            "points": point_types, "events": EVENT_TYPES, "details": DETAIL_TYPES,
            "signal": SIGNAL_TYPES,
            "observations": OBSERVATION_TYPES, "flagged": OBSERVATION_TYPES,
            "batches": BATCH_TYPES, "losses": LOSS_TYPES, "clocks": CLOCK_TYPES,
        }  # fmt: skip
        tables = {}
        for table, columns in types.items():
            rows = self.rows[table] if order is None else order(self.rows[table])
            tables[table] = {
                name: np.array([row[k] for row in rows], DTYPES[kind])
                for k, (name, kind) in enumerate(columns.items())
            }
        window = Window(1, MINUTE, simulated=simulated)
        return arrange(
            window, plan, thresholds or Thresholds(), {"cam": 1, "controller": 2, "other": 3},
            Telemetry(**tables),
        )  # fmt: skip


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
