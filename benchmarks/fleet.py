"""Many agents in one process: each with a connection, an outbox and a window, as real ones have.

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
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

import msgspec
from pydantic import SecretStr

from contracts.batch import Batch, encode
from contracts.broker import read_broker
from contracts.messages import DURABLE
from contracts.topics import topic
from ingest import packets
from ingest.link import KEEPALIVE, Link
from ingest.packets import Kind, Publication

FIRST: Final = 1_000_000
"""First sequence number: large enough that all are written with the same number of bytes."""

PLACE: Final = 0x7A7B7C7D
RESEND_S: Final = 10.0
SWEEP_S: Final = 0.02
SHOWN_S: Final = 1.0


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
    lags: list[float]  # of the new ones that got durable since the last report [s]


class _Agent:
    def __init__(self, identity: str, url: str, plan: Plan) -> None:
        self._plan = plan
        boot = uuid.uuid4()
        pattern = msgspec.structs.replace(plan.batch, device=identity, boot=boot, seq=PLACE)
        self._head, self._tail = encode(pattern).split(PLACE.to_bytes(4, "big"))
        self._topic = topic(identity, "up", plan.stream)
        self._old = iter(range(FIRST, FIRST + plan.backlog))
        self._left = plan.backlog
        self._next = FIRST + plan.backlog
        self._new = deque[int]()
        self._born: dict[int, float] = {}
        self._flying: dict[int, float] = {}  # when each was sent last
        self._packet = 1
        self.made = self.durable = 0
        self.lags: list[float] = []
        broker = read_broker(SecretStr(url))
        self._link = Link(broker, None)
        hello = (identity, broker.user, broker.password, KEEPALIVE, 100, 0)
        self._link.send(packets.connect(*hello))
        self._link.send(packets.subscribe(1, [topic(identity, "durable")]))
        self.ready = False

    @property
    def backlog(self) -> int:
        return self._left

    def step(self, since: float, now: float) -> None:
        """Make what is due, hear what is durable, send what the window lets out."""
        for packet in self._link.exchange(reading=True, patience=0):
            if isinstance(packet, Publication):
                self._link.send(packets.puback(packet.packet))
                self._settle(DURABLE.decode(packet.payload).ranges, now)
            elif packet.kind == Kind.SUBACK:
                self.ready = True
        if since:
            due = int(min(now - since, self._plan.seconds) * self._plan.rate)
            while self.made < due:
                self.made += 1
                self._new.append(self._next)
                self._born[self._next] = since + self.made / self._plan.rate
                self._next += 1
            for seq in self._choose(now):
                self._send(seq, now)

    def _choose(self, now: float) -> Iterator[int]:
        again = [seq for seq, sent in self._flying.items() if now - sent > RESEND_S]
        yield from again
        while len(self._flying) < self._plan.window:
            seq = self._new.popleft() if self._new else next(self._old, None)
            if seq is None:
                return
            yield seq

    def _send(self, seq: int, now: float) -> None:
        self._flying[seq] = now
        self._packet = self._packet % 0xFFFF + 1
        payload = self._head + seq.to_bytes(4, "big") + self._tail
        self._link.send(packets.publish(self._packet, self._topic, payload))

    def _settle(self, ranges: list[tuple[int, int]], now: float) -> None:
        for seq in [s for s in self._flying if any(a <= s < b for a, b in ranges)]:
            del self._flying[seq]
            self.durable += 1
            born = self._born.pop(seq, None)
            if born is None:
                self._left -= 1
            else:
                self.lags.append(now - born)


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
                    [lag for agent in agents for lag in agent.lags],
                )
            )
            for agent in agents:
                agent.lags.clear()
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
