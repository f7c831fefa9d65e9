"""Overload: memory of ingest at twice the sustainable rate, against half of it; nothing is lost.

Agents keep what they cannot send and send again what did not get durable. The sustainable rate is
measured first, with a backlog. Resident memory is sampled each second, and its peaks are compared.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.fleet import Plan, fleet
from benchmarks.flow import ROWS, scalars
from benchmarks.machine import machine
from benchmarks.street import Street, ingest, street
from storage.pool import Connection, StorageSettings, connect

GOAL = 1.3
AGENTS = 20
WINDOW = 64
CLEAR = "TRUNCATE observation, dirty"  # the ledger stays: what is sent again later is still known
STORED = """
SELECT (SELECT count(DISTINCT (device, boot, seq)) FROM batch WHERE stored >= %(since)s),
       (SELECT count(*) FROM observation)"""


def resident(pid: int) -> float:
    """Resident memory of a process. [MiB]."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def sustainable(where: Street, plan: Plan) -> float:
    """Drain a backlog. [batches/s]."""
    begun = time.monotonic()
    total = plan.backlog * len(where.devices)
    with fleet(where.devices, plan) as reports:
        for report in reports:
            if report.durable >= total:
                return total / (time.monotonic() - begun)
    msg = "the fleet has ended"
    raise RuntimeError(msg)


class Loaded(NamedTuple):
    """What came of a load."""

    peak: float  # of resident memory [MiB]
    lost: int  # batches
    doubled: int  # rows
    took: float  # until all was durable [s]


def load(where: Street, connection: Connection, plan: Plan, pid: int) -> Loaded:
    """Load for a while and drain."""
    connection.execute(CLEAR)
    since = datetime.now(UTC)
    peak, begun = 0.0, time.monotonic()
    with fleet(where.devices, plan) as reports:
        for report in reports:
            peak = max(peak, resident(pid))
            elapsed = time.monotonic() - begun
            if elapsed > plan.seconds + 2 and report.durable >= report.made:
                break
    [(batches, rows)] = connection.execute(STORED, {"since": since}).fetchall()
    return Loaded(peak, report.made - batches, rows - batches * ROWS, elapsed)


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="of each load")
    arguments = parser.parse_args()
    with street(AGENTS) as where:
        storage = StorageSettings(database_url=where.database_url)
        [batch] = scalars("", 1)
        with connect(storage) as connection, ingest(where) as pid:
            at_rest = resident(pid)
            rate = sustainable(where, Plan(batch, "obs", WINDOW, backlog=150))
            half, double = [
                load(
                    where,
                    connection,
                    Plan(
                        batch,
                        "obs",
                        WINDOW,
                        rate=share * rate / AGENTS,
                        seconds=arguments.seconds,
                    ),
                    pid,
                )
                for share in (0.5, 2.0)
            ]
    ratio, lost = double.peak / half.peak, half.lost + double.lost
    doubled = half.doubled + double.doubled
    result = {
        "name": "overload",
        "ratio": round(ratio, 3),
        "goal": GOAL,
        "holds": ratio <= GOAL and lost == 0 and doubled == 0,
        "resident_mib": round(double.peak, 1),
        "baseline": "peak of resident memory at half the sustainable rate",
        "baseline_mib": round(half.peak, 1),
        "at_rest_mib": round(at_rest, 1),
        "lost_batches": lost,
        "doubled_rows": doubled,
        "sustainable_rows_per_s": round(rate * ROWS),
        "seconds": arguments.seconds,
        "seconds_until_drained": round(double.took),
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
