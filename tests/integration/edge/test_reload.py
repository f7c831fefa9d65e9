"""An agent whose file changes while it runs: only what changed begins anew."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from contracts.clock import utc_now

Eventually = Callable[..., Any]


class Lines(StreamRequestHandler):
    """Sends a value ten times a second to whoever connects."""

    def handle(self) -> None:
        server: Any = self.server
        server.connections += 1
        while not server.gone.wait(0.1):
            line = {"t": utc_now(), "metric": server.metric, "value": 1.0}
            try:
                self.wfile.write(json.dumps(line).encode() + b"\n")
            except OSError:
                break
        server.left.set()


@pytest.fixture
def gauge() -> Iterator[Callable[[str], Any]]:
    """Make sensors, each at a port of its own."""
    servers: list[Any] = []

    def make(metric: str) -> Any:
        server: Any = ThreadingTCPServer(("127.0.0.1", 0), Lines)
        server.metric, server.connections = metric, 0
        server.gone, server.left, server.daemon_threads = threading.Event(), threading.Event(), True
        server.url = f"tcp://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.gone.set()
        server.shutdown()
        server.server_close()


def names(platform: Any, kind: str) -> list[str]:
    """What each event of a kind was about."""
    return [
        batch.names[index]
        for batch in list(platform.batches.values())
        if batch.schema.startswith("events/") and kind in batch.names
        for index in batch.columns["object"][
            batch.columns["kind"] == batch.names.index(kind)
        ].tolist()
    ]


def test_only_what_changed_begins_anew(
    platform: Any,
    run_agent: Any,
    config: Path,
    gauge: Any,
    shared_data: Path,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    stays, goes, comes = gauge("air.temperature"), gauge("air.humidity"), gauge("air.pressure")
    base = config.read_text()
    video = shared_data / "video" / "pets09_s2l1.avi"
    camera = f"camera:\n  source: {video}\n  lines: [{{id: x, a: [0.5, 1], b: [0.5, 0]}}]\n"
    two = "sensors:\n  - source: {}\n  - source: {}\n"

    def write(*parts: str) -> None:
        other = tmp_path / "other"
        other.write_text("".join((base, *parts)))
        other.replace(config)

    write(camera, two.format(stays.url, goes.url))
    agent = run_agent()
    eventually("frames", lambda: platform.values("camera.frames"))
    eventually("both", lambda: stays.connections and goes.connections)
    child = agent.child().pid

    write(camera, two.format(stays.url, comes.url))
    eventually("the new sensor", lambda: platform.values("air.pressure"))
    eventually("the end of the old one", goes.left.is_set)
    assert agent.child().pid == child, "the camera was not touched"

    write(camera, "  clock: sundial\n", two.format(stays.url, comes.url))
    eventually("a refusal", lambda: names(platform, "config.refused"))
    agent.process.send_signal(signal.SIGHUP)
    camera = camera.replace("0.5, 1]", "0.4, 1]")
    write(camera, two.format(stays.url, comes.url))
    eventually("another process", lambda: agent.child().pid != child)
    eventually("two changes", lambda: len(names(platform, "config.applied")) == 2)
    frames = len(platform.values("camera.frames"))
    eventually("frames again", lambda: len(platform.values("camera.frames")) > frames)

    write("uplink:\n  keepalive_s: 33\n", camera, two.format(stays.url, comes.url))
    eventually("two refusals", lambda: len(names(platform, "config.refused")) == 2)
    assert agent.terminate() == 0
    assert names(platform, "config.applied") == ["sensors", "camera"]
    wrong, restart = names(platform, "config.refused")
    assert "agent.yaml:6: camera.clock is 'sundial': " in wrong
    assert restart == "uplink: needs a restart"
    assert agent.log.count("the configuration stays as it was") == 1
    assert (stays.connections, goes.connections, comes.connections) == (1, 1, 1)
    assert platform.events("camera.lost") == []
    (boot,) = platform.boots()
    assert platform.seqs(boot) == set(range(len(platform.seqs(boot))))
