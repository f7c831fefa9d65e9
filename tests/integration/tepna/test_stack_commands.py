"""`tepna up`, `down`, `status` and `doctor`, as somebody types them."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tepna.stack import Stack
from tepna.stack.packages import servers_root
from tepna.stack.places import cache_folder, server_account
from tepna.stack.state import supervisor_runs

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("commands") / "home"
    yield folder
    Stack(folder).remove()


@pytest.fixture
def run(home: Path) -> Run:
    """Run a command of tepna in this home."""

    def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        known = {k: v for k, v in os.environ.items() if not k.startswith("TEPNA_")}
        return subprocess.run(  # noqa: S603
            [sys.executable, "-c", "from tepna.cli import main; main()", *arguments],
            env={**known, "TEPNA_HOME": str(home), **more}, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def empty_cache() -> Iterator[Path]:
    """Give a cache without servers, where the servers' user could reach it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_up_status_doctor_and_down(run: Run, home: Path) -> None:
    up = run("up")
    assert up.returncode == 0, up.stderr
    assert re.search(r"postgres +127\.0\.0\.1:\d+ +\d+", up.stdout)
    assert re.search(r"mosquitto +127\.0\.0\.1:\d+ +\d+", up.stdout)

    again = run("up")
    assert again.stdout == up.stdout
    assert run("status").stdout == up.stdout
    exports = run("status", "--env").stdout
    assert f"export TEPNA_DATABASE_URL={Stack(home).endpoints.database_url}\n" in exports

    doctor = run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert re.search(
        r"ok +database: TimescaleDB 2\.\d+\.\d+ on PostgreSQL 17.*C\.UTF-8", doctor.stdout
    )
    assert re.search(r"ok +broker:", doctor.stdout)
    assert re.search(r"ok +packages: \d{3,} files", doctor.stdout)

    down = run("down")
    assert down.returncode == 0, down.stderr
    assert not supervisor_runs(home)
    assert "No local stack runs here" in run("down").stdout


def test_status_without_a_stack_says_how_to_start_one(run: Run, home: Path) -> None:
    status = run("status")
    assert status.returncode == 1
    assert str(home) in status.stderr
    assert "tepna up" in status.stderr


def test_without_apt_one_message_names_the_other_ways(run: Run, empty_cache: Path) -> None:
    up = run("up", PATH="", XDG_CACHE_HOME=str(empty_cache))
    assert up.returncode == 1
    for word in ("no APT", "Docker Compose", "TEPNA_DATABASE_URL", "TEPNA_MQTT_URL"):
        assert word in up.stderr
    assert "Traceback" not in up.stderr
    doctor = run("doctor", PATH="", XDG_CACHE_HOME=str(empty_cache))
    assert doctor.returncode == 1
    assert re.search(r"bad +APT: This system has no APT", doctor.stdout)


def test_the_doctor_names_a_dead_server_and_the_fix(run: Run, home: Path) -> None:
    with Stack(home) as stack:
        stack.kill("mosquitto")
        doctor = run("doctor")
        status = run("status")
    assert doctor.returncode == 1
    assert re.search(r"bad +broker:.*\n.*-> tepna down; tepna up", doctor.stdout)
    assert re.search(r"ok +database:", doctor.stdout)
    assert "has died" in status.stdout


def test_the_doctor_finds_a_changed_file(run: Run, empty_cache: Path) -> None:
    servers = servers_root(cache_folder(server_account()))
    copy = empty_cache / "tepna" / servers.name
    shutil.copytree(servers, copy, symlinks=True)
    library = next(copy.rglob("timescaledb.so"))
    library.write_bytes(b"X" + library.read_bytes()[1:])  # of the same size
    doctor = run("doctor", XDG_CACHE_HOME=str(empty_cache))
    assert doctor.returncode == 1
    assert re.search(rf"bad +packages: 1 files.*{library.name}", doctor.stdout)
    library.unlink()
    up = run("up", XDG_CACHE_HOME=str(empty_cache))
    assert up.returncode == 1
    assert f"rm -r {copy}" in up.stderr
