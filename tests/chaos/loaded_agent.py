"""An agent under load: the real outbox and the real uplink, fed with samples that are counted.

Each sample's value is a number that no other sample has. After the outbox has taken a batch, the
journal gets a line with the first and the end of its numbers: from then on they are promised.
"""

import os
import signal
import sys
import threading
import uuid
from pathlib import Path

import numpy as np

from contracts.batch import Batch
from contracts.clock import utc_now
from edge.config import read_config
from edge.outbox import Outbox
from edge.uplink import Uplink

ROWS = 20
PACE = 0.02  # a batch every so often [s]


def main(config_file: Path, journal_file: Path, first: int) -> None:
    """Append and send until SIGTERM; then send the rest and leave."""
    config = read_config(config_file)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    outbox = Outbox(
        config.outbox.path,
        device=config.device,
        boot=uuid.uuid4(),
        max_bytes=config.outbox.max_bytes,
        clock=utc_now,
    )
    uplink = Uplink(config, outbox, clock=utc_now)
    uplink.start(lambda _: os.abort())
    with outbox, journal_file.open("a") as journal:
        while not stopping.wait(PACE):
            outbox.append([batch(config.device, outbox.boot, first)])
            journal.write(f"{first} {first + ROWS}\n")
            journal.flush()
            uplink.wake()
            first += ROWS
        while outbox.stock().batches:
            uplink.wake()
            threading.Event().wait(PACE)
        uplink.close(5)


def batch(device: str, boot: uuid.UUID, first: int) -> Batch:
    """Make samples of one metric, numbered in their values."""
    return Batch(
        schema="obs/1",
        device=device,
        boot=boot,
        seq=0,  # the outbox numbers it
        sent_at=0,
        names=["number"],
        columns={
            "t": utc_now() - np.arange(ROWS)[::-1] * 1000,
            "metric": np.zeros(ROWS, np.uint16),
            "value": np.arange(first, first + ROWS, dtype=np.float64),
            "quality": np.zeros(ROWS, np.uint8),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
