"""Where things are kept, for root and for others."""

import os
from pathlib import Path

import pytest

from tepna.stack.places import (
    SOCKET_PATH_LIMIT,
    Account,
    cache_folder,
    home_folder,
    reachable,
    run_folder,
    server_account,
    socket_folder,
    sweep,
)

STRANGER = Account(uid=54321, gid=54321)


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """Give a folder that everybody reaches, as far as it is ours to say."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)
    return tmp_path


def test_a_closed_folder_above_is_no_way_through(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    assert not reachable(closed / "deep" / "file", STRANGER)
    assert reachable(closed / "deep" / "file", None)
    assert reachable(open_folder / "open" / "file", STRANGER)


def test_who_owns_the_folder_needs_the_owners_bit(open_folder: Path) -> None:
    status = open_folder.stat()
    closed = open_folder / "closed"
    closed.mkdir()
    closed.chmod(0o701)
    assert reachable(closed / "file", Account(status.st_uid, status.st_gid))
    closed.chmod(0o077)
    assert not reachable(closed / "file", Account(status.st_uid, status.st_gid))
    closed.chmod(0o700)


def test_the_servers_part_moves_where_their_user_can_reach_it(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, home = open_folder / "closed", open_folder / "closed" / "home"
    closed.mkdir()
    closed.chmod(0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(closed))
    assert cache_folder(None) == closed / "tepna"
    assert cache_folder(STRANGER) == Path("/var/cache/tepna")
    assert run_folder(home, None) == home / "run"
    assert run_folder(home, STRANGER).parent == Path("/var/lib/tepna/stacks")
    assert run_folder(home, STRANGER) != run_folder(home / "other", STRANGER)
    assert run_folder(open_folder / "home", STRANGER) == open_folder / "home" / "run"


def test_the_cache_is_in_the_home_when_nothing_else_is_said(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(open_folder))
    assert cache_folder(None) == open_folder / ".cache" / "tepna"


def test_only_root_needs_another_user_for_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    account = server_account()
    assert account is not None
    assert account.uid != 0


@pytest.mark.parametrize("length", [1, 60, 200])
def test_a_sockets_address_is_short_enough(length: int) -> None:
    home = Path("/") / ("x" * length)
    folder = socket_folder(home, home / "run")
    assert len(os.fsencode(folder / ".s.PGSQL.65535")) <= SOCKET_PATH_LIMIT
    assert folder != socket_folder(home / "y", home / "y" / "run")


def test_the_home_is_where_the_command_runs_or_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEPNA_HOME", raising=False)
    assert home_folder() == tmp_path / ".tepna"
    monkeypatch.setenv("TEPNA_HOME", str(tmp_path / "there"))
    assert home_folder() == tmp_path / "there"


def test_what_belongs_to_a_home_that_is_gone_is_swept(tmp_path: Path) -> None:
    runs, home = tmp_path / "runs", tmp_path / "home"
    home.mkdir()
    for name, mark in (("kept", home), ("gone", tmp_path / "no-more")):
        (runs / name).mkdir(parents=True)
        (runs / name / "home").write_text(f"{mark}\n")
    (runs / "strange").mkdir()
    sweep(runs)
    assert {path.name for path in runs.iterdir()} == {"kept", "strange"}
    sweep(tmp_path / "absent")
