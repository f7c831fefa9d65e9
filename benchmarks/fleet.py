"""Many agents in one process: each with a connection, an outbox, and the window of a real one.

A batch is sent again until ingest says that it is durable. Its bytes are a template with the
sequence number filled in, so the fleet costs little beside what it measures.
"""

import multiprocessing
import statistics
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

import msgspec
from pydantic import SecretStr

from contracts.batch import Batch, encode
from contracts.broker import read_broker
from contracts.messages import DURABLE, Ranges
from contracts.topics import topic
from edge.outbox import Waiting
from edge.window import Window
from ingest import packets
from ingest.link import KEEPALIVE, Link
from ingest.packets import Kind, Publication

FIRST: Final = 1_000_000
"""First sequence number: large enough that all are written with the same number of bytes."""

PLACE: Final = 0x7A7B7C7D
RESEND_S: Final = 10.0
SWEEP_S: Final = 0.02
SHOWN_S: Final = 1.0
TICK_S: Final = 1.0


class Plan(NamedTuple):
    """What each agent does."""

    batch: Batch  # the pattern of all its batches
    stream: str
    window: int  # batches that may await `durable`
    backlog: int = 0  # batches that wait from the start
    rate: float = 0.0  # new batches a second, that go first
    seconds: float = 0.0  # for so long


class Report(NamedTuple):
    """How far the fleet is."""

    made: int
    durable: int
    backlog: int  # of the old ones, how many are not durable
    lags: list[float]  # how old the newest durable batch of each agent is [s]


class _Agent:
    def __init__(self, identity: str, url: str, plan: Plan) -> None:
        self._plan = plan
        self._boot = uuid.uuid4()
        pattern = msgspec.structs.replace(plan.batch, device=identity, boot=self._boot, seq=PLACE)
        self._head, self._tail = encode(pattern).split(PLACE.to_bytes(4, "big"))
        self._topic = topic(identity, "up", plan.stream)
        self._window = Window(plan.window, RESEND_S)
        self._old = deque(range(FIRST, FIRST + plan.backlog))
        self._new = deque[int]()
        self._next = FIRST + plan.backlog
        self._born: dict[int, float] = {}
        self._waiting: set[int] = set()  # sent, and not durable
        self._packet = 1
        self._changed = 0.0  # when there was something to choose last
        self.backlog = plan.backlog
        self.made = self.durable = 0
        self._newest = 0.0  # when the newest durable one was made
        broker = read_broker(SecretStr(url))
        self._link = Link(broker, None)
        hello = (identity, broker.user, broker.password, KEEPALIVE, 100, 0)
        self._link.send(packets.connect(*hello))
        self._link.send(packets.subscribe(1, [topic(identity, "durable")]))
        self.ready = False

    def step(self, since: float, now: float) -> None:
        """Make what is due, hear what is durable, send what the window lets out."""
        changed = now - self._changed > TICK_S
        for packet in self._link.exchange(reading=True, patience=0):
            changed = True
            if isinstance(packet, Publication):
                self._link.send(packets.puback(packet.packet))
                self._settle(DURABLE.decode(packet.payload).ranges, now)
            elif packet.kind == Kind.PUBACK:
                self._window.acknowledged(packet.packet, now)
            elif packet.kind == Kind.SUBACK:
                self.ready = True
        due = int(min(now - since, self._plan.seconds) * self._plan.rate) if since else 0
        while self.made < due:
            self.made += 1
            self._new.append(self._next)
            self._born[self._next] = since + self.made / self._plan.rate
            self._next += 1
            changed = True
        if since and changed:
            self._changed = now
            self._send(now)

    def _send(self, now: float) -> None:
        reach = self._window.reach
        newest = list(islice(reversed(self._new), reach))
        oldest = list(islice(chain(self._old, self._new), reach))
        flying = self._waiting.difference(newest, oldest)
        old = [self._known(n) for n in chain(flying, oldest)]
        for batch in self._window.choose([self._known(n) for n in newest], old, now):
            if batch.seq not in self._waiting:
                self._waiting.add(batch.seq)
                (self._new if batch.seq in self._born else self._old).remove(batch.seq)
            self._packet = self._packet % 0xFFFF + 1
            payload = self._head + batch.seq.to_bytes(4, "big") + self._tail
            self._link.send(packets.publish(self._packet, self._topic, payload))
            self._window.sent(batch, self._packet, now)

    def lag(self, since: float, now: float) -> float:
        """How old the newest is that is durable. [s]."""
        return now - max(since, self._newest)

    def _known(self, seq: int) -> Waiting:
        return Waiting(seq, self._boot, seq, self._plan.stream)

    def _settle(self, ranges: Ranges, now: float) -> None:
        self._window.durable(self._boot, ranges, now)
        for seq in [s for s in self._waiting if any(a <= s < b for a, b in ranges)]:
            self._waiting.discard(seq)
            self.durable += 1
            born = self._born.pop(seq, None)
            if born is None:
                self.backlog -= 1
            else:
                self._newest = max(self._newest, born)


def _run(addresses: dict[str, str], plan: Plan, pipe: Connection) -> None:
    agents = [_Agent(identity, url, plan) for identity, url in addresses.items()]
    while not all(agent.ready for agent in agents):
        for agent in agents:
            agent.step(0.0, time.monotonic())
        time.sleep(SWEEP_S)
    pipe.send(None)
    pipe.recv()
    since = shown = time.monotonic()
    while not pipe.poll():
        begun = time.monotonic()
        for agent in agents:
            agent.step(since, time.monotonic())
        if begun - shown >= SHOWN_S:
            shown = begun
            pipe.send(
                Report(
                    sum(agent.made for agent in agents),
                    sum(agent.durable for agent in agents),
                    sum(agent.backlog for agent in agents),
                    [agent.lag(since, begun) for agent in agents],
                )
            )
        time.sleep(max(0.0, SWEEP_S - (time.monotonic() - begun)))


@contextmanager
def fleet(addresses: dict[str, str], plan: Plan) -> Iterator[Iterator[Report]]:
    """Run agents in a process of their own; gives a report each second, from when all set out."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_run, args=(addresses, plan, theirs), daemon=True)
    process.start()
    try:
        ours.recv()
        ours.send(None)
        yield iter(ours.recv, None)
    finally:
        ours.send(None)
        process.join(5)
        process.kill()


def percentile_95(values: list[float]) -> float:
    """Value that 95 of 100 do not exceed."""
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else 0.0
