"""The street as a process: what its clients get."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest

PILOT = Path(__file__).parents[3] / "pilots" / "usti-belehradska"


class Process:
    """A running `tepna sim run`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.truth, endpoints = folder / "truth.jsonl", folder / "endpoints.json"
        self._popen = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-c", "from simulators.cli import app; app()", "run", str(PILOT)),
                *("--port", "0", "--truth", str(self.truth), "--endpoints", str(endpoints)),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 120
        while not endpoints.exists():
            assert self._popen.poll() is None, self._popen.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.told: dict[str, Any] = json.loads(endpoints.read_text())
        self.devices: dict[str, dict[str, str]] = self.told["devices"]

    def stop(self) -> None:
        """Ask it to end."""
        self._popen.send_signal(signal.SIGTERM)

    def end(self) -> dict[str, int]:
        """Wait for its end, which must be clean; gives its figures."""
        out, err = self._popen.communicate(timeout=120)
        assert (self._popen.returncode, err) == (0, "")
        told, figures = map(json.loads, out.splitlines())
        assert told == self.told
        return dict(figures)

    def kill(self) -> None:
        """End it, however it is."""
        self._popen.kill()
        self._popen.communicate()


@pytest.fixture
def street(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Process]:
    process = Process(tmp_path, *request.param)
    yield process
    process.kill()


def lines(url: str) -> Iterator[dict[str, Any]]:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        for line in connection.makefile():
            yield json.loads(line)


@pytest.mark.parametrize("street", [("--seed", "3", "--duration", "12")], indirect=True)
def test_a_camera_is_a_stream_with_its_own_clock(street: Process) -> None:
    with av.open(street.devices["cam-1"]["camera"], timeout=(60, 60)) as container:
        unit = container.streams.video[0].time_base
        frames = [(frame.pts, frame.width, frame.height) for frame in container.decode(video=0)]
    assert unit is not None
    assert unit.denominator == 1_000_000
    times = [pts for pts, *_ in frames]
    assert all((pts - street.told["start"]) % 100_000 == 0 for pts in times)
    assert times == sorted(set(times))
    assert times[-1] == street.told["start"] + 12_000_000, "the last step's picture arrives"
    assert abs(street.told["start"] / 1e6 - time.time()) < 600, "captured now, by the clock"
    assert {(w, h) for _, w, h in frames} == {(640, 360)}
    figures = street.end()
    assert figures["steps"] == 120
    assert figures["passages"] == len(street.truth.read_text().splitlines())


@pytest.mark.parametrize(
    "street",
    [("--duration", "20", "--speed", "4", "--start", "2026-05-04T07:00:00Z")],
    indirect=True,
)
def test_the_controller_and_the_modem_say_what_happens(street: Process) -> None:
    start = 1_777_878_000_000_000
    assert street.told["start"] == start
    modem = lines(street.devices["cam-2"]["modem"])
    first = next(modem)
    log = list(lines(street.devices["controller"]["sensors"]))
    events = [e for e in log if "code" in e]
    assert all(set(e) == {"t", "code", "parameter"} for e in events)
    assert {e["code"] for e in events} <= {1, 8, 10, 11, 21, 22, 23, 81, 82}
    assert all(start <= e["t"] <= start + 20_000_000 for e in events)
    degrees = [e["t"] for e in log if e.get("metric") == "air.temperature"]
    assert all(t % 1_000_000 == 0 for t in degrees)
    assert len(degrees) >= 15
    readings = [first, *modem]
    assert {r["metric"] for r in readings} == {
        f"modem.{n}" for n in ("rsrp", "rsrq", "sinr", "cell", "round_trip", "uplink")
    }
    assert readings[-1]["t"] == start + 20_000_000
    assert street.end()["dropped"] == 0


@pytest.mark.parametrize("street", [("--seed", "3")], indirect=True)
def test_it_ends_cleanly_when_asked(street: Process) -> None:
    stream = lines(street.devices["cam-1"]["modem"])
    next(stream)
    street.stop()
    for _ in stream:
        pass  # to the end of the stream: the client is told
    figures = street.end()
    assert figures["pictures"] == 0, "nobody watched"
    assert 0 < figures["steps"] < 1000


def test_wrong_input_is_explained() -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [sys.executable, "-c", "from simulators.cli import app; app()", "run", *options],
            capture_output=True,
            text=True,
            check=False,
        )

    nowhere = run("pilots/atlantis")
    assert nowhere.returncode == 1
    assert "site.toml" in nowhere.stderr
    endless = run(str(PILOT), "--speed", "10", "--port", "0")
    assert endless.returncode == 1
    assert "--start" in endless.stderr
