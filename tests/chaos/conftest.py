"""How many runs, and the servers that they may kill: the database lives as long as the worker."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tepna.stack import Stack, StackError
from tepna.stack.places import server_account
from tests.chaos.disks import SmallDisk, may_mount
from tests.chaos.radio import may_make
from tests.chaos.works import DATABASE_DISK, Servers

SEEDS = 3
STEPS = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what makes the long form, and what repeats one run."""
    group = parser.getgroup("chaos", "random faults")
    group.addoption("--seeds", type=int, default=SEEDS, help="runs, from the first seed on")
    group.addoption("--from", type=int, default=0, dest="first_seed", help="the first seed")
    group.addoption("--seed", type=int, help="this run alone")
    group.addoption("--steps", type=int, default=STEPS, help="faults of each run")
    group.addoption("--without-root", action="store_true", help="use what needs no root")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed."""
    if "seed" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption
    if option("seed", default=None) is not None:
        seeds = [option("seed")]
    else:
        first = option("first_seed", default=0)
        seeds = list(range(first, first + option("seeds", default=SEEDS)))
    metafunc.parametrize("seed", seeds)


@pytest.fixture(scope="session")
def is_root(request: pytest.FixtureRequest) -> bool:
    """Whether there are namespaces and small disks."""
    if request.config.getoption("without_root", default=False):
        return False
    return may_make() and may_mount()


@pytest.fixture(scope="session")
def database(
    tmp_path_factory: pytest.TempPathFactory, *, is_root: bool
) -> Iterator[tuple[Stack, SmallDisk | None]]:
    """TimescaleDB of this worker's own, and the small disk on which its databases are."""
    if os.environ.get("TEPNA_DATABASE_URL") or os.environ.get("TEPNA_MQTT_URL"):
        pytest.skip("given servers are not ours to kill")
    stack = _start(tmp_path_factory.mktemp("database"), without="TEPNA_MQTT_URL")
    with ExitStack() as exits:
        exits.callback(stack.remove)
        disk = None
        if is_root:
            disk = SmallDisk(_run_folder(stack) / "small", DATABASE_DISK)
            exits.callback(disk.close)
            _make_tablespace(stack, disk)
        yield stack, disk


@pytest.fixture
def servers(database: tuple[Stack, SmallDisk | None], tmp_path: Path) -> Iterator[Servers]:
    """Servers of a run: a broker of its own, which no other run's messages are in."""
    broker = _start(tmp_path / "broker", without="TEPNA_DATABASE_URL")
    servers = Servers(database[0], broker)
    yield servers
    servers.revive("postgres")
    broker.remove()


def _start(home: Path, *, without: str) -> Stack:
    """Start one of the two servers: the other one is somewhere else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(without, "other://server")
        stack = Stack(home)
    try:
        stack.start(owner=os.getpid())
    except StackError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    return stack


def _run_folder(stack: Stack) -> Path:
    with psycopg.connect(stack.endpoints.database_url) as connection:
        row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    assert row is not None
    return Path(row[0]).parent


def _make_tablespace(stack: Stack, disk: SmallDisk) -> None:
    folder = disk.folder / "databases"
    folder.mkdir()
    account = server_account()
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    with psycopg.connect(stack.endpoints.database_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(folder)))
        )
