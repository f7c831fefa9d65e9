"""How each kind of fault begins and ends."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from tests.chaos.disks import allow_growth, forbid_growth
from tests.chaos.processes import Agent, Process
from tests.chaos.proxy import DOWN, UP, Faults
from tests.chaos.radio import SILENCE, Weather
from tests.chaos.schedule import Fault
from tests.chaos.works import Works

TRAP_DEADLINE: Final = 5.0
"""So long somebody may take to commit something. [s]"""

COMMIT: Final = (b'COPY "observation"', b"COMMIT")
"""What a connection says that commits samples."""

Act = Callable[[Works, Fault], None]


def play(works: Works, schedule: list[Fault]) -> None:
    """Let the faults happen, one after another or into each other."""
    open_faults: list[Fault] = []
    for fault in schedule:
        works.wait_for_more()
        KINDS[fault.kind][0](works, fault)
        open_faults.append(fault)
        time.sleep(fault.hold)  # the fault itself: it lasts so long
        if not fault.overlaps:
            end(works, open_faults)
    end(works, open_faults)
    works.heal()


def end(works: Works, open_faults: list[Fault]) -> None:
    """End what is open, in the order in which it began."""
    while open_faults:
        fault = open_faults.pop(0)
        KINDS[fault.kind][1](works, fault)


def _process(works: Works, fault: Fault) -> Process:
    return works.processes[fault.victim]


def _kill(works: Works, fault: Fault) -> None:
    _process(works, fault).kill()


def _start(works: Works, fault: Fault) -> None:
    _process(works, fault).start()


def _pause(works: Works, fault: Fault) -> None:
    _process(works, fault).pause()


def _go_on(works: Works, fault: Fault) -> None:
    _process(works, fault).go_on()


def _kill_broker(works: Works, _: Fault) -> None:
    works.kill_broker()


def _kill_database(works: Works, _: Fault) -> None:
    works.servers.kill("postgres")


def _cut_power(works: Works, _: Fault) -> None:
    """Kill everything that runs beside the database's disk."""
    for process in (*works.workers.values(), works.analytics):
        process.kill()
    works.kill_broker()
    works.servers.kill("postgres")


def _revive(works: Works, _: Fault) -> None:
    works.heal()


def _cut_power_and_revive(works: Works, fault: Fault) -> None:
    _cut_power(works, fault)
    works.heal()


def _kill_workers(works: Works, _: Fault) -> None:
    for worker in works.workers.values():
        worker.kill()
    works.heal()


def _hold_commit(works: Works, _: Fault) -> None:
    _wait(works.links["database"].trap(*COMMIT, passes=False))


def _lose_answer(works: Works, _: Fault) -> None:
    _wait(works.links["database"].trap(*COMMIT, passes=True))


def _wait(sprung: threading.Event) -> None:
    sprung.wait(TRAP_DEADLINE)  # if nobody commits meanwhile, that is no fault


def _cut(works: Works, fault: Fault) -> None:
    works.links[fault.victim].set(Faults(refuses=True))


def _half_open(works: Works, fault: Fault) -> None:
    ways = {-1.0: {DOWN}, 0.0: {UP, DOWN}, 1.0: {UP}}[fault.amount]
    works.links[fault.victim].set(Faults(swallows=frozenset(ways)))


def _slow(works: Works, fault: Fault) -> None:
    works.links[fault.victim].set(Faults(late=fault.amount, rate=200_000))


def _heal_link(works: Works, fault: Fault) -> None:
    works.links[fault.victim].heal()


def _foul(works: Works, fault: Fault) -> None:
    if works.radio is None:  # no packets to be lost here: the stream is late instead
        works.links[fault.victim].set(Faults(late=fault.amount))
    else:
        works.radio.weather = Weather(lost=0.05, doubled=0.1, late=(0.0, fault.amount))


def _silence(works: Works, fault: Fault) -> None:
    if works.radio is None:
        _half_open(works, fault)
    else:
        works.radio.weather = SILENCE


def _clear_up(works: Works, fault: Fault) -> None:
    works.links[fault.victim].heal()
    if works.radio is not None:
        works.radio.weather = Weather()


def _fill_outbox(works: Works, fault: Fault) -> None:
    agent = works.agents[fault.victim]
    if works.outbox_disk is not None:
        works.outbox_disk.fill()
    elif agent.process is not None:
        forbid_growth(agent.process.pid, _files(agent))


def _free_outbox(works: Works, fault: Fault) -> None:
    agent = works.agents[fault.victim]
    if works.outbox_disk is not None:
        works.outbox_disk.free()
    elif agent.process is not None:
        allow_growth(agent.process.pid)


def _files(agent: Agent) -> list[Path]:
    return [agent.outbox, agent.outbox.with_name(f"{agent.outbox.name}-wal")]


def _fill_database(works: Works, fault: Fault) -> None:
    if works.disk is not None:
        works.disk.fill()
    else:
        _forbid_writing(works, fault)


def _free_database(works: Works, fault: Fault) -> None:
    if works.disk is not None:
        works.disk.free()
    else:
        _allow_writing(works, fault)


def _forbid_writing(works: Works, _: Fault) -> None:
    _set_read_only(works, sql.SQL("on"))


def _allow_writing(works: Works, _: Fault) -> None:
    _set_read_only(works, sql.SQL("off"))


def _set_read_only(works: Works, value: sql.SQL) -> None:
    works.servers.revive("postgres")
    server = works.servers.database.endpoints.database_url
    name = works.database_url.rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                sql.Identifier(name), value
            )
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )


def _set_clock(works: Works, fault: Fault) -> None:
    _process(works, fault).order(f"clock {fault.amount:.0f}")


def _reset_clock(works: Works, fault: Fault) -> None:
    _process(works, fault).order("clock 0")


KINDS: Final[dict[str, tuple[Act, Act]]] = {
    "kill agent": (_kill, _start),
    "kill broker": (_kill_broker, _revive),
    "kill database": (_kill_database, _revive),
    "kill worker": (_kill, _start),
    "kill analytics": (_kill, _start),
    "pause": (_pause, _go_on),
    "power cut": (_cut_power, _revive),
    "power cut while the database is away": (_kill_database, _cut_power_and_revive),
    "power cut at a commit": (_hold_commit, _cut_power_and_revive),
    "workers killed at a commit": (_hold_commit, _kill_workers),
    "cut": (_cut, _heal_link),
    "half-open": (_half_open, _heal_link),
    "slow": (_slow, _heal_link),
    "bad radio": (_foul, _clear_up),
    "silent radio": (_silence, _clear_up),
    "commit lost": (_hold_commit, _heal_link),
    "commit's answer lost": (_lose_answer, _heal_link),
    "outbox's disk full": (_fill_outbox, _free_outbox),
    "database's disk full": (_fill_database, _free_database),
    "database read-only": (_forbid_writing, _allow_writing),
    "clock": (_set_clock, _reset_clock),
}
