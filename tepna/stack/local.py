"""The local stack: TimescaleDB and Mosquitto for a demo, a test run or a developer's day."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tepna.stack import packages
from tepna.stack.apt import Step
from tepna.stack.broker import (
    broker_url,
    check_identity,
    lets_in,
    write_acl,
    write_passwords,
)
from tepna.stack.deployment import shared_values
from tepna.stack.errors import NotRunningError, StackError
from tepna.stack.places import (
    SYSTEM_RUNS,
    cache_folder,
    make_run_folder,
    server_account,
    sweep,
)
from tepna.stack.server import PAUSE, STOP_DEADLINE
from tepna.stack.state import (
    Plan,
    State,
    locked,
    new_secret,
    read_secrets,
    read_state,
    read_topics,
    supervisor_runs,
    write_secrets,
    write_topics,
)

RESTART_DEADLINE = 60.0  # [s]
RELOAD_DEADLINE = 10.0  # [s]


class Endpoints(NamedTuple):
    """Where the servers answer."""

    database_url: str
    mqtt_url: str  # of ingest's account


def no_progress(what: str, share: float) -> None:
    """Show nothing."""


class Stack:
    """The servers of one home folder; as a context they end with it, and with its process.

    ``TEPNA_DATABASE_URL`` and ``TEPNA_MQTT_URL`` name servers that already run: each wins over the
    one that would be started. A stack that already runs in this home is joined, and left running.

    Parameters
    ----------
    home
        Folder of the state; two stacks in two homes know nothing of each other.
    step
        Is told what is being done and the share done, in [0, 1], where that takes long.
    """

    def __init__(self, home: Path, step: Step = no_progress) -> None:
        self.home = home.absolute()
        self.step = step
        self._database_url = os.environ.get("TEPNA_DATABASE_URL")
        self._mqtt_url = os.environ.get("TEPNA_MQTT_URL")
        self._started = False

    def __enter__(self) -> Self:
        self.start(owner=os.getpid())
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self.stop()

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers answer."""
        return Endpoints(self._database_url or self._local_database_url(), self.mqtt_url("ingest"))

    def mqtt_url(self, user: str) -> str:
        """Return the broker's address for an account: "ingest", "api", or a device's identity.

        A broker that already ran has accounts of its own: its address is given as it is.
        """
        if self._mqtt_url:
            return self._mqtt_url
        password = read_secrets(self.home)["mqtt"][user]
        port = self._running()["servers"]["mosquitto"]["port"]
        return broker_url(port, user, password)

    def add_device(self, identity: str) -> str:
        """Make the account of the device ``{pilot}/{device}``; return its address of the broker."""
        check_identity(identity)
        if not self._mqtt_url:
            state = self._running()
            with locked(self.home / "secrets.lock"):
                secrets = read_secrets(self.home)
                if identity not in secrets["mqtt"]:
                    secrets["mqtt"][identity] = new_secret()
                    write_secrets(self.home, secrets)
                    path = Path(state["run"]) / "passwords"
                    write_passwords(path, secrets["mqtt"], server_account())
                    os.kill(state["servers"]["mosquitto"]["pid"], signal.SIGHUP)
                    url = self.mqtt_url(identity)
                    _wait_until(lambda: lets_in(url), RELOAD_DEADLINE)
        return self.mqtt_url(identity)

    def add_sources(self, topics: Mapping[str, list[str]]) -> dict[str, str]:
        """Make the accounts of foreign sources; their addresses of the broker, by name.

        Each may publish to the topics that it is given with, and ingest may read those.
        """
        if topics and not self._mqtt_url:
            state = self._running()
            with locked(self.home / "secrets.lock"):
                write_topics(self.home, read_topics(self.home) | dict(topics))
                secrets = read_secrets(self.home)
                new = [name for name in topics if name not in secrets["mqtt"]]
                secrets["mqtt"] |= {name: new_secret() for name in new}
                write_secrets(self.home, secrets)
                run, account = Path(state["run"]), server_account()
                write_acl(run / "acl", read_topics(self.home), account)
                write_passwords(run / "passwords", secrets["mqtt"], account)
                os.kill(state["servers"]["mosquitto"]["pid"], signal.SIGHUP)
                urls = [self.mqtt_url(name) for name in topics]
                _wait_until(lambda: all(map(lets_in, urls)), RELOAD_DEADLINE)
        return {name: self.mqtt_url(name) for name in topics}

    def start(self, owner: int | None = None) -> None:
        """Start the servers that are not given, to end with the process ``owner`` or to stay."""
        given = {"postgres": self._database_url, "mosquitto": self._mqtt_url}
        wanted = [name for name, url in given.items() if not url]
        if not wanted:
            return
        account = server_account()
        servers = packages.obtain(cache_folder(account), self.step)
        make_run_folder(self.home, account)
        if account is not None:
            sweep(SYSTEM_RUNS)
        with locked(self.home / "stack.lock"):
            if not supervisor_runs(self.home):
                self.step("Starting the servers", 0.0)
                read_secrets(self.home)
                plan = Plan(
                    home=str(self.home), servers=str(servers.root), wanted=wanted, owner=owner
                )
                _supervise(plan, self.home / "supervisor.log")
                self._started = True
        missing = [name for name in wanted if name not in self._running()["servers"]]
        if missing:
            raise StackError(
                f"The stack in {self.home} was started without {missing[0]}. Run tepna down first."
            )

    def stop(self) -> bool:
        """End the servers, whoever started them; tell whether any ran."""
        if not self.home.is_dir():
            return False
        with locked(self.home / "stack.lock"):
            state = read_state(self.home)
            if state is None or not supervisor_runs(self.home):
                return False
            os.kill(state["supervisor"], signal.SIGTERM)
            _wait_until(lambda: not _alive(state["supervisor"]), 2 * STOP_DEADLINE)
        return True

    def remove(self) -> None:
        """End the servers and remove their data."""
        self.stop()
        state = read_state(self.home)
        if state is not None:
            shutil.rmtree(state["run"], ignore_errors=True)
            (self.home / "stack.json").unlink()

    def describe(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield name, address, process and log of each server."""
        for name, url in (("postgres", self._database_url), ("mosquitto", self._mqtt_url)):
            if url:
                place = urlsplit(url)
                yield name, f"{place.hostname}:{place.port or 'default'}", "given", ""
                continue
            state = self._running()
            pid = state["servers"][name]["pid"]
            process = str(pid) if _alive(pid) else f"{pid} has died: tepna down; tepna up"
            log = str(Path(state["run"]) / f"{name}.log")
            yield name, f"127.0.0.1:{state['servers'][name]['port']}", process, log

    def kill(self, name: str) -> None:
        """Kill a server ("postgres", "mosquitto") as a power cut would."""
        pid = self._pid(name)
        os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: not _alive(pid), RESTART_DEADLINE)

    def restart(self, name: str) -> None:
        """Start a server again at its old port: after a kill, or after ending it cleanly."""
        pid = self._pid(name)
        if _alive(pid):
            os.kill(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
            _wait_until(lambda: not _alive(pid), RESTART_DEADLINE)
        os.kill(self._running()["supervisor"], signal.SIGUSR1)
        _wait_until(lambda: self._pid(name) != pid, RESTART_DEADLINE)

    def _running(self) -> State:
        state = read_state(self.home)
        if state is None or not supervisor_runs(self.home):
            raise NotRunningError(self.home)
        return state

    def _pid(self, name: str) -> int:
        servers = self._running()["servers"]
        if name not in servers:
            raise StackError(f"{name} is not of this stack: it was given.")
        return servers[name]["pid"]

    def _local_database_url(self) -> str:
        values, password = shared_values(), read_secrets(self.home)["postgres"]
        port = self._running()["servers"]["postgres"]["port"]
        user, name = values["POSTGRES_USER"], values["POSTGRES_DB"]
        return f"postgresql://{user}:{password}@127.0.0.1:{port}/{name}"


def _supervise(plan: Plan, log: Path) -> None:
    """Start the supervisor in its own session, where no Ctrl-C reaches it, and hear it out."""
    with log.open("w") as output:
        answer = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "tepna.stack.supervise", json.dumps(plan)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output,
            start_new_session=True, check=False,
        ).stdout  # fmt: skip
    if not answer:
        raise StackError(f"The supervisor ended early: {log.read_text().strip()}")
    failure = json.loads(answer)["failure"]
    if failure is not None:
        raise StackError(failure)


def _alive(pid: int) -> bool:
    """Tell whether the process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _wait_until(condition: Callable[[], bool], deadline: float) -> None:
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise StackError("The stack did not follow in time.")
        time.sleep(PAUSE)
