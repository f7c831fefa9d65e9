"""What the database holds at the end of a run, as plain values; windows are computed afresh."""

import asyncio
from collections import Counter, defaultdict
from typing import Final

from analytics.jobs.inputs import TABLES, digests, read_inputs, whole_digest
from analytics.jobs.window import compute
from analytics.metrics import Thresholds
from contracts.batch import Batch, BatchError, decode
from storage.pool import AsyncConnection, Connection, StorageSettings, connect, open_pool
from storage.windows import Window as Name
from tests.chaos.checker import Dump, Ledger, Loss, Window

METRIC: Final = "chaos.number"
"""The metric whose values are the samples' numbers; events and tracks have the same numbers."""

# Each stream holds a sample's number in a column of its own.
NUMBERS: Final = {"obs": "value", "events": "value", "tracks": "track"}

SAMPLES: Final = f"""
SELECT pilot || '/' || name, number, count(*) FROM (
    SELECT device, value::int8 AS number FROM observation JOIN metric USING (metric)
    WHERE metric.name = '{METRIC}'
    UNION ALL SELECT device, value::int8 FROM event
    UNION ALL SELECT device, track FROM track_point
) AS sample JOIN device USING (device)
GROUP BY 1, 2"""  # noqa: S608  # our own constant
LEDGER: Final = """
SELECT pilot || '/' || name, replace(boot::text, '-', ''),
       ARRAY(SELECT ARRAY[lower(r), upper(r)] FROM unnest(committed) r),
       ARRAY(SELECT ARRAY[lower(r), upper(r)] FROM unnest(lost) r)
FROM ledger JOIN device USING (device)"""
LOSSES: Final = """
SELECT pilot || '/' || name, replace(boot::text, '-', ''), lower(seqs), upper(seqs), reason
FROM loss JOIN device USING (device)"""
LETTERS: Final = "SELECT identity, reason, payload FROM dead_letter"
# Stored, though apart: captured at a time that nobody believes.
UNCONFIRMED: Final = """
SELECT pilot || '/' || name, payload FROM unconfirmed JOIN device USING (device)"""
DIRTY: Final = "SELECT count(*) FROM dirty"
# Every minute in which anything lies that a window is computed from, and every one computed.
WINDOWS: Final = """
SELECT site, minute, simulated FROM metric_window
UNION SELECT site, date_trunc('minute', captured), simulated
    FROM observation JOIN device USING (device)
UNION SELECT site, date_trunc('minute', captured), simulated FROM event JOIN device USING (device)
UNION SELECT site, date_trunc('minute', captured), simulated
    FROM track_piece JOIN device USING (device)
UNION SELECT site, date_trunc('minute', lower(captured)), simulated
    FROM batch JOIN device USING (device) WHERE NOT isempty(captured)
UNION SELECT site, date_trunc('minute', reported_at), false FROM loss JOIN device USING (device)
ORDER BY 1, 2, 3"""
COMPUTED: Final = """
SELECT digest, revision FROM metric_window WHERE (site, minute, simulated) = (%s, %s, %s)"""
PARTS: Final = """
SELECT metric, part, direction, class, n, total, squares, inverse, peak, histogram, observed,
       wanted
FROM metric_minute WHERE (site, minute, simulated, revision) = (%s, %s, %s, %s)"""


def read_dump(settings: StorageSettings) -> Dump:
    """Read everything that the checker wants to know; nobody may be writing any more."""
    with connect(settings) as connection:
        samples: dict[str, Counter[int]] = defaultdict(Counter)
        for device, number, times in connection.execute(SAMPLES):
            samples[device][number] = times
        letters = Counter((d, r, bytes(p)) for d, r, p in connection.execute(LETTERS))
        for device, _, payload in letters.elements():
            samples[device].update(numbers_of(payload, device))
        for device, payload in connection.execute(UNCONFIRMED):
            samples[device].update(numbers_of(bytes(payload), device))
        ledger: dict[str, dict[str, Ledger]] = defaultdict(dict)
        for device, boot, committed, lost in connection.execute(LEDGER):
            ledger[device][boot] = Ledger(committed, lost)
        losses: dict[str, list[Loss]] = defaultdict(list)
        for device, *loss in connection.execute(LOSSES):
            losses[device].append(Loss(*loss))
        return Dump(
            samples=samples,
            ledger=ledger,
            losses=losses,
            letters=letters,
            windows=asyncio.run(_windows(settings, connection)),
            dirty=count_dirty(connection),
        )


def count_dirty(connection: Connection) -> int:
    """Count the marks that are not worked off."""
    row = connection.execute(DIRTY).fetchone()
    assert row is not None
    return int(row[0])


def numbers_of(payload: bytes, device: str) -> list[int]:
    """Numbers of the samples that a good device's dead letter holds; garbage holds none."""
    try:
        batch = decode(payload)
    except BatchError:
        return []
    return [] if batch.device != device else batch_numbers(batch)


def batch_numbers(batch: Batch) -> list[int]:
    """Numbers of a batch's samples."""
    column = NUMBERS.get(batch.schema.partition("/")[0])
    return [] if column is None else [int(number) for number in batch.columns[column]]


async def _windows(settings: StorageSettings, connection: Connection) -> list[Window]:
    names = [Name(*row) for row in connection.execute(WINDOWS).fetchall()]
    async with open_pool(settings) as pool, pool.connection() as own:
        return [await _window(own, name) for name in names]


async def _window(connection: AsyncConnection, name: Name) -> Window:
    found = await (await connection.execute(COMPUTED, name)).fetchone()
    stored = None
    if found is not None:
        rows = await (await connection.execute(PARTS, [*name, found[1]])).fetchall()
        stored = (bytes(found[0]), sorted(map(_comparable, rows)))
    inputs = await read_inputs(connection, name, Thresholds())
    parts = digests(inputs)
    fresh = (whole_digest(parts), sorted(_comparable(part) for part in compute(inputs).parts))
    minute = f"{name.minute:%Y-%m-%d %H:%M}"
    return Window(minute, stored, fresh, empty=not any(parts[t]["rows"] for t in TABLES))


def _comparable(row: tuple) -> tuple:
    """Make NaN equal to itself, and a list of bins a plain one."""
    return tuple(
        repr(list(value))
        if hasattr(value, "__iter__") and not isinstance(value, str)
        else repr(float(value))
        if isinstance(value, float)
        else str(value)
        for value in row
    )
