"""Nothing that an outbox has taken is lost or doubled, whoever is killed while it works."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from contracts.site import Name, Site
from storage.errors import DatabaseLostError
from storage.migrate import migrate
from storage.pool import StorageSettings, connect
from storage.registry import register_device, register_site
from tepna.stack import Stack, StackError

VICTIMS = (
    ("agent",),
    ("mosquitto",),
    ("postgres",),
    ("ingest",),
    # Two at once: what the one holds for the other is gone with it.
    ("postgres", "ingest"),
    ("mosquitto", "ingest"),
    ("agent", "mosquitto"),
)
PILOT = "chaos"
DEADLINE = 60.0
LIFE = 1_000_000  # numbers that one life of an agent may use


def eventually(what: str, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {DEADLINE} s")
        time.sleep(0.05)


class LoadedAgent:
    """A process with an outbox of its own, that can be killed and started again."""

    def __init__(self, name: str, url: str, folder: Path) -> None:
        self.identity = f"{PILOT}/{name}"
        self.journal = folder / f"{name}.journal"
        self._config = folder / f"{name}.toml"
        self._config.write_text(
            f'device = "{self.identity}"\n'
            f'[uplink]\nurl = "{url}"\nresend_after_s = 2\n'
            f'[outbox]\npath = "{folder / name}.sqlite"\n'
        )
        self.lives = 0
        self.start()

    def start(self) -> None:
        script = Path(__file__).with_name("loaded_agent.py")
        arguments = [self._config, self.journal, str(self.lives * LIFE)]
        self.process = subprocess.Popen([sys.executable, script, *arguments])  # noqa: S603
        self.lives += 1

    def promised(self) -> set[int]:
        """Numbers of the samples that the outbox has taken."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        ranges = (map(int, line.split()) for line in lines)
        return {number for first, end in ranges for number in range(first, end)}

    def finish(self) -> None:
        """Take no more, and send the rest: once this life has begun to take anything."""
        begun = (self.lives - 1) * LIFE
        eventually("the agent's start", lambda: max(self.promised(), default=-1) >= begun)
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0


class Works:
    """Servers, ingest and agents, each of which can be killed."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self.database_url = _make_database(stack)
        self._log = folder / "ingest.log"
        with connect(self.settings) as connection:
            register_site(connection, _site())
            for name in ("cam-1", "cam-2"):
                register_device(connection, pilot=PILOT, site="here", name=name)
        self._start_ingest()
        self.agents = [
            LoadedAgent(name, stack.add_device(f"{PILOT}/{name}"), folder)
            for name in ("cam-1", "cam-2")
        ]

    @property
    def settings(self) -> StorageSettings:
        return StorageSettings(database_url=self.database_url)

    def stored(self, agent: LoadedAgent) -> Counter[int]:
        """Numbers in the database, and how often each is there."""
        query = (
            "SELECT value::int8, count(*) FROM observation JOIN device USING (device)"
            " WHERE pilot || '/' || name = %s GROUP BY value"
        )
        with connect(self.settings) as connection:
            return Counter(dict(connection.execute(query, [agent.identity]).fetchall()))

    def caught_up(self) -> bool:
        """Whether what is promised now is stored; the database may just be coming back."""
        promised = [agent.promised() for agent in self.agents]
        try:
            return all(
                numbers and numbers <= self.stored(agent).keys()
                for agent, numbers in zip(self.agents, promised, strict=True)
            )
        except DatabaseLostError:
            return False

    def wait_for_more(self) -> None:
        """Wait until the agent that is never killed has taken some more samples."""
        survivor = self.agents[1]
        so_far = len(survivor.promised())
        eventually("a backlog", lambda: len(survivor.promised()) >= so_far + 500)

    def kill(self, victim: str) -> None:
        match victim:
            case "agent":
                self._end(self.agents[0].process)
            case "ingest":
                self._end(self._ingest)
            case server:
                self._stack.kill(server)

    def revive(self, victim: str) -> None:
        match victim:
            case "agent":
                self.agents[0].start()
            case "ingest":
                self._start_ingest()
            case server:
                self._stack.restart(server)

    def close(self) -> None:
        for process in (self._ingest, *(agent.process for agent in self.agents)):
            self._end(process)

    def _start_ingest(self) -> None:
        environment = {
            **os.environ,
            "TEPNA_DATABASE_URL": self.database_url,
            "TEPNA_MQTT_URL": self._stack.endpoints.mqtt_url,
        }
        command = [sys.executable, "-c", "from ingest.cli import app; app()", "run"]
        with self._log.open("a") as log:
            self._ingest = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    """Give servers of the test's own, because they are to be killed."""
    if os.environ.get("TEPNA_DATABASE_URL") or os.environ.get("TEPNA_MQTT_URL"):
        pytest.skip("given servers are not ours to kill")
    stack = Stack(tmp_path / "home")
    try:
        stack.start(owner=os.getpid())
    except StackError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    works = Works(stack, tmp_path)
    yield works
    works.close()
    stack.remove()


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled(works: Works, request: pytest.FixtureRequest) -> None:
    rounds = 10 if request.config.getoption("--long", default=False) else 1
    dice = random.Random(7)  # noqa: S311
    for _ in range(rounds):
        for victims in dice.sample(VICTIMS, len(VICTIMS)):
            eventually("load", works.caught_up)
            for victim in victims:
                works.kill(victim)
                works.wait_for_more()
            for victim in victims:
                works.revive(victim)
    for agent in works.agents:
        agent.finish()
    for agent in works.agents:
        promised, stored = agent.promised(), works.stored(agent)
        assert promised - stored.keys() == set()
        assert {number for number, times in stored.items() if times > 1} == set()
        # A batch that was in the outbox, but not yet in the journal, when the agent was killed.
        assert len(stored.keys() - promised) <= 20 * (agent.lives - 1)
        assert len(promised) > 2000


def _make_database(stack: Stack) -> str:
    server = stack.endpoints.database_url
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE chaos")
    url = urlsplit(server)._replace(path="/chaos").geturl()
    migrate(url)
    return url


def _site() -> Site:
    return Site(
        id="here",
        pilot=PILOT,
        name=Name(cs="Zde", en="Here"),
        latitude=50,
        longitude=14,
        speed_limit_km_h=50,
    )
