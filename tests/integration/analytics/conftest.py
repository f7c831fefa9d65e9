"""A small street whose telemetry a test writes straight into the database."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest

from analytics.jobs.worker import Worker
from analytics.settings import AnalyticsSettings
from contracts.clock import MICROSECONDS, to_micros
from contracts.site import Site
from storage.pool import AsyncConnection, Connection, Pool, connect, open_pool
from storage.registry import metric_numbers, register_site

START = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
BOOT = UUID("0190b5a0-0000-7000-8000-000000000001")
PLAN = {
    "id": "corner",
    "pilot": "test",
    "name": {"cs": "Roh", "en": "Corner"},
    "latitude": 50.0,
    "longitude": 14.0,
    "speed_limit_km_h": 50.0,
    "signal_device": "controller",
    "approaches": [
        {
            "id": "west",
            "name": {"cs": "Západ", "en": "West"},
            "area": [[-80, -4], [-2, -4], [-2, 4], [-80, 4]],
            "stop_line": [[-2, -4], [-2, 4]],
            "phase": 2,
        }
    ],
    "lines": [
        {
            "id": "out", "name": {"cs": "Ven", "en": "Out"}, "device": "cam", "role": "exit",
            "a": [20, 4], "b": [20, -4],
        },
        {
            "id": "stop", "name": {"cs": "Stop", "en": "Stop"}, "device": "cam", "role": "stop",
            "a": [-2, 4], "b": [-2, -4], "approach": "west",
        },
    ],
    "cameras": [
        {
            "device": "cam", "name": {"cs": "Kamera", "en": "Camera"}, "position": [0, -20, 8],
            "target": [0, 0, 0], "fov_deg": 90, "width": 640, "height": 360, "fps": 10,
        }
    ],
}  # fmt: skip


class Street:
    """Writes what devices would have sent, and marks the minutes as ingest does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.site = register_site(connection, Site.model_validate(PLAN))
        rows = connection.execute("SELECT name, device FROM device").fetchall()
        self.device: dict[str, int] = dict(rows)

    def at(self, second: float) -> datetime:
        return START + timedelta(seconds=second)

    def mark(self, second: float, *, simulated: bool = False) -> None:
        minute = self.at(second).replace(second=0, microsecond=0)
        self.connection.execute(
            "INSERT INTO dirty (site, minute, simulated) VALUES (%s, %s, %s)",
            [self.site, minute, simulated],
        )

    def camera_works(self, begin: int = 0, end: int = 60, *, simulated: bool = False) -> None:
        metric = metric_numbers(self.connection, ["camera.observed"])["camera.observed"]
        self._many(
            "INSERT INTO observation VALUES (%s, %s, %s, 0, %s, 1.0)",
            [
                (self.at(s + 0.999999), self.device["cam"], metric, simulated)
                for s in range(begin, end)
            ],
        )
        for second in {60 * (s // 60) for s in range(begin, end)}:
            self.mark(second, simulated=simulated)

    def passes(
        self, second: float, *, line: str = "out", speed: float = 13.0, cls: int = 5,
        track: int = 1, direction: int = 1, simulated: bool = False,
    ) -> None:  # fmt: skip
        self._many(
            "INSERT INTO event VALUES (%s, %s, %s, 'crossing', %s, %s, %s, %s, %s, %s, 0.9)",
            [
                (
                    self.at(second),
                    self.device["cam"],
                    BOOT,
                    line,
                    direction,
                    cls,
                    track,
                    simulated,
                    speed,
                )
            ],
        )
        self.mark(second, simulated=simulated)

    def drives(
        self, track: int, seconds: tuple[float, float], start: tuple[float, float],
        velocity: tuple[float, float], *, cls: int = 5, size: tuple[float, float] = (4.5, 1.8),
        heading: float | None = None,
    ) -> None:  # fmt: skip
        """Straight and uniform, in pieces of a second, none of which crosses a minute."""
        heading = float(np.arctan2(velocity[1], velocity[0])) if heading is None else heading
        for begin in np.arange(seconds[0], seconds[1], 1.0):
            since = np.arange(0, 1, 0.1) + (begin - seconds[0])
            n = len(since)
            row: list[Any] = [
                self.at(begin), self.at(begin + 0.9), self.device["cam"], BOOT, track, cls, False,
                *size, (np.arange(n) * 100_000).tolist(),
                (start[0] + velocity[0] * since).tolist(),
                (start[1] + velocity[1] * since).tolist(),
                [velocity[0]] * n, [velocity[1]] * n, [heading] * n, [0.2] * n,
            ]  # fmt: skip
            places = ", ".join(["%s"] * 9 + ["packed(%s::int[])"] + ["packed(%s::real[])"] * 6)
            self._many(f"INSERT INTO track_piece VALUES ({places})", [row])  # noqa: S608
        for minute in {int(s // 60) for s in np.arange(seconds[0], seconds[1], 1.0)}:
            self.mark(60 * minute)

    def signal(self, begin: float, *, green: float = 20, yellow: float = 3, phase: int = 2) -> None:
        events = ((begin, 1), (begin + green, 8), (begin + green + yellow, 10))
        self._many(
            "INSERT INTO signal_event VALUES (%s, %s, %s, %s, false)",
            [(self.at(s), self.device["controller"], code, phase) for s, code in events],
        )
        self.mark(begin)

    def batch(self, second: float, seq: int, *, late: float = 0.3, device: str = "cam") -> None:
        captured = psycopg.types.range.TimestamptzRange(
            self.at(second), self.at(second + 0.2), "[]"
        )
        sent, stored = self.at(second + 0.25), self.at(second + late)
        self._many(
            "INSERT INTO batch VALUES (%s, %s, %s, %s, %s, %s, %s, 'obs', 1, 100, '', 0, 0, false)",
            [(stored, stored, sent, captured, self.device[device], BOOT, seq)],
        )
        self.mark(second)

    def clocks_agree(self, *minutes: int) -> None:
        """Batches of camera and controller that say how right their clocks are: to the bit."""
        for minute in minutes or (0, 1):
            for device in ("cam", "controller"):
                self.batch(60 * minute, minute + 1, device=device)

    def loses(self, second: float, first: int, end: int) -> None:
        self._many(
            "INSERT INTO loss VALUES (%s, %s, int8range(%s, %s), 'outbox-full', %s)",
            [(self.device["cam"], BOOT, first, end, self.at(second))],
        )
        self.mark(second)

    def _many(self, statement: str, rows: list[Any]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def parts(self, *, simulated: bool = False) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Present parts by (second of the minute, metric, part, direction, class)."""
        rows = self.connection.execute(
            "SELECT * FROM metric_current WHERE simulated = %s", [simulated]
        )
        names = [c.name for c in rows.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        return {
            (
                int((r["minute"] - START).total_seconds()),
                r["metric"], r["part"], r["direction"], r["class"],
            ): r
            for r in found
        }  # fmt: skip

    def revisions(self) -> dict[int, int]:
        rows = self.connection.execute("SELECT minute, revision FROM metric_window").fetchall()
        return {int((minute - START).total_seconds()): revision for minute, revision in rows}


class Clock:
    """Time that a test sets, in seconds after the start."""

    def __init__(self) -> None:
        self.second = 3600.0

    def __call__(self) -> int:
        return to_micros(START) + round(self.second * MICROSECONDS)


@pytest.fixture
def settings(database_url: str) -> AnalyticsSettings:
    return AnalyticsSettings(database_url=database_url, settle_s=0, quiet_s=0, patience_s=0)


@pytest.fixture
def street(settings: AnalyticsSettings) -> Iterator[Street]:
    with connect(settings) as connection:
        yield Street(connection)


@pytest.fixture
async def pool(settings: AnalyticsSettings) -> AsyncIterator[Pool]:
    async with open_pool(settings) as pool:
        yield pool


@pytest.fixture
async def reader(pool: Pool) -> AsyncIterator[AsyncConnection]:
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        yield connection


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(pool: Pool, settings: AnalyticsSettings, clock: Clock) -> Worker:
    return Worker(pool, settings, clock)
