"""The fixtures that other rooms' tests stand on."""

import subprocess

import psycopg
import pytest

from tepna.stack.packages import Servers, servers_root
from tepna.stack.places import cache_folder, server_account


@pytest.mark.parametrize("turn", range(2))
def test_each_test_has_a_migrated_database_of_its_own(database_url: str, turn: int) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM observation").fetchone()
        assert row == (0,)
        connection.execute("CREATE TABLE mine (turn int)")
        connection.execute("INSERT INTO mine VALUES (%s)", [turn])


@pytest.mark.usefixtures("stack")
def test_the_programs_use_the_unpacked_libraries_and_none_of_the_systems() -> None:
    servers = Servers(servers_root(cache_folder(server_account())))
    loader = next(servers.root.glob("usr/lib/*/ld-linux*.so.*"))
    for program in ("postgres", "initdb", "psql"):
        done = subprocess.run(  # noqa: S603
            [loader, "--list", servers.postgres_bin / program],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        lines = [line for line in done.stdout.splitlines() if "vdso" not in line]
        assert len(lines) > 3
        assert [line for line in lines if f"{servers.root}/" not in line] == []
