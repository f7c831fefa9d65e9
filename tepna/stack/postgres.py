"""PostgreSQL with TimescaleDB, as a server of the local stack."""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from signal import Signals

from tepna.stack.deployment import deploy_folder, shared_values
from tepna.stack.errors import ServerFailedError
from tepna.stack.packages import Servers
from tepna.stack.places import Account, give
from tepna.stack.server import Server, ending_with_parent

STATUS_LINE = 7  # of postmaster.pid: "starting", "ready", "stopping"
SETUP_DEADLINE = 120  # [s]


def server(servers: Servers, run: Path, socket_folder: Path, port: int) -> Server:
    """Describe the server of the data in ``run``."""
    data = run / "data"
    options = {
        "config_file": run / "postgresql.conf",
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": socket_folder,
        "unix_socket_permissions": "0700",
    }
    command = [str(servers.postgres_bin / "postgres"), "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return Server(
        "postgres", command, port, run / "postgres.log", Signals.SIGINT,
        lambda pid: _status(data, pid) == "ready",
    )  # fmt: skip


def prepare(
    servers: Servers, run: Path, socket_folder: Path, password: str, account: Account | None
) -> None:
    """Write the settings, make the data folder the first time, clear what a crash left behind."""
    settings = run / "postgresql.conf"
    shutil.copyfile(deploy_folder() / "postgresql.conf", settings)
    give(settings, account)
    socket_folder.mkdir(exist_ok=True)
    give(socket_folder, account)
    if not (run / "data").exists():
        _make_data(servers, run, password, account)
    _clear_stale(run / "data")


def _make_data(servers: Servers, run: Path, password: str, account: Account | None) -> None:
    """Make a database cluster; it gets its name only when it is whole."""
    fresh = run / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)  # what a killed first start left
    values = shared_values()
    with tempfile.NamedTemporaryFile("w", dir=run) as secret:
        secret.write(password)
        secret.flush()
        give(Path(secret.name), account)
        command = [
            str(servers.postgres_bin / "initdb"), "-D", str(fresh), f"--pwfile={secret.name}",
            f"--username={values['POSTGRES_USER']}",
            f"--auth={values['POSTGRES_HOST_AUTH_METHOD']}",
            *shlex.split(values["POSTGRES_INITDB_ARGS"]),
        ]  # fmt: skip
        _run(command, run, account)
    name = values["POSTGRES_DB"]
    postgres = [str(servers.postgres_bin / "postgres"), "--single", "-j", "-D", str(fresh)]
    postgres += ["-c", f"config_file={run / 'postgresql.conf'}"]
    _run([*postgres, "postgres"], run, account, f"CREATE DATABASE {name};\n\n")
    _run([*postgres, name], run, account, "CREATE EXTENSION timescaledb;\n\n")
    fresh.rename(run / "data")


def _run(command: list[str], run: Path, account: Account | None, text: str = "") -> None:
    done = subprocess.run(  # noqa: S603
        command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=run, text=True,
        check=False, timeout=SETUP_DEADLINE, env={**os.environ, "LC_ALL": "C"},
        user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=ending_with_parent(Signals.SIGTERM),
    )  # fmt: skip
    # A single-user session ends with 0 even when its statement failed.
    if done.returncode != 0 or "ERROR:" in done.stdout:
        log = run / "postgres.log"
        with log.open("a") as output:
            output.write(done.stdout)
        raise ServerFailedError("PostgreSQL's setup", log)


def _clear_stale(data: Path) -> None:
    """Remove the lock file of a killed server whose process id now is somebody else's.

    PostgreSQL does so itself, unless a process of the same user has that id by chance.
    """
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid = lock.read_text().split("\n", 1)[0]
    try:
        is_ours = Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except OSError:
        is_ours = False
    if not is_ours:
        lock.unlink()


def _status(data: Path, pid: int) -> str:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return "absent"
    if len(lines) <= STATUS_LINE or lines[0] != str(pid):
        return "starting"
    return lines[STATUS_LINE].strip()
