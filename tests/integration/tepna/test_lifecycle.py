"""Servers come, go and come back: however they or their owner ended."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tepna.stack import NotRunningError, Stack, StackError
from tepna.stack.greeting import reason_code
from tepna.stack.places import run_folder, server_account
from tepna.stack.state import read_state

DEADLINE = 60.0  # [s]
OWNER = """
import sys
from pathlib import Path
from tepna.stack import Stack

with Stack(Path(sys.argv[1])) as stack:
    print("running", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a stack that is this file's own; each test finds and leaves it ended."""
    folder = tmp_path_factory.mktemp("stack") / "home"
    yield folder
    Stack(folder).remove()


def processes(home: Path) -> list[int]:
    """Every process of the stack: supervisor, servers and their children."""
    state = read_state(home)
    assert state is not None
    found = [state["supervisor"], *(server["pid"] for server in state["servers"].values())]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        found += map(int, children.read_text().split()) if children.exists() else []
    return found


def mentioning(*words: str) -> list[int]:
    """Find the processes whose command line has one of the words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be gone by now
            line = (folder / "cmdline").read_text()
            found += [int(folder.name)] * any(word in line for word in words)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # its parent's death may have ended it
        os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def all_gone(pids: list[int]) -> bool:
    return not any(map(lives, pids))


def remember(stack: Stack) -> str:
    """Commit a value that was never there; return it."""
    value = secrets.token_hex()
    with psycopg.connect(stack.endpoints.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])
    return value


def remembers(stack: Stack, value: str) -> bool:
    with psycopg.connect(stack.endpoints.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM kept WHERE value = %s", [value]).fetchone()
        return row == (1,)


@contextmanager
def owner(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process, in a group of its own, that owns a running stack."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", OWNER, str(home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield process


def test_an_owned_stack_ends_with_its_context_and_keeps_its_data(home: Path) -> None:
    with Stack(home) as stack:
        value = remember(stack)
        first, pids = stack.endpoints, processes(home)
        assert len(pids) > 5
    assert all_gone(pids)
    with pytest.raises(NotRunningError):
        _ = stack.endpoints
    with Stack(home) as stack:
        assert remembers(stack, value)
        assert stack.endpoints == first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_server_outlives_its_owner(home: Path, number: signal.Signals) -> None:
    with owner(home) as process:
        pids = processes(home)
        os.killpg(process.pid, number)  # as a terminal's Ctrl-C does
    wait_until(lambda: all_gone(pids))
    with Stack(home) as stack:
        assert remembers(stack, remember(stack))


def test_no_server_outlives_a_killed_supervisor(home: Path) -> None:
    with owner(home):
        pids = processes(home)
        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: all_gone(pids))
    with Stack(home):
        assert processes(home) != pids


def test_everything_killed_at_once_comes_back_with_its_data(home: Path) -> None:
    with owner(home) as process:
        value = remember(Stack(home))
        pids = processes(home)
        for pid in [process.pid, *pids]:
            kill(pid)
    wait_until(lambda: all_gone(pids))
    with Stack(home) as stack:
        assert remembers(stack, value)


def test_a_killed_database_comes_back_at_its_place_with_its_data(home: Path) -> None:
    with Stack(home) as stack:
        before = stack.endpoints
        for _ in range(3):
            value = remember(stack)
            stack.kill("postgres")
            with pytest.raises(psycopg.OperationalError):
                remember(stack)
            stack.restart("postgres")
            assert remembers(stack, value)
        assert stack.endpoints == before


def test_a_killed_broker_comes_back_at_its_place_with_its_accounts(home: Path) -> None:
    with Stack(home) as stack:
        url = stack.add_device("pilot/cam-1")
        stack.kill("mosquitto")
        with pytest.raises(ConnectionRefusedError):
            reason_code(url)
        stack.restart("mosquitto")
        assert reason_code(url) == 0
        stack.restart("mosquitto")  # and when it was not killed
        assert reason_code(url) == 0


def test_a_lock_file_whose_process_is_somebody_elses_is_no_obstacle(home: Path) -> None:
    account = server_account()
    with Stack(home) as stack:
        value = remember(stack)
        state = read_state(home)
        assert state is not None
        lock = Path(state["run"]) / "data" / "postmaster.pid"
        text = lock.read_text()
    user = account.uid if account else None
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user) as stranger:
        lock.write_text("\n".join([str(stranger.pid), *text.splitlines()[1:]]) + "\n")
        with Stack(home) as stack:
            assert remembers(stack, value)
        assert stranger.stdin is not None
        stranger.stdin.close()


def test_two_stacks_know_nothing_of_each_other(home: Path, stack: Stack) -> None:
    device = "pilot/of-one-only"
    with Stack(home) as other:
        mine, theirs = stack.endpoints, other.endpoints
        ports = {urlsplit(url).port for url in (*mine, *theirs)}
        assert len(ports) == 4
        path = urlsplit(other.add_device(device))
        assert reason_code(path.geturl()) == 0
        here = urlsplit(mine.mqtt_url)
        place = f"{path.username}:{path.password}@{here.hostname}:{here.port}"
        assert reason_code(f"mqtt://{place}") != 0


def test_a_running_stack_is_joined_and_left_running(home: Path) -> None:
    with Stack(home) as first:
        with Stack(home) as second:
            assert second.endpoints == first.endpoints
        assert reason_code(first.endpoints.mqtt_url) == 0


def test_the_databases_socket_fits_its_address(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 150)
    with Stack(home) as stack:
        state = read_state(home)
        assert state is not None
        url = urlsplit(stack.endpoints.database_url)
        with psycopg.connect(
            host=state["socket"], port=url.port, user=url.username, password=url.password,
            dbname=url.path[1:],
        ) as connection:  # fmt: skip
            assert connection.execute("SELECT inet_server_addr()").fetchone() == (None,)
    stack.remove()
    assert not Path(state["socket"]).exists()


def test_a_given_database_wins(home: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEPNA_DATABASE_URL", stack.endpoints.database_url)
    with Stack(home) as other:
        assert other.endpoints.database_url == stack.endpoints.database_url
        assert other.endpoints.mqtt_url != stack.endpoints.mqtt_url
        state = json.loads((home / "stack.json").read_text())
        assert set(state["servers"]) == {"mosquitto"}
        with pytest.raises(StackError, match="it was given"):
            other.kill("postgres")


def test_a_given_broker_wins(home: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    url = stack.endpoints.mqtt_url
    monkeypatch.setenv("TEPNA_MQTT_URL", url)
    with Stack(home) as other:
        assert {other.endpoints.mqtt_url, other.mqtt_url("api"), other.add_device("a/b")} == {url}
        state = json.loads((home / "stack.json").read_text())
        assert set(state["servers"]) == {"postgres"}


def test_nothing_is_started_when_both_are_given(
    tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, home = stack.endpoints, tmp_path / "home"
    monkeypatch.setenv("TEPNA_DATABASE_URL", given.database_url)
    monkeypatch.setenv("TEPNA_MQTT_URL", given.mqtt_url)
    with Stack(home) as other:
        assert other.endpoints == given
        assert not home.exists()


def test_secrets_are_their_users_alone(home: Path) -> None:
    with Stack(home):
        state = read_state(home)
        assert state is not None
        files = [home / "secrets.json", Path(state["run"]) / "passwords"]
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
        command = [Path(f"/proc/{pid}/cmdline").read_text() for pid in processes(home)]
    words = json.loads((home / "secrets.json").read_text())
    for word in (words["postgres"], *words["mqtt"].values()):
        assert not any(word in line for line in command)


@pytest.mark.parametrize("identity", ["cam-1", "a/b/c", "a/+", "a/b:c", "a/b\nroot:x", "A/b", ""])
def test_what_is_no_device_gets_no_account(stack: Stack, identity: str) -> None:
    with pytest.raises(StackError, match="is no device"):
        stack.add_device(identity)


def test_a_killed_first_start_is_no_obstacle(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", OWNER, str(home)], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        run = run_folder(home, server_account())
        wait_until((run / "data.new" / "PG_VERSION").exists)
        pids = [process.pid, *mentioning(str(home), str(run))]
        for pid in pids:
            kill(pid)
    wait_until(lambda: all_gone(pids) and not mentioning(str(home), str(run)))
    assert not (run / "data").exists()
    with Stack(home) as stack:
        assert remembers(stack, remember(stack))
    stack.remove()
