"""Agents, ingest and analytics as processes that can be killed, paused and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.chaos.checker import Journal, Taken
from tests.chaos.loaded_agent import SPARE

DEADLINE = 60.0
LIFE = 1_000_000  # numbers that one life of an agent may use
HERE = Path(__file__).parent


def eventually(what: str, happened: Callable[[], bool]) -> None:
    """Wait for a condition without which nothing can go on."""
    if not in_time(happened):
        pytest.fail(f"{what} did not happen within {DEADLINE} s")


def in_time(happened: Callable[[], bool]) -> bool:
    """Wait for a condition; say whether it came true."""
    end = time.monotonic() + DEADLINE
    while not (said := happened()) and time.monotonic() < end:
        time.sleep(0.05)
    return said


class Process:
    """A program that is to live until somebody here ends it."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.command = list(command)
        self._log = log
        self._environment = {**os.environ, **environment}
        self._begun = 0  # where in the log this life begins
        self.kills = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it if it does not run."""
        if self.process is not None:
            return
        with self._log.open("a") as log:
            self._begun = log.tell()
            self.process = subprocess.Popen(  # noqa: S603
                self.command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def order(self, line: str) -> None:
        """Tell it something on its input; who is dead hears nothing."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(f"{line}\n")
                self.process.stdin.flush()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.check()
        self.close()

    def close(self) -> None:
        """End it, whatever became of it."""
        if self.process is not None:
            self.process.kill()
            self._bury()
            self.kills += 1

    def pause(self) -> None:
        """Let it stand still."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it cleanly."""
        if self.process is not None:
            self.check()
            self.process.terminate()
            status = self.process.wait(DEADLINE)
            self._bury()
            assert status == 0, f"{self.name} ended with {status}: {self.said()}"

    def check(self) -> None:
        """Nobody ends by himself."""
        if self.process is not None and (status := self.process.poll()) is not None:
            pytest.fail(f"{self.name} ended by itself with {status}: {self.said()}")

    def said(self, most: int = 3000) -> str:
        """Say the end of what it has logged, 0: all of it."""
        return self._log.read_text()[-most:] if self._log.exists() else ""

    def has_said(self, text: str) -> bool:
        """Whether it has logged this in its present life."""
        return text in self._log.read_text()[self._begun :]

    def _bury(self) -> None:
        assert self.process is not None
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        self.process = None


class Agent(Process):
    """An agent with an outbox of its own, under load."""

    def __init__(
        self,
        identity: str,
        url: str,
        folder: Path,
        *,
        outbox: Path,
        max_bytes: int,
        twice: bool = False,
        within: Sequence[str] = (),
    ) -> None:
        name = identity.rpartition("/")[2]
        config = folder / f"{name}.yaml"
        config.write_text(
            f"device: {identity}\n"
            f'uplink:\n  url: "{url}"\n  resend_after_s: 1\n  keepalive_s: 5\n'
            f'outbox:\n  path: "{outbox}"\n'
        )
        command = [*within, sys.executable, str(HERE / "loaded_agent.py"), str(config)]
        super().__init__(name, command, folder / f"{name}.log", {})
        self.identity = identity
        self.outbox = outbox
        self._flags = [str(max_bytes), *(["--twice"] if twice else [])]
        self._bare = command
        self.taken: list[Taken] = []
        self.dropped: int | None = None
        self._reading: threading.Thread | None = None

    @property
    def journal(self) -> Journal:
        """What it has said of itself."""
        assert self.dropped is not None, f"{self.name} did not finish"
        return Journal(self.taken, self.dropped, spare=self.kills * SPARE)

    def start(self) -> None:
        """Start it, with numbers that none of its lives had."""
        if self.process is None:
            self.command = [*self._bare, str(self.kills * LIFE), *self._flags]
            super().start()
            self._reading = threading.Thread(target=self._read, args=[self.process])
            self._reading.start()

    def finish(self) -> None:
        """Take no more, and send the rest: once this life has taken anything."""
        begun = self.kills * LIFE
        eventually(
            f"the start of {self.name}",
            lambda: bool(self.taken) and self.taken[-1].first >= begun,
        )
        self.order("finish")

    def join(self) -> None:
        """Wait until the rest is sent."""
        assert self.process is not None
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} did not get rid of its outbox: {self.said()}")
        assert status == 0, f"{self.name} ended with {status}: {self.said()}"
        self._bury()

    def _bury(self) -> None:
        assert self.process is not None
        self.process.wait()
        if self._reading is not None:
            self._reading.join()
        super()._bury()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            match line.split():
                case ["took", boot, seq, first, end]:
                    self.taken.append(Taken(boot, int(seq), int(first), int(end)))
                case ["dropped", batches]:
                    self.dropped = int(batches)
