"""Duplicates: rows a second when every batch is delivered twice, against once.

What comes a second time comes right after the first. The time runs until ingest has acknowledged
the last of them, whether it was new or not.
"""

import argparse
import json
import statistics
import urllib.request
from functools import partial

from benchmarks.flow import ROWS, end_to_end, scalars
from benchmarks.machine import machine
from benchmarks.street import free_port, ingest, street
from contracts.batch import encode
from storage.pool import StorageSettings, connect

GOAL = 0.8
PUBLISHERS = 2
LOOK = 0.1  # [s]; to ask for the meters costs the workers time


def messages(ports: range) -> int:
    """Count what the workers have committed and acknowledged since they started."""
    lines: list[str] = []
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines += answer.read().decode().splitlines()
    return int(sum(float(x.split()[1]) for x in lines if x.startswith("tepna_ingest_messages_t")))


def is_over(ports: range, expected: int) -> bool:
    """Tell whether they have committed so many."""
    return messages(ports) >= expected


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=1500, help="batches a publisher and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes of ingest")
    arguments = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    total, port = PUBLISHERS * arguments.batches, free_port()
    ports = range(port, port + arguments.workers)
    with street(PUBLISHERS) as where:
        storage = StorageSettings(database_url=where.database_url)
        with (
            connect(storage) as connection,
            ingest(where, "--metrics-port", str(port), workers=arguments.workers),
        ):
            for _ in range(arguments.rounds):
                for times, found in rates.items():
                    sent = {
                        device: [
                            payload
                            for batch in scalars(device, arguments.batches)
                            for payload in [encode(batch)] * times
                        ]
                        for device in where.devices
                    }
                    expected = messages(ports) + times * total
                    over = partial(is_over, ports, expected)
                    took = end_to_end(where, connection, "obs", sent, over, LOOK)
                    found.append(total * ROWS / took)
    ratio = statistics.median(rates[2]) / statistics.median(rates[1])
    result = {
        "name": "duplicates",
        "ratio": round(ratio, 3),
        "goal": GOAL,
        "holds": ratio >= GOAL,
        "delivered_twice_rows_per_s": [round(x) for x in rates[2]],
        "baseline": "the same, every batch delivered once",
        "baseline_rows_per_s": [round(x) for x in rates[1]],
        "workers": arguments.workers,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
