"""Tepna's own programs as child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

PR_SET_PDEATHSIG: Final = 1
STOP_DEADLINE: Final = 15.0  # [s]
PAUSE: Final = 0.05  # [s]
TAIL: Final = 15  # lines of a log that are shown when its program fails


class ProcessEndedError(RuntimeError):
    """A program ended that was to go on; its last words follow."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        super().__init__("\n".join([f"{name} ended with {code}; the whole log: {log}", *words]))
        self.name = name
        self.code = code


class NotReadyError(RuntimeError):
    """A program did not become ready in time."""


class Processes:
    """Programs started one after another and ended the other way round.

    Parameters
    ----------
    logs
        Folder that gets one log a program.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start ``tepna ARGUMENTS``; secrets go by environment, never by argument."""
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "tepna", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C is the parent's: it ends them in order
                preexec_fn=end_with_parent(),  # noqa: PLW1509  # started before any thread
            )

    def check(self) -> None:
        """Notice a program that ended by itself, other than cleanly.

        Raises
        ------
        ProcessEndedError
            If one did.
        """
        for name, process in self._running.items():
            if process.poll():
                raise ProcessEndedError(name, process.returncode, self._log(name))

    def running(self, name: str) -> bool:
        """Tell whether a program still runs."""
        return self._running[name].poll() is None

    def wait_for(self, what: str, ready: Callable[[], bool], deadline: float) -> None:
        """Wait until ``ready`` says so while every program runs.

        Raises
        ------
        NotReadyError
            After ``deadline`` seconds.
        """
        end = time.monotonic() + deadline
        while not ready():
            self.check()
            if time.monotonic() > end:
                msg = f"{what} is not ready after {deadline:.0f} s; the logs are in {self._logs}"
                raise NotReadyError(msg)
            time.sleep(PAUSE)

    def stop(self, *names: str) -> None:
        """End programs, all of them when none is named: the last started first."""
        for name in names or tuple(reversed(self._running)):
            process = self._running.pop(name)
            process.terminate()
            try:
                process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def end_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Make what a child runs before its program, so that the kernel ends it with its parent."""
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return arrange
