"""The newest value of each series, each clock's least delay: the order of arrival is nothing."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

from contracts.clock import from_micros
from storage.clocks import WINDOW, Sending, estimate, keep_clocks, spans
from storage.latest import Latest, keep_latest
from storage.pool import Connection, StorageSettings, connect

START = 1_800_000_000_000_000 // WINDOW * WINDOW
Row = tuple[int, int, bool, int, int, float, int]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(StorageSettings(database_url=database_url)) as connection:
        yield connection


def rows_of(rng: random.Random) -> list[Row]:
    """Make samples of a few series, some captured at once, none received at once."""
    return [
        (rng.randint(1, 2), rng.randint(1, 3), rng.random() < 0.3, START + rng.randint(0, 9),
         START + 100 + n, rng.random(), n % 4)
        for n in range(60)
    ]  # fmt: skip


def newest_of(rows: list[Row]) -> dict[tuple[int, int, bool], Row]:
    return {row[:3]: row for row in sorted(rows, key=lambda row: row[3:5])}


@pytest.mark.parametrize("seed", range(3))
def test_late_never_overwrites_newer(connection: Connection, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    rows = rows_of(rng)
    arriving = rows.copy()
    rng.shuffle(arriving)
    while arriving:
        group, arriving = arriving[:7], arriving[7:]
        chosen = newest_of(group).values()
        keep_latest(connection, Latest(*map(np.array, zip(*chosen, strict=True))))
    found = connection.execute(
        "SELECT device, metric, simulated, captured, received, value, quality FROM latest"
    ).fetchall()
    wanted = [
        (*row[:3], from_micros(row[3]), from_micros(row[4]), *row[5:])
        for row in newest_of(rows).values()
    ]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("seed", range(3))
def test_clocks_in_any_order(connection: Connection, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    sendings = [
        Sending(rng.randint(1, 2), rng.random() < 0.5, START + after - rng.randint(1, 10**7),
                START + after)
        for after in (rng.randrange(2 * WINDOW) for _ in range(40))
    ]  # fmt: skip
    wanted = spans(sendings)
    rng.shuffle(sendings)
    while sendings:
        keep_clocks(connection, spans(sendings[:6]))
        sendings = sendings[6:]
    found = connection.execute("SELECT device, simulated, since, least FROM device_clock")
    assert {(d, s, at): least for d, s, at, least in found} == {
        (d, s, from_micros(at)): least for (d, s, at), least in wanted.items()
    }


def test_old_spans_go(connection: Connection) -> None:
    for n in range(10):
        received = START + n * WINDOW
        for device in (1, 2):
            keep_clocks(connection, spans([Sending(device, False, received - n - 1, received)]))
    found = connection.execute("SELECT since, least FROM device_clock WHERE device = 1")
    known = dict(found.fetchall())
    assert sorted(known.values()) == [8, 9, 10]
    now = from_micros(START + 10 * WINDOW)
    newest = {at: least for at, least in known.items() if least > 8}
    assert estimate(known, now) == estimate(newest, now)
