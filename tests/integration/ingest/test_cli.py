"""`tepna ingest run` as a process: it starts, counts, and leaves when asked."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import IngestSettings
from storage.pool import connect

WORKERS = "SELECT worker FROM ingest_worker"
COMMAND = [sys.executable, "-c", "from tepna.cli import main; main()", "ingest", "run"]


@pytest.fixture
def environment(settings: IngestSettings) -> dict[str, str]:
    return {
        **os.environ,
        "TEPNA_DATABASE_URL": settings.database_url.get_secret_value(),
        "TEPNA_MQTT_URL": settings.mqtt_url.get_secret_value(),
        "TEPNA_INGEST_CLIENT": settings.ingest_client,
    }


@contextmanager
def running(
    environment: dict[str, str], log: Path, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("w") as output,
        subprocess.Popen([*COMMAND, *arguments], env=environment, stderr=output) as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_works_until_it_is_asked_to_leave(
    street: Any, eventually: Any, environment: dict[str, str], tmp_path: Path, number: int
) -> None:
    device = street.device("cam-1")
    log = tmp_path / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(environment, log, "--metrics-port", str(port)) as process:
        eventually("subscription", lambda: "subscribed" in log.read_text())
        device.send(device.batch(rows=7))
        eventually("durable", lambda: device.is_durable(0))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            counted = answer.read().decode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            health = json.load(answer)
        [(worker,)] = eventually("its word to the database", lambda: street.rows(WORKERS))
        process.send_signal(number)
        assert process.wait(20) == 0
    assert "tepna_ingest_rows_total 7.0" in counted
    assert (health["state"], health["reading"], health["broker_lost_since"]) == ("ok", True, None)
    assert worker == environment["TEPNA_INGEST_CLIENT"]
    assert street.rows(WORKERS) == []  # who leaves in order is not missed
    for secret in ("TEPNA_DATABASE_URL", "TEPNA_MQTT_URL"):
        assert environment[secret].split(":")[2].split("@")[0] not in log.read_text()


def test_says_what_is_not_set(environment: dict[str, str], tmp_path: Path) -> None:
    del environment["TEPNA_MQTT_URL"]
    with running(environment, tmp_path / "log") as process:
        assert process.wait(20) == 2
    assert "TEPNA_MQTT_URL" in (tmp_path / "log").read_text()


def test_says_that_the_schema_is_missing(
    street: Any,
    settings: IngestSettings,
    eventually: Any,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with connect(settings) as connection:
        connection.execute("DROP TABLE device CASCADE")
    device = street.device("cam-1", registered=False)
    with running(environment, log) as process:
        eventually("subscription", lambda: "subscribed" in log.read_text())
        device.send(device.batch())
        assert process.wait(20) == 1
    assert "tepna db migrate" in log.read_text()
