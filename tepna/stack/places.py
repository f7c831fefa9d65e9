"""Where the local stack keeps its things, and which user its servers run as.

PostgreSQL refuses to run as root. A root's servers therefore run as another user, who must be
able to reach their files: root's own folders are closed to others, so the servers' part then
lies in the system's folders instead.
"""

import hashlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

SYSTEM_RUNS = Path("/var/lib/tepna/stacks")
SOCKET_PATH_LIMIT = 107  # bytes that a Unix socket's address holds
SOCKET_NAME_LENGTH = len("/.s.PGSQL.65535")


class Account(NamedTuple):
    """The user that the servers run as."""

    uid: int
    gid: int


def home_folder() -> Path:
    """Folder of this project's stack: ``TEPNA_HOME``, or ``.tepna`` where the command runs."""
    return Path(os.environ.get("TEPNA_HOME") or ".tepna").absolute()


def server_account() -> Account | None:
    """User for the servers: None is the present one; root's servers run as an unprivileged one."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known.get("nobody") or pwd.getpwuid(65534)
    return Account(entry.pw_uid, entry.pw_gid)


def reachable(path: Path, account: Account | None) -> bool:
    """Tell whether the account may pass through every folder above ``path``."""
    if account is None:
        return True
    for folder in path.absolute().parents:
        if not folder.exists():
            continue
        status = folder.stat()
        if status.st_uid == account.uid:
            needed = 0o100
        elif status.st_gid == account.gid:
            needed = 0o010
        else:
            needed = 0o001
        if not status.st_mode & needed:
            return False
    return True


def cache_folder(account: Account | None) -> Path:
    """Folder that all clones share: the user's cache, or the system's where that is closed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = base / "tepna"
    return cache if reachable(cache / "servers", account) else Path("/var/cache/tepna")


def run_folder(home: Path, account: Account | None) -> Path:
    """Folder of the servers' data, settings and logs: inside ``home`` where they can reach it."""
    if reachable(home / "run" / "data", account):
        return home / "run"
    return SYSTEM_RUNS / _digest(home)


def socket_folder(home: Path, run: Path) -> Path:
    """Folder for the database's socket: as short as an address of a socket must be."""
    inside = run / "socket"
    if len(os.fsencode(inside)) + SOCKET_NAME_LENGTH <= SOCKET_PATH_LIMIT:
        return inside
    return Path(tempfile.gettempdir()) / f"tepna-{os.geteuid()}-{_digest(home)}"


def make_run_folder(home: Path, account: Account | None) -> Path:
    """Make the home and the servers' folder, owned by their user and closed to others."""
    home.mkdir(parents=True, exist_ok=True)
    run = run_folder(home, account)
    run.mkdir(parents=True, exist_ok=True)
    if run.parent != home:
        run.parent.chmod(0o711)
        (run / "home").write_text(f"{home}\n")
    give(run, account)
    return run


def sweep(runs: Path) -> None:
    """Remove the folders of stacks whose home is gone, as with finished test runs."""
    for run in runs.iterdir() if runs.is_dir() else ():
        mark = run / "home"
        if mark.is_file() and not Path(mark.read_text().strip()).exists():
            shutil.rmtree(run, ignore_errors=True)  # another start may be sweeping the same


def give(path: Path, account: Account | None) -> None:
    """Make ``path`` the servers' own and nobody else's."""
    path.chmod(0o700 if path.is_dir() else 0o600)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _digest(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
