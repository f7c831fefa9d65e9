"""Probes over a link whose delay, loss and rate are the test's, to a real broker and ingest."""

import json
import threading
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from typer.testing import CliRunner

from contracts.batch import SCHEMAS, Batch
from contracts.chrony import ClockQuality
from contracts.clock import MICROSECONDS, utc_now
from edge.batches import Scalar
from edge.cli import app
from edge.config import AgentConfig, read_config
from edge.outbox import Outbox
from edge.probing.command import connected
from edge.probing.cost import PILOT, Costs
from edge.probing.prober import Prober
from edge.probing.run import Probing
from edge.probing.settings import Probes
from edge.traffic import LIVE
from edge.uplink import Uplink
from ingest.inbox import Inbox
from ingest.receiver import Receiver
from ingest.settings import IngestSettings
from tests.integration.edge.far import Far

SLACK = 0.05  # of a busy machine [s]
AHEAD = 1.5  # of ingest's clock, which it knows to `ERROR` [s]
ERROR = 0.002  # [s]
LOST_AFTER = 0.3  # [s]


@pytest.fixture
def far(mqtt_url: str) -> Iterator[Far]:
    """Give the broker from far away."""
    parts = urlsplit(mqtt_url)
    far = Far((parts.hostname or "", parts.port or 0))
    yield far
    far.close()


@pytest.fixture
def settings(
    far: Far, identity: str, device_url: Callable[[str], str], config: Path
) -> AgentConfig:
    """Settings of a device there."""
    account, _, _ = device_url(identity).rpartition("@")
    url = f"{account}@{far.address[0]}:{far.address[1]}"
    config.write_text(f"device: {identity}\nprobes: {{lost_after_s: {LOST_AFTER}}}\n")
    return read_config(config, [f"uplink.url={url}"], environment={})


@pytest.fixture
def prober(settings: AgentConfig) -> Iterator[Prober]:
    with connected(settings) as prober:
        yield prober


def test_the_round_trip_is_the_delay_there_and_back(far: Far, prober: Prober) -> None:
    assert (prober.round_trip() or 1) < SLACK
    far.up, far.down = 0.03, 0.06
    trips = [trip for _ in range(5) if (trip := prober.round_trip()) is not None]
    assert len(trips) == 5
    assert 0.09 <= min(trips) < 0.09 + SLACK


def test_what_does_not_come_back_in_time_is_lost_also_if_it_comes_late(
    far: Far, prober: Prober
) -> None:
    lost = []
    for stalled in (False, True, True, False, False, True, False):
        (far.stall if stalled else far.go_on)()
        lost.append(isnan(prober.round_trip() or 0))
    assert lost == [False, True, True, False, False, True, False]


@pytest.mark.parametrize("kbit_s", [400, 4000])
def test_a_train_finds_the_rate_of_the_narrowest_link(
    far: Far, prober: Prober, kbit_s: int
) -> None:
    far.rate, far.up = 125.0 * kbit_s, 0.02
    found = [rate for _ in range(3) if (rate := prober.rate(lambda: True)) is not None]
    assert len(found) == 3
    best = min(found, key=lambda rate: rate.sd)
    assert best.rate == pytest.approx(125.0 * kbit_s, rel=0.15)


def test_no_train_follows_a_pilot_that_met_data(prober: Prober, settings: AgentConfig) -> None:
    costs = Costs(settings.device, sealed=False)
    prober.take_bytes()
    assert prober.rate(lambda: False) is None
    piece = costs.publication("load", 1200) + costs.acknowledgement()
    assert prober.take_bytes() == PILOT * piece


@pytest.fixture
def ingest(mqtt_url: str, eventually: Callable[..., Any]) -> Iterator[None]:
    """Give an ingest whose clock is ahead, and which knows by how much."""
    settings = IngestSettings(
        database_url="postgresql://nowhere", mqtt_url=mqtt_url, ingest_client="test-probes"
    )
    receiver = Receiver(
        settings,
        Inbox(10_000),  # what other tests had retained comes, too
        lambda: utc_now() + round(AHEAD * MICROSECONDS),
        quality=lambda: ClockQuality(AHEAD, ERROR),
    )
    receiver.start()
    eventually("a subscription", receiver.subscribed.is_set)
    yield
    receiver.stop()


@pytest.mark.usefixtures("ingest")
def test_each_way_has_its_own_delay_with_the_error_of_both_clocks(far: Far, prober: Prober) -> None:
    far.up, far.down = 0.08, 0.01
    found = [delays for _ in range(3) if (delays := prober.one_way(ClockQuality(0.0, 0.001)))]
    assert [delays.reason for delays in found] == ["", "", ""]
    best = min(found, key=lambda delays: delays.up + delays.down)
    assert 0.08 - ERROR <= best.up < 0.08 + SLACK
    assert 0.01 - ERROR <= best.down < 0.01 + SLACK
    assert best.error == pytest.approx(ERROR + 0.001)


@pytest.mark.usefixtures("ingest")
@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (ClockQuality(), "this box's clock is not known"),
        (ClockQuality(1, 0.001), "a clock is wrong"),
    ],
)
def test_a_delay_that_cannot_be_known_or_cannot_be_true_is_none(
    prober: Prober, own: ClockQuality, reason: str
) -> None:
    found = prober.one_way(own)
    assert found is not None
    assert reason in found.reason
    assert isnan(found.up)
    assert isnan(found.error)


def test_without_ingest_there_is_no_delay(prober: Prober) -> None:
    found = prober.one_way(ClockQuality(0.0, 0.001))
    assert found is not None
    assert found.reason == "ingest does not answer"


def test_nothing_is_sent_while_the_outbox_is_behind(
    settings: AgentConfig, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    late, added = [0], list[Scalar]()
    boot, device = UUID(int=1), settings.device

    def clock() -> int:
        return utc_now() + late[0]

    with Outbox(tmp_path / "o", device=device, boot=boot, max_bytes=1 << 20, clock=clock) as outbox:
        uplink = Uplink(settings, outbox, clock=clock)
        costs = Costs(device, sealed=False)
        probing = Probing(
            Probes(bytes_per_day=1_000_000_000, lost_after_s=0.1),
            costs,
            uplink,
            tmp_path / "probes",
            add=added.extend,
            quality=ClockQuality,
            clock=clock,
        )
        uplink.prober = probing.prober
        uplink.start(pytest.fail)

        def turn() -> list[Scalar]:
            added.clear()
            probing.turn()
            return added

        eventually("a probe", turn)
        assert {s.metric for s in added} >= {"probe.lost", "probe.round_trip", "probe.bytes"}
        schema = SCHEMAS["obs/2"]
        batch = Batch(
            schema=schema.id, device=device, boot=boot, seq=0, sent_at=0, columns=schema.empty()
        )
        outbox.append([batch])
        eventually("one more beside a batch that is young", turn)
        late[0] = LIVE + MICROSECONDS
        probing.prober.take_bytes()
        pause = threading.Event()
        for _ in range(8):  # time enough for five round trips
            assert turn() == []
            pause.wait(0.05)
        assert probing.prober.take_bytes() == 0
        outbox.durable(boot, [(0, 1)])
        eventually("a probe again", turn)
        uplink.close(5.0)


def test_an_agent_tells_what_its_probes_found(
    run_agent: Callable[..., Any], platform: Any, eventually: Callable[..., Any], tmp_path: Path
) -> None:
    agent = run_agent(simulated="false", probes__bytes_per_day="1000000000")
    eventually("a round trip", lambda: platform.values("probe.round_trip"))
    assert set(platform.values("probe.lost")) == {0.0}
    assert agent.terminate() == 0
    assert sum(platform.values("probe.bytes")) > 0
    assert (tmp_path / "outbox.sqlite.probes").exists()
    assert "Traceback" not in agent.log


def test_the_command_says_it_with_units(far: Far, settings: AgentConfig, config: Path) -> None:
    far.up = 0.02
    url = settings.uplink.url.get_secret_value()
    given = ["probe", str(config), "--set", f"uplink.url={url}", "--count", "3"]
    given += ["--set", "probes.lost_after_s=0.2"]
    done = CliRunner().invoke(app, [*given, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert 20 <= found["round_trip_p50_ms"] < 20 + 1e3 * SLACK
    assert found["round_trip_p95_ms"] is None, "three are too few to tell"
    assert found["lost"] == 0
    assert found["delay_up_ms"] is None
    assert found["bytes"] > 3 * 300
    wrong = CliRunner().invoke(app, [*given[:2], "--set", "uplink.url=mqtt://127.0.0.1:1"])
    assert wrong.exit_code == 2
