"""Tracks: trajectory points a second from the publishers to the commit, against scalar rows.

The baseline is raw COPY of scalar rows, as in `ingest`. A piece is what one road user does within
one batch; how long it is decides, so it is stated.
"""

import argparse
import json
import statistics

from benchmarks.flow import committed, end_to_end, raw_copy, scalars, trajectories
from benchmarks.machine import machine
from benchmarks.street import ingest, street
from contracts.batch import encode
from storage.pool import StorageSettings, connect

GOAL = 5.0
PUBLISHERS = 2
USERS = 20  # in view


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=2000, help="batches a publisher and round")
    parser.add_argument("--points", type=int, default=50, help="points of a piece")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes of ingest")
    parser.add_argument("--schema", choices=["tracks/1", "tracks/2"], default="tracks/1")
    arguments = parser.parse_args()
    ours, theirs = [], []
    total = PUBLISHERS * arguments.batches
    points = total * USERS * arguments.points
    with street(PUBLISHERS) as where:
        storage = StorageSettings(database_url=where.database_url)
        with connect(storage) as connection, ingest(where, workers=arguments.workers):
            for _ in range(arguments.rounds):
                encoded = {
                    device: [
                        encode(batch)
                        for batch in trajectories(
                            device,
                            arguments.batches,
                            users=USERS,
                            points=arguments.points,
                            schema=arguments.schema,
                        )
                    ]
                    for device in where.devices
                }
                took = end_to_end(
                    where, connection, "tracks", encoded, lambda: committed(connection) >= total
                )
                ours.append(points / took)
                sent = {device: scalars(device, arguments.batches) for device in where.devices}
                theirs.append(raw_copy(connection, sent))
    ratio = statistics.median(ours) / statistics.median(theirs)
    result = {
        "name": "tracks",
        "ratio": round(ratio, 3),
        "goal": GOAL,
        "holds": ratio >= GOAL,
        "end_to_end_points_per_s": [round(x) for x in ours],
        "baseline": "one connection, binary COPY of scalar rows",
        "baseline_rows_per_s": [round(x) for x in theirs],
        "schema": arguments.schema,
        "points_per_piece": arguments.points,
        "points_per_batch": USERS * arguments.points,
        "workers": arguments.workers,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
