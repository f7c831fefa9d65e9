"""Recovery: how long the backlog of 200 agents takes to drain while live data go on.

Every agent was cut off for so many minutes, closes two batches a second, and goes on doing so. A
batch has the trajectories of ten road users in half a second. Live lag is how old the newest batch
of an agent is that is durable, looked at each second.
"""

import argparse
import json
import time

from benchmarks.fleet import Plan, fleet, percentile_95
from benchmarks.flow import trajectories
from benchmarks.machine import machine
from benchmarks.street import ingest, street

LIVE_LAG_S = 2.0
RATE = 2.0  # batches a second and agent
USERS, POINTS = 10, 5
HOUR = 60.0  # [min]


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=HOUR, help="of backlog")
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--window", type=int, default=64, help="batches that await durable")
    parser.add_argument("--workers", type=int, default=2, help="processes of ingest")
    arguments = parser.parse_args()
    backlog = round(arguments.minutes * 60 * RATE)
    lags: list[float] = []
    with street(arguments.agents) as where, ingest(where, workers=arguments.workers):
        [batch] = trajectories("", 1, users=USERS, points=POINTS)
        plan = Plan(batch, "tracks", arguments.window, backlog, RATE, 86_400)
        with fleet(where.devices, plan) as reports:
            begun = time.monotonic()
            for report in reports:
                lags += report.lags
                if report.backlog == 0:
                    break
            took = time.monotonic() - begun
    lag = percentile_95(lags)
    result = {
        "name": "recovery",
        "seconds": round(took, 1),
        "seconds_for_an_hour": round(took * HOUR / arguments.minutes),
        "minutes_of_backlog": arguments.minutes,
        "agents": arguments.agents,
        "batches": backlog * arguments.agents,
        "batches_per_s": round(report.durable / took),
        "live_lag_p95_s": round(lag, 2),
        "live_lag_max_s": round(max(lags, default=0.0), 2),
        "goal": f"live lag (95th percentile) under {LIVE_LAG_S} s",
        "holds": lag < LIVE_LAG_S,
        "points_per_batch": USERS * POINTS,
        "window": arguments.window,
        "workers": arguments.workers,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
