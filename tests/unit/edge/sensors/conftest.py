"""A sensor that runs as in the agent, and serial ports that are pseudo-terminals."""

import os
import pty
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge.batches import Scalar, SignalEvent
from edge.sensors.kinds import read_sensor
from edge.sensors.run import SensorRun

NOW = 1_760_000_000_000_000

Samples = list[Scalar | SignalEvent]


class Running:
    """A sensor in a thread of its own, and what it said."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.samples: Samples = []
        self.run = SensorRun(read_sensor(table), self.samples.extend, self.clock)
        self._thread = threading.Thread(target=self.run.run, kwargs={"until_done": False})
        self._thread.start()

    def clock(self) -> int:
        return NOW

    def values(self, metric: str) -> list[float]:
        return [s.value for s in self.samples if isinstance(s, Scalar) and s.metric == metric]

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait for it."""
        deadline = time.monotonic() + 20
        while not condition():
            assert self._thread.is_alive(), "it runs until it is told to stop"
            assert time.monotonic() < deadline, f"only {self.samples}"
            time.sleep(0.01)

    def stop(self) -> None:
        self.run.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def start(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Running]]:
    caplog.set_level("INFO")
    started: list[Running] = []

    def start(**table: Any) -> Running:
        started.append(Running(table))
        return started[-1]

    yield start
    for running in started:
        running.stop()


class SerialPort:
    """The far end of a serial port, which is plugged in at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self.far, near = pty.openpty()
        tty.setraw(near)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(near))
        self._near = near

    def unplug(self) -> None:
        os.close(self._near)
        os.close(self.far)
        self.path.unlink()

    def say(self, data: bytes) -> None:
        os.write(self.far, data)


@pytest.fixture
def make_port(tmp_path: Path) -> Iterator[Callable[[str], SerialPort]]:
    made: list[SerialPort] = []

    def make(name: str) -> SerialPort:
        made.append(SerialPort(tmp_path / name))
        return made[-1]

    yield make
    for port in made:
        with suppress(OSError):
            port.unplug()


@pytest.fixture
def port(make_port: Callable[[str], SerialPort]) -> SerialPort:
    return make_port("ttyUSB0")
