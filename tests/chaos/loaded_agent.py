"""An agent under load: the real outbox and the real uplink, fed with samples that are counted.

Each sample's number is one that no other sample of the device has. When the outbox has taken
batches, a line on the output names them with their numbers: from then on they are promised.
Lines on the input change what happens: ``clock SECONDS`` sets its clock off by so much, ``finish``
makes it send the rest and leave; the end of the input ends it at once.
"""

import itertools
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from contracts.batch import SCHEMAS, Batch
from contracts.clock import MICROSECONDS, utc_now
from edge.config import read_config
from edge.outbox import Outbox, Waiting
from edge.uplink import Uplink

PACE = 0.05  # batches every so often [s]
REPORT = 0.5  # look for losses of earlier boots every so often [s]
ROWS = {
    "obs/1": 20, "obs/2": 20, "obs/3": 20,
    "tracks/1": 10, "tracks/2": 10, "events/1": 3, "events/2": 3,
}  # fmt: skip
EVERY = {
    "obs/1": 2, "obs/2": 2, "obs/3": 2,
    "tracks/1": 3, "tracks/2": 4, "events/1": 5, "events/2": 7,
}  # fmt: skip
"""Each so many rounds."""
SPARE = sum(ROWS.values())  # samples of one round: a kill may come before they are told


class Twice(Uplink):
    """An uplink that sends each batch twice, as a bad link or a bad implementation would."""

    def _publish(self, batch: Waiting, payload: bytes) -> None:
        super()._publish(batch, payload)
        super()._publish(batch, payload)


class Orders:
    """What the input has said so far."""

    def __init__(self) -> None:
        self.offset = 0  # of the clock [us]
        self.finishing = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def clock(self) -> int:
        """Tell the time by this agent's clock."""
        return utc_now() + self.offset

    def _listen(self) -> None:
        for line in sys.stdin:
            match line.split():
                case ["clock", seconds]:
                    self.offset = int(seconds) * MICROSECONDS
                case ["finish"]:
                    self.finishing.set()
        os._exit(1)


def main(config_file: Path, first: int, max_bytes: int, uplink_class: type[Uplink]) -> None:
    """Append and send until told to finish; then send the rest and leave."""
    orders = Orders()
    config = read_config(config_file)
    outbox = Outbox(
        config.outbox.path,
        device=config.device,
        boot=uuid.uuid4(),
        max_bytes=max_bytes,
        clock=orders.clock,
    )
    uplink = uplink_class(config, outbox, clock=orders.clock)
    uplink.start(lambda _: os.abort())
    empty = make_batch("obs/3", config.device, outbox.boot, 0, 0, 0, rows=0)
    reported = time.monotonic()
    with outbox:
        for batches in rounds(config.device, outbox.boot, first, orders):
            outbox.append(batches)
            tell(outbox.boot, batches)
            uplink.wake()
            if orders.finishing.wait(PACE):
                break
            if uplink.connected and time.monotonic() - reported > REPORT:
                outbox.report_other_boots(empty)
                reported = time.monotonic()
        drain(outbox, uplink, empty)
        os.write(sys.stdout.fileno(), f"dropped {outbox.stock().dropped}\n".encode())
        uplink.close(5)


def rounds(device: str, boot: uuid.UUID, first: int, orders: Orders) -> Iterator[list[Batch]]:
    """Make the batches of each round."""
    seq = 0
    for turn in itertools.count():
        batches = []
        for schema in (s for s in ROWS if turn % EVERY[s] == 0):
            batches.append(make_batch(schema, device, boot, seq, first, orders.clock()))
            first += ROWS[schema]
            seq += 1
        yield batches


def make_batch(
    schema: str,
    device: str,
    boot: uuid.UUID,
    seq: int,
    first: int,
    now: int,
    rows: int | None = None,
) -> Batch:
    """Make samples that are numbered in their values, or as their tracks."""
    rows = ROWS[schema] if rows is None else rows
    columns = {name: np.zeros(rows, dtype) for name, dtype in SCHEMAS[schema].dtypes.items()}
    numbers = np.arange(first, first + rows)
    columns["track" if schema.startswith("tracks") else "value"][:] = numbers
    columns["t"] += now - np.arange(rows)[::-1] * 1000
    names = ["chaos.number"] if schema.startswith("obs") else ["chaos"]
    return Batch(
        schema=schema, device=device, boot=boot, seq=seq, sent_at=0, columns=columns, names=names
    )


def tell(boot: uuid.UUID, batches: list[Batch]) -> None:
    """Promise these batches, all of them in one write: a kill tells all or nothing."""
    lines = ""
    for batch in batches:
        numbers = batch.columns["track" if batch.schema.startswith("tracks") else "value"]
        lines += f"took {boot.hex} {batch.seq} {int(numbers[0])} {int(numbers[-1]) + 1}\n"
    os.write(sys.stdout.fileno(), lines.encode())


def drain(outbox: Outbox, uplink: Uplink, empty: Batch) -> None:
    """Wait until everything is durable, and every loss is reported."""
    reported = 0
    while (stock := outbox.stock()).batches or losses(outbox):
        if stock.dropped != reported:
            outbox.append([empty])  # what it carries may itself cost another batch its place
            reported = stock.dropped
        outbox.report_other_boots(empty)
        uplink.wake()
        time.sleep(PACE)


def losses(outbox: Outbox) -> int:
    """Count the losses whose report is not durable yet."""
    with outbox._lock:
        return int(outbox._db.execute("SELECT count(*) FROM gone").fetchone()[0])


if __name__ == "__main__":
    file, number, size, *flags = sys.argv[1:]
    main(Path(file), int(number), int(size), Twice if "--twice" in flags else Uplink)
