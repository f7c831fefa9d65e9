"""What all tests share: one stack of servers for the whole run, a database for each test."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings

from storage.migrate import migrate
from tepna.stack import Stack, StackError

HOME_VARIABLE = "TEPNA_TEST_STACK"  # how pytest-xdist's workers learn of it
HOME_PREFIX = "tepna-tests-"
OWNER_VARIABLE = "TEPNA_TEST_OWNER"
TEMPLATE = "tepna_template"

# A busy machine is no fault of the code under test.
settings.register_profile("tepna", deadline=None)
settings.load_profile("tepna")


def pytest_configure() -> None:
    """Name the folder of the run's stack, once, in the process that outlives the workers."""
    if HOME_VARIABLE not in os.environ:
        _sweep()
        os.environ[HOME_VARIABLE] = tempfile.mkdtemp(prefix=f"{HOME_PREFIX}{os.getpid()}-")
        os.environ[OWNER_VARIABLE] = str(os.getpid())


def _sweep() -> None:
    """Remove what killed runs left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{HOME_PREFIX}*"):
        pid = folder.name.removeprefix(HOME_PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)  # it may be another user's


def pytest_unconfigure() -> None:
    """End the run's stack, if any test needed it."""
    if os.environ[OWNER_VARIABLE] == str(os.getpid()):
        home = Path(os.environ.pop(HOME_VARIABLE))
        Stack(home).remove()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Stack:
    """TimescaleDB and Mosquitto, shared by all workers; they end with the run, however it ends."""
    stack = Stack(Path(os.environ[HOME_VARIABLE]))
    try:
        stack.start(owner=int(os.environ[OWNER_VARIABLE]))
    except StackError as error:
        unavailable(str(error))
    return stack


@pytest.fixture
def database_url(stack: Stack) -> Iterator[str]:
    """Give a database of the test's own, migrated and empty."""
    server = stack.endpoints.database_url
    _make_template(server)
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield _database(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def make_broker(stack: Stack, worker_id: str) -> Iterator[Callable[[str], Stack]]:
    """Start Mosquitto for those alone who ask by this name in this worker."""
    made: list[Stack] = []

    def make(name: str) -> Stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TEPNA_DATABASE_URL", stack.endpoints.database_url)
            broker = Stack(stack.home / f"{name}-{worker_id}")
        broker.start(owner=os.getpid())
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.remove()


@pytest.fixture(scope="session")
def broker(make_broker: Callable[[str], Stack]) -> Stack:
    """Broker of this worker."""
    return make_broker("broker")


@pytest.fixture
def mqtt_url(broker: Stack) -> str:
    """Address of the broker with ingest's account."""
    return broker.endpoints.mqtt_url


@pytest.fixture
def device_url(broker: Stack) -> Callable[[str], str]:
    """Make a device's account by its identity; its address of the broker."""
    return broker.add_device


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings that lie beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        unavailable("There is no ../shared/data beside the project.")
    return folder


def _make_template(server: str) -> None:
    """Make the migrated database that the tests' ones are copies of; the first who needs it does.

    TimescaleDB's workers would sit in it and be in the way, so nobody may connect to it.
    """
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [TEMPLATE])
        found = connection.execute(
            "SELECT datallowconn FROM pg_database WHERE datname = %s", [TEMPLATE]
        ).fetchone()
        if found != (False,):
            connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
            migrate(_database(server, TEMPLATE))
            connection.execute(f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                [TEMPLATE],
            )


def _database(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def unavailable(reason: str) -> None:
    """Skip for want of a service, but never in CI: there it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
