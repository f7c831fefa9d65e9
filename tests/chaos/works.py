"""Servers, ingest, analytics and devices, each with a link of its own that can be made bad."""

import contextlib
import operator
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from contracts.site import Name, Site
from ingest.settings import Broker, IngestSettings
from storage.errors import DatabaseLostError
from storage.migrate import migrate
from storage.pool import StorageSettings, connect
from storage.registry import register_device, register_site
from tepna.stack import Stack
from tests.chaos.checker import check
from tests.chaos.devices import Meter, Stranger
from tests.chaos.disks import SmallDisk
from tests.chaos.dump import count_dirty, read_dump
from tests.chaos.processes import HERE, Agent, Process, eventually, in_time
from tests.chaos.proxy import Proxy
from tests.chaos.radio import Radio
from tests.chaos.schedule import AGENTS, WORKERS

OUTBOX: dict[str, int] = {"cam-1": 64 << 20, "cam-2": 1 << 14, "cam-3": 64 << 20}
"""Bound of each outbox [bytes]: that of cam-2 is soon full."""

OUTBOX_DISK = 3 << 20
DATABASE_DISK = 160 << 20
SAFE_READINGS = 20
TEMPLATE = "chaos_template"
DEVICES = (*AGENTS, "meter", "stranger")


class Servers:
    """Database and broker, killed together or one by one."""

    def __init__(self, database: Stack, broker: Stack) -> None:
        self.database = database
        self.broker = broker
        self._dead: set[str] = set()

    def kill(self, name: str) -> None:
        """Kill "postgres" or "mosquitto" if it lives."""
        if name not in self._dead:
            self._stack(name).kill(name)
            self._dead.add(name)

    def revive(self, name: str) -> None:
        """Start it again if it is dead."""
        if name in self._dead:
            self._stack(name).restart(name)
            self._dead.remove(name)

    def _stack(self, name: str) -> Stack:
        return self.database if name == "postgres" else self.broker


class Works:
    """Everything of one run; closed by its `ExitStack`, whatever happened."""

    def __init__(
        self, servers: Servers, folder: Path, seed: int, *, disk: SmallDisk | None, is_root: bool
    ) -> None:
        self.servers = servers
        self.folder = folder
        self.pilot = f"chaos-{seed}"
        self.disk = disk  # of the database
        self._exits = ExitStack()
        try:
            self._build(seed, is_root=is_root)
        except BaseException:
            self.close()
            raise

    def _build(self, seed: int, *, is_root: bool) -> None:
        self.database_url = self._exits.enter_context(fresh_database(self.servers, self.disk))
        self.settings = StorageSettings(database_url=self.database_url)
        with connect(self.settings) as connection:
            register_site(connection, _site(self.pilot))
            for name in DEVICES:
                register_device(connection, pilot=self.pilot, site="here", name=name)
        ingest_url = self.servers.broker.endpoints.mqtt_url
        self.links = {
            "broker": self._proxy(ingest_url, seed),
            "database": self._proxy(self.database_url, seed),
        }
        self.radio = Radio(seed) if is_root else None
        if self.radio is not None:
            self._exits.callback(self.radio.close)
        self.outbox_disk: SmallDisk | None = None
        if is_root:
            self.outbox_disk = SmallDisk(self.folder / "card", OUTBOX_DISK)
            self._exits.callback(self.outbox_disk.close)
        self.workers = {name: self._worker(name, ingest_url) for name in WORKERS}
        self.analytics = self._analytics()
        self.agents = {name: self._agent(name, seed) for name in AGENTS}
        self.processes: dict[str, Process] = {
            **self.workers,
            "analytics": self.analytics,
            **self.agents,
        }
        for process in self.processes.values():
            self._exits.callback(process.close)
            process.start()
        # What is published before anybody has subscribed, a broker gives to nobody.
        self._subscriptions = [0] * len(WORKERS)
        eventually("the workers' subscriptions", self._subscribed)
        self.meter = Meter(f"{self.pilot}/meter", self._device_broker("meter", seed))
        self._exits.callback(self.meter.close)
        self.stranger = Stranger(
            f"{self.pilot}/stranger", self._device_broker("stranger", seed), seed
        )
        self._exits.callback(self.stranger.close)

    def close(self) -> None:
        """End all that was begun."""
        self._exits.close()

    def heal(self) -> None:
        """End whatever may still be wrong."""
        for server in ("postgres", "mosquitto"):
            self.servers.revive(server)
        for link in self.links.values():
            link.heal()
        for process in self.processes.values():
            process.start()

    def kill_broker(self) -> None:
        """Kill the broker; what it has promised to the meter is not safe any more.

        Nor is what it promises before the workers have subscribed again, if their sessions are
        lost: Mosquitto keeps those of the last half minute in memory alone.
        """
        self._subscriptions = self._count_subscriptions()
        self.meter.deaths += 1
        self.servers.kill("mosquitto")

    def wait_for_load(self) -> None:
        """Wait until every device has been heard of."""
        eventually("load", lambda: all(agent.taken for agent in self.agents.values()))
        eventually("the first samples", self._has_samples)

    def wait_for_more(self, batches: int = 20) -> None:
        """Wait until an agent that runs has taken some more."""
        running = [a for a in self.agents.values() if a.process is not None]
        so_far = {agent.name: len(agent.taken) for agent in running}
        eventually(
            "more load",
            lambda: any(len(agent.taken) >= so_far[agent.name] + batches for agent in running),
        )

    def settle(self) -> None:
        """Let everything come to rest: what is under way arrives, windows are computed."""
        for process in self.processes.values():
            process.check()
        # The agents come last: whatever they report at the end, no sample of others comes after it.
        self._wait_for_safe_readings()
        self.meter.stop()
        eventually("the meter's acknowledgements", lambda: not self.meter.waits)
        for agent in self.agents.values():
            agent.finish()
        for agent in self.agents.values():
            agent.join()
        # What does not come in time is missing: the verdict says what that is.
        in_time(self._has_readings)
        in_time(self._has_letters)
        self.stranger.stop()
        for worker in self.workers.values():
            eventually(f"the start of {worker.name}", partial(worker.has_said, "subscribed"))
            worker.stop()
        in_time(self._is_clean)
        self.analytics.stop()

    def verdict(self) -> list[str]:
        """Say everything that is wrong."""
        journals = {agent.identity: agent.journal for agent in self.agents.values()}
        sent = {self.meter.identity: self.meter.said()}
        return check(journals, sent, self.stranger.expected(), read_dump(self.settings))

    def _wait_for_safe_readings(self) -> None:
        if self.meter.deaths:
            eventually("the workers' subscriptions", self._subscribed)
            self.meter.deaths += 1  # only now the broker's word holds again
        eventually("readings that are safe", lambda: len(self.meter.said().safe) >= SAFE_READINGS)

    def _subscribed(self) -> bool:
        return all(map(operator.gt, self._count_subscriptions(), self._subscriptions))

    def _count_subscriptions(self) -> list[int]:
        """Say how often each worker has subscribed, in all its lives."""
        return [worker.said(most=0).count(" subscribed\n") for worker in self.workers.values()]

    def _has_samples(self) -> bool:
        return self._asks("SELECT EXISTS (SELECT FROM observation)")

    def _has_readings(self) -> bool:
        safe = sorted(self.meter.said().safe)
        return self._asks(
            "SELECT %s::int8[] <@ array_agg(value::int8)"
            " FROM observation JOIN device USING (device) WHERE name = 'meter'",
            [safe],
        )

    def _has_letters(self) -> bool:
        payloads = [payload for _, _, payload in self.stranger.expected()]
        return self._asks("SELECT %s::bytea[] <@ array_agg(payload) FROM dead_letter", [payloads])

    def _asks(self, query: str, parameters: list | None = None) -> bool:
        try:
            with connect(self.settings) as connection:
                return connection.execute(query, parameters).fetchone() == (True,)
        except DatabaseLostError:
            return False

    def _is_clean(self) -> bool:
        with connect(self.settings) as connection:
            return count_dirty(connection) == 0

    def _worker(self, name: str, url: str) -> Process:
        environment = {
            "TEPNA_DATABASE_URL": through(self.links["database"], self.database_url),
            "TEPNA_MQTT_URL": through(self.links["broker"], url),
        }
        slot = str(WORKERS.index(name))
        command = [sys.executable, str(HERE / "clocked_ingest.py"), slot]
        return Process(name, command, self.folder / f"{name}.log", environment)

    def _analytics(self) -> Process:
        environment = {
            "TEPNA_DATABASE_URL": self.database_url,
            "TEPNA_SETTLE_S": "0.3",
            "TEPNA_QUIET_S": "0.3",
            "TEPNA_PATIENCE_S": "1",
        }
        command = [sys.executable, "-c", "from analytics.cli import app; app()", "run"]
        return Process("analytics", command, self.folder / "analytics.log", environment)

    def _agent(self, name: str, seed: int) -> Agent:
        identity = f"{self.pilot}/{name}"
        behind = self.radio if name == "cam-1" else None
        url = self.servers.broker.add_device(identity)
        host = behind.address if behind else "127.0.0.1"
        self.links[name] = self._proxy(url, seed, host)
        small = self.outbox_disk if name == "cam-3" else None
        return Agent(
            identity,
            through(self.links[name], url),
            self.folder,
            outbox=(small.folder if small else self.folder) / f"{name}.sqlite",
            max_bytes=OUTBOX[name],
            twice=name == "cam-2",
            within=behind.within if behind else (),
        )

    def _device_broker(self, name: str, seed: int) -> Broker:
        url = self.servers.broker.add_device(f"{self.pilot}/{name}")
        self.links[name] = self._proxy(url, seed)
        settings = IngestSettings(
            database_url=self.database_url, mqtt_url=through(self.links[name], url)
        )
        return settings.broker

    def _proxy(self, url: str, seed: int, host: str = "127.0.0.1") -> Proxy:
        place = urlsplit(url)
        proxy = Proxy((place.hostname, place.port), host=host, seed=seed)
        self._exits.callback(proxy.close)
        return proxy


def through(proxy: Proxy, url: str) -> str:
    """Address that leads there by the proxy."""
    host, port = proxy.address
    place = urlsplit(url)
    who = place.netloc.rpartition("@")[0]
    return place._replace(netloc=f"{who}@{host}:{port}").geturl()


@contextlib.contextmanager
def fresh_database(servers: Servers, disk: SmallDisk | None) -> Iterator[str]:
    """Make a database of the run's own: on the small disk if there is one."""
    server = servers.database.endpoints.database_url
    name = f"chaos_{secrets.token_hex(6)}"
    place = sql.SQL(" TABLESPACE small") if disk is not None else sql.SQL("")
    with psycopg.connect(server, autocommit=True) as connection:
        _make_template(connection, server)
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
            + place
        )
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _make_template(connection: psycopg.Connection, server: str) -> None:
    found = connection.execute(
        "SELECT FROM pg_database WHERE datname = %s AND NOT datallowconn", [TEMPLATE]
    ).fetchone()
    if found is not None:
        return
    name = sql.Identifier(TEMPLATE)
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
    connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    migrate(urlsplit(server)._replace(path=f"/{TEMPLATE}").geturl())
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
    connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
        [TEMPLATE],
    )


def _site(pilot: str) -> Site:
    return Site(
        id="here",
        pilot=pilot,
        name=Name(cs="Zde", en="Here"),
        latitude=50,
        longitude=14,
        speed_limit_km_h=50,
    )
