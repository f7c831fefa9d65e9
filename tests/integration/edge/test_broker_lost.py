import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tepna.stack import Stack


@pytest.fixture
def own_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A broker of the test's own, to be killed; a database is not needed."""
    monkeypatch.setenv("TEPNA_DATABASE_URL", "postgresql://nowhere")
    monkeypatch.delenv("TEPNA_MQTT_URL", raising=False)
    stack = Stack(tmp_path / "stack")
    with stack:
        yield stack
    stack.remove()


@pytest.fixture
def mqtt_url(own_stack: Stack) -> str:
    return own_stack.endpoints.mqtt_url


@pytest.fixture
def device_url(own_stack: Stack) -> Callable[[str], str]:
    return own_stack.add_device


def test_a_killed_broker_costs_nothing(
    own_stack: Stack,
    platform: Any,
    run_agent: Any,
    shared_data: Path,
    tmp_path: Path,
    eventually: Callable[..., Any],
) -> None:
    source = str(shared_data / "video" / "pets09_s2l1.avi")
    agent = run_agent(camera__source=source, uplink__resend_after_s="2")
    eventually("frames", lambda: platform.values("camera.frames"))
    platform.says_durable = False  # some are acknowledged by the broker, and die with it
    before = len(platform.batches)
    eventually("more batches", lambda: len(platform.batches) > before + 3)
    own_stack.kill("mosquitto")
    eventually("the loss", lambda: "uplink lost" in agent.log)
    platform.says_durable = True
    own_stack.restart("mosquitto")
    eventually("the way back", lambda: agent.log.count("uplink connected") > 1)
    known = max(seq for _, seq in platform.batches)
    eventually("batches after it", lambda: max(seq for _, seq in platform.batches) > known + 5)
    (boot,) = platform.boots()
    eventually("a drained outbox", lambda: platform.values("agent.backlog_age_s")[-1] < 2)
    assert agent.terminate() == 0
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as db:
        ((end,),) = db.execute("SELECT next FROM boot").fetchall()
        left = {seq for (seq,) in db.execute("SELECT seq FROM batch")}
    assert platform.seqs(boot) | left == set(range(end))
    assert all(len(digests) == 1 for digests in platform.digests.values())
    assert agent.log.count("uplink lost") == 1, "said once"
