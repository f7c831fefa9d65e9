"""What the supervisor knows of a server: how to start it, when it is ready, how to end it."""

import ctypes
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from signal import Signals
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PORTS = range(20_000, 30_000)  # below the ports that outgoing connections are given
PAUSE = 0.02  # [s] between two looks at something that takes its time
STOP_DEADLINE = 20.0  # [s]
LOG_LIMIT = 10_000_000  # [bytes] a larger log is set aside at the next start


class Server(NamedTuple):
    """A server that can be started, again and again."""

    name: str
    command: list[str]
    port: int
    log: Path
    stop_signal: Signals  # ends it cleanly and at once
    is_ready: Callable[[int], bool]  # does the process of this id answer?


def ending_with_parent(number: Signals) -> Callable[[], None]:
    """Give a function for a new process: its parent's end sends it this signal, come what may."""
    libc, parent = ctypes.CDLL(None), os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)

    return ask_the_kernel


def port_is_free(port: int) -> bool:
    """Try to take the port as the servers will."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose_port(preferred: int | None) -> int:
    """Keep the port of last time while it is free, else take any; somebody may still be faster."""
    if preferred is not None and port_is_free(preferred):
        return preferred
    for port in random.sample(PORTS, 200):
        if port_is_free(port):
            return port
    raise OSError(f"no free port in {PORTS.start} to {PORTS.stop}")


def rotate(log: Path) -> None:
    """Set a large log aside, so that two of them are the most there ever is."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
