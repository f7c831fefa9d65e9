"""`tepna edge probe`: each probe once or a few times, over a connection of its own."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isnan, nan
from typing import Any, Final, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from contracts.chrony import clock_quality
from contracts.clock import utc_now
from contracts.topics import topic
from edge.config import AgentConfig
from edge.errors import ProbeError
from edge.probing.cost import Costs
from edge.probing.figures import Jitter, Rate, quantile
from edge.probing.prober import Delays, Prober
from edge.probing.run import MBIT, MS

PATIENCE: Final = 10.0
"""For the broker to let us in. [s]"""
PAUSE: Final = 0.1
"""Between two probes. [s]"""
DELAYS: Final = 5
"""One-way delays that are looked at; the one of the shortest way there and back counts."""


class Found(NamedTuple):
    """What the probes say; in SI units, nan where it is not known."""

    trips: Sequence[float]  # of those that came back [s]
    sent: int
    jitter: float  # [s]
    delays: Delays
    rate: Rate  # [byte/s]
    bytes: int  # of the link, as estimated

    def document(self) -> dict[str, Any]:
        """Figures in the units of the metrics; None is not known."""
        figures = {
            **{f"round_trip_p{q}_ms": MS * quantile(self.trips, q / 100) for q in (50, 95, 99)},
            "jitter_ms": MS * self.jitter,
            "lost": 1 - len(self.trips) / self.sent if self.sent else nan,
            "delay_up_ms": MS * self.delays.up,
            "delay_down_ms": MS * self.delays.down,
            "delay_error_ms": MS * self.delays.error,
            "uplink_mbit_s": self.rate.rate / MBIT,
            "uplink_sd_mbit_s": self.rate.sd / MBIT,
        }
        known = {name: None if isnan(x) else round(x, 3) for name, x in figures.items()}
        return {"probes": self.sent, **known, "bytes": self.bytes}

    def lines(self) -> Iterator[str]:
        """Say it to who stands at the box."""
        said = {name: "?" if x is None else f"{x:g}" for name, x in self.document().items()}
        yield (
            f"round trip  {said['round_trip_p50_ms']} ms (median), {said['round_trip_p95_ms']} ms"
            f" (p95), {said['round_trip_p99_ms']} ms (p99), jitter {said['jitter_ms']} ms"
        )
        yield f"lost        {self.sent - len(self.trips)} of {self.sent}"
        if self.delays.reason:
            yield f"one way     not known: {self.delays.reason}"
        else:
            yield (
                f"one way     {said['delay_up_ms']} ms up, {said['delay_down_ms']} ms down,"
                f" each by {said['delay_error_ms']} ms at most"
            )
        if isnan(self.rate.rate):
            yield "uplink      not known: a train did not come through"
        else:
            least = "at least " if isnan(self.rate.sd) else ""
            sd = "" if least else f", standard error {said['uplink_sd_mbit_s']} Mbit/s"
            yield f"uplink      {least}{said['uplink_mbit_s']} Mbit/s{sd}"
        yield f"cost        {self.bytes} bytes of the link, as estimated"


def probe(config: AgentConfig, count: int) -> Found:
    """Probe the link of this configuration, so many times its round trip.

    Raises
    ------
    ProbeError
        If the broker does not let us in.
    """
    with connected(config) as prober:
        trips, jitter = [], Jitter()
        smoothed = nan
        for _ in range(count):
            trip = prober.round_trip()
            trips.append(nan if trip is None else trip)
            if not isnan(trips[-1]):
                smoothed = jitter.add(trips[-1])
            time.sleep(PAUSE)
        own = clock_quality()
        delays = [prober.one_way(own) or Delays(reason="the link went") for _ in range(DELAYS)]
        best = min(delays, key=lambda d: (bool(d.reason), d.up + d.down))
        rate = prober.rate(lambda: True) or Rate(nan, nan)
        back = [trip for trip in trips if not isnan(trip)]
        return Found(back, count, smoothed, best, rate, prober.take_bytes())


@contextmanager
def connected(config: AgentConfig) -> Iterator[Prober]:
    """Connect under a name that does not end the agent's session."""
    where = config.uplink.broker(config.device)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(where.user, where.password)
    if where.tls:
        client.tls_set_context(config.uplink.tls())

    def send(what: str, payload: bytes, *, qos: int) -> int | None:
        info = client.publish(topic(config.device, "probe", what), payload, qos=qos)
        return info.mid if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    prober = Prober(
        send,
        Costs(config.device, sealed=where.tls),
        lost_after=config.probes.lost_after_s,
        clock=utc_now,
    )
    ready = threading.Event()
    said: list[Any] = []

    def on_connect(*given: Any) -> None:
        said.append(given[3])
        if given[3].is_failure:
            ready.set()
        client.subscribe([(topic(config.device, "probe", w), 0) for w in ("echo", "received")])

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    client.on_publish = lambda *given: prober.acknowledged(given[2])
    client.on_message = lambda *given: prober.hear(
        given[2].topic.rpartition("/")[2], bytes(given[2].payload)
    )
    client.on_socket_open = lambda *given: given[2].setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )
    client.connect_timeout = PATIENCE
    try:
        client.connect(where.host, where.port)
    except OSError as fault:
        msg = f"{where.host}:{where.port}: {fault}; see `tepna edge doctor`"
        raise ProbeError(msg) from fault
    client.loop_start()
    try:
        if not ready.wait(PATIENCE) or said[-1].is_failure:
            why = f"refuses {where.user}: {said[-1]}" if said else "does not answer"
            msg = f"{where.host}:{where.port} {why}; see `tepna edge doctor`"
            raise ProbeError(msg)
        yield prober
    finally:
        client.disconnect()
        client.loop_stop()
