"""Ingest: scalar rows a second from the publishers to the commit, against raw binary COPY.

The baseline writes the same rows, already encoded and sorted, over one connection into the same
table by COPY in transactions of the same size. Both alternate, and the medians are compared.
"""

import argparse
import json
import statistics

from benchmarks.flow import GROUP, ROWS, committed, end_to_end, raw_copy, scalars
from benchmarks.machine import machine
from benchmarks.street import ingest, street
from contracts.batch import encode
from storage.pool import StorageSettings, connect

GOAL = 0.9
PUBLISHERS = 2


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=4000, help="batches a publisher and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes of ingest")
    arguments = parser.parse_args()
    ours, theirs = [], []
    total = PUBLISHERS * arguments.batches
    with street(PUBLISHERS) as where:
        storage = StorageSettings(database_url=where.database_url)
        with connect(storage) as connection, ingest(where, workers=arguments.workers):
            for _ in range(arguments.rounds):
                sent = {device: scalars(device, arguments.batches) for device in where.devices}
                encoded = {device: [encode(b) for b in some] for device, some in sent.items()}
                took = end_to_end(
                    where, connection, "obs", encoded, lambda: committed(connection) >= total
                )
                ours.append(total * ROWS / took)
                theirs.append(raw_copy(connection, sent))
    ratio = statistics.median(ours) / statistics.median(theirs)
    result = {
        "name": "ingest",
        "ratio": round(ratio, 3),
        "goal": GOAL,
        "holds": ratio >= GOAL,
        "end_to_end_rows_per_s": [round(x) for x in ours],
        "baseline": "one connection, binary COPY of the same rows into the same table",
        "baseline_rows_per_s": [round(x) for x in theirs],
        "rows_per_batch": ROWS,
        "batches_per_transaction": GROUP,
        "workers": arguments.workers,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
