"""Servers, a registered street and an ingest process for the benchmarks, ended with them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg

from contracts.site import Name, Site
from storage.migrate import migrate
from storage.pool import StorageSettings, connect
from storage.registry import register_device, register_site
from tepna.stack import Stack

PILOT = "benchmark"
DEADLINE = 120  # [s]


class Street(NamedTuple):
    """What a benchmark works with."""

    database_url: str
    mqtt_url: str  # of ingest's account
    devices: dict[str, str]  # identity: its address of the broker
    stack: Stack


@contextmanager
def street(devices: int) -> Iterator[Street]:
    """Start servers of our own, with a database and so many devices."""
    with tempfile.TemporaryDirectory(prefix="tepna-bench-") as home:
        stack = Stack(Path(home))
        with stack:
            server = stack.endpoints.database_url
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute("CREATE DATABASE benchmark")
            database_url = urlsplit(server)._replace(path="/benchmark").geturl()
            migrate(database_url)
            identities = [f"{PILOT}/device-{i}" for i in range(devices)]
            with connect(StorageSettings(database_url=database_url)) as connection:
                plan = Site(
                    id="here",
                    pilot=PILOT,
                    name=Name(cs="Zde", en="Here"),
                    latitude=50,
                    longitude=14,
                    speed_limit_km_h=50,
                )
                register_site(connection, plan)
                for identity in identities:
                    name = identity.split("/")[1]
                    register_device(connection, pilot=PILOT, site="here", name=name)
            addresses = {identity: stack.add_device(identity) for identity in identities}
            yield Street(database_url, stack.endpoints.mqtt_url, addresses, stack)
        stack.remove()


@contextmanager
def ingest(where: Street, *arguments: str, workers: int = 1) -> Iterator[int]:
    """Run ingest as its own process, and wait until all have subscribed; gives its process id."""
    environment = {
        **os.environ,
        "TEPNA_DATABASE_URL": where.database_url,
        "TEPNA_MQTT_URL": where.mqtt_url,
    }
    command = [sys.executable, "-c", "from ingest.cli import app; app()", "run"]
    command += ["--workers", str(workers), *arguments]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=environment, stderr=said)  # noqa: S603  # ours
        try:
            until("ingest's subscription", lambda: _said(said.fileno(), b"subscribed") == workers)
            yield process.pid
        finally:
            process.terminate()
            process.wait(DEADLINE)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, happened: Callable[[], bool], wait: float = 0.01) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        if time.monotonic() > deadline:
            msg = f"{what}: not within {DEADLINE} s"
            raise TimeoutError(msg)
        time.sleep(wait)


def _said(file: int, word: bytes) -> int:
    return os.pread(file, 1 << 20, 0).count(word)
