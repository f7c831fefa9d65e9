"""The process that holds the local stack's servers: they end with it, it ends with its owner.

Run as ``python -m tepna.stack.supervise PLAN``; it answers one line of JSON on its output when
all servers are ready or one has failed. SIGTERM ends the stack, SIGUSR1 starts again what has died.
"""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tepna.stack import broker, postgres
from tepna.stack.errors import ServerFailedError, StackError
from tepna.stack.packages import Servers
from tepna.stack.places import Account, make_run_folder, server_account, socket_folder
from tepna.stack.server import (
    PAUSE,
    STOP_DEADLINE,
    Server,
    choose_port,
    ending_with_parent,
    rotate,
)
from tepna.stack.state import (
    Plan,
    ServerState,
    State,
    read_secrets,
    read_state,
    read_topics,
    write_state,
)

ATTEMPTS = 20  # a killed database's last processes may hold its memory for a moment
READY_DEADLINE = 60.0  # [s] replaying the log after a crash included


class Supervisor:
    """Servers as children of this process."""

    def __init__(self, plan: Plan) -> None:
        self.home = Path(plan["home"])
        self.owner = plan["owner"]
        self.wanted = plan["wanted"]
        self.servers = Servers(Path(plan["servers"]))
        self.account = server_account()
        self.run = make_run_folder(self.home, self.account)
        self.socket = socket_folder(self.home, self.run)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        before = read_state(self.home)
        self.ports = {name: s["port"] for name, s in before["servers"].items()} if before else {}

    def start(self) -> None:
        """Start each wanted server that does not run, and record them when all are ready."""
        for name in self.wanted:
            if name not in self.processes or self.processes[name].poll() is not None:
                self.processes[name] = self._start(name)
        write_state(self.home, self._state())

    def stop(self) -> None:
        """End all servers: cleanly, or by force when one does not."""
        for name, process in self.processes.items():
            process.send_signal(self._describe(name).stop_signal)
        deadline = time.monotonic() + STOP_DEADLINE
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.socket.parent != self.run and self.socket.is_dir():
            self.socket.rmdir()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        deadline = time.monotonic() + READY_DEADLINE
        for _ in range(ATTEMPTS):
            self.ports[name] = choose_port(self.ports.get(name))
            self._prepare(name)
            server = self._describe(name)
            rotate(server.log)
            process = _spawn(server, self.run, self.account)
            if _becomes_ready(server, process, deadline):
                return process
            process.kill()
            process.wait()
            time.sleep(10 * PAUSE)
        raise ServerFailedError(name, server.log)

    def _prepare(self, name: str) -> None:
        secrets = read_secrets(self.home)
        if name == "postgres":
            password = secrets["postgres"]
            postgres.prepare(self.servers, self.run, self.socket, password, self.account)
        else:
            topics = read_topics(self.home)
            broker.prepare(self.run, self.ports[name], secrets["mqtt"], topics, self.account)

    def _describe(self, name: str) -> Server:
        if name == "postgres":
            return postgres.server(self.servers, self.run, self.socket, self.ports[name])
        passwords = read_secrets(self.home)["mqtt"]
        return broker.server(self.servers, self.run, self.ports[name], passwords)

    def _state(self) -> State:
        return State(
            supervisor=os.getpid(),
            owner=self.owner,
            run=str(self.run),
            socket=str(self.socket),
            servers={
                name: ServerState(pid=process.pid, port=self.ports[name])
                for name, process in self.processes.items()
            },
        )


def main() -> None:
    """Hold the stack that the plan on the command line describes."""
    plan: Plan = json.loads(sys.argv[1])
    if os.fork() != 0:  # nobody's child: its starter need not reap it
        os._exit(0)
    alarm = _signal_pipe(signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    watched = [alarm]
    if plan["owner"] is not None:
        watched.append(os.pidfd_open(plan["owner"]))
    with (Path(plan["home"]) / "supervisor.lock").open("w") as lock:
        _take(lock.fileno())
        supervisor = Supervisor(plan)
        try:
            _answer(supervisor.start)
            while _wait(watched, alarm) == signal.SIGUSR1:
                supervisor.start()
        finally:
            supervisor.stop()


def _take(lock: int) -> None:
    """Take the lock that tells that a supervisor lives; who looks at it holds it for a moment."""
    for _ in range(ATTEMPTS):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(PAUSE)
    sys.exit("another supervisor holds this stack")


def _answer(start: Callable[[], None]) -> None:
    """Start, and tell the caller on the output how it went; nobody may be left to hear it."""
    failure = None
    try:
        start()
    except StackError as error:
        failure = str(error)
    os.write(sys.stdout.fileno(), json.dumps({"failure": failure}).encode())
    if failure is not None:
        sys.exit(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the answer ends here


def _signal_pipe(*signals: signal.Signals) -> int:
    """Turn signals into bytes of a pipe, so that one call waits for all there is to wait for."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return reader


def _wait(watched: list[int], alarm: int) -> int:
    """Wait for a signal, or for the owner's end, which counts as SIGTERM."""
    ready, _, _ = select.select(watched, [], [])
    return os.read(alarm, 1)[0] if ready == [alarm] else signal.SIGTERM


def _spawn(server: Server, run: Path, account: Account | None) -> subprocess.Popen[bytes]:
    with server.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            server.command, cwd=run, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=ending_with_parent(server.stop_signal),  # noqa: PLW1509 (one thread)
            env={**os.environ, "LC_ALL": "C", "OPENSSL_CONF": os.devnull},
            user=account.uid if account else None, group=account.gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip


def _becomes_ready(server: Server, process: subprocess.Popen[bytes], deadline: float) -> bool:
    while process.poll() is None and time.monotonic() < deadline:
        if server.is_ready(process.pid):
            return True
        time.sleep(PAUSE)
    return False


if __name__ == "__main__":
    main()
