"""Mosquitto with what docker-compose.yml gives it, on the local stack's program."""

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tepna.stack.packages import Servers, servers_root
from tepna.stack.places import cache_folder, server_account
from tepna.stack.secret_files import write_secrets
from tepna.stack.server import choose_port, port_is_free

PROJECT = Path(__file__).resolve().parents[3]
DEADLINE = 20.0  # [s]


class Program:
    """A broker that can be ended and started again."""

    def __init__(self, settings: Path, port: int) -> None:
        self._settings, self._port = settings, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = Servers(servers_root(cache_folder(server_account()))).mosquitto
        account = server_account()
        self._process = subprocess.Popen(  # noqa: S603
            [program, "-c", self._settings], user=account.uid if account else None
        )
        end = time.monotonic() + DEADLINE
        while port_is_free(self._port):
            assert self._process.poll() is None, "ended early"
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(DEADLINE)


class Broker(NamedTuple):
    """A broker that takes TLS connections only."""

    port: int  # where accounts are let in
    certificate_port: int  # where certificates are
    secrets: Path
    program: Program


def paths(compose: dict[str, Any], secrets: Path, data: Path) -> dict[str, Path]:
    """Where each path of the container is on this machine, by docker-compose.yml."""
    service = compose["services"]["mosquitto"]
    found = {
        f"/run/secrets/{name}": secrets / Path(compose["secrets"][name]["file"]).name
        for name in service["secrets"]
    }
    for volume in service["volumes"]:
        source, target, *_ = volume.split(":")
        found[target] = PROJECT / source if source.startswith(".") else data
    return found


@contextmanager
def compose_broker(devices: Sequence[str]) -> Iterator[Broker]:
    """Run it, paths and ports put right."""
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    folder = Path(tempfile.mkdtemp())
    data = folder / "data"
    data.mkdir()
    write_secrets(folder / "secrets", ["127.0.0.1"], devices)
    found = paths(compose, folder / "secrets", data)
    shared = Path("/mosquitto/shared/mosquitto.conf")
    (folder / "shared").mkdir()
    shutil.copy(found[str(shared)], folder / "shared")
    text = found["/mosquitto/config/mosquitto.conf"].read_text()
    every = {**found, str(shared.parent): folder / "shared"}
    for inside in sorted(every, key=len, reverse=True):  # none is the beginning of another's rest
        text = text.replace(inside, str(every[inside]))
    port, certificate_port = choose_port(None), choose_port(None)
    for number, own in (("8883", port), ("8884", certificate_port)):
        text = re.sub(rf"listener {number}", f"listener {own} 127.0.0.1", text)
    settings = folder / "mosquitto.conf"
    settings.write_text(text.replace(str(PROJECT / "deploy"), str(folder / "shared")))
    shutil.copy(PROJECT / "deploy" / "mosquitto.acl", folder / "shared")
    account = server_account()
    if account is not None:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, account.uid, account.gid)
    program = Program(settings, certificate_port)
    program.start()
    try:
        yield Broker(port, certificate_port, folder / "secrets", program)
    finally:
        program.stop()
        shutil.rmtree(folder)
