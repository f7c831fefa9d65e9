"""What a stack remembers in its home: the state for everybody, the secrets for its user."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from tepna.stack.deployment import shared_values

SECRET_LENGTH = 24  # [bytes]


class Plan(TypedDict):
    """What a supervisor is asked to hold."""

    home: str
    servers: str
    wanted: list[str]  # of "postgres", "mosquitto"
    owner: int | None  # process that the servers end with


class ServerState(TypedDict):
    """A server: its process and its port on 127.0.0.1."""

    pid: int
    port: int


class State(TypedDict):
    """``stack.json``."""

    supervisor: int
    owner: int | None  # process that the stack ends with; none: it stays up
    run: str
    socket: str
    servers: dict[str, ServerState]


class Secrets(TypedDict):
    """``secrets.json``: the database's password and each MQTT account's."""

    postgres: str
    mqtt: dict[str, str]


def read_state(home: Path) -> State | None:
    """Read what the last stack here recorded; it may have ended since."""
    try:
        state: State = json.loads((home / "stack.json").read_text())
    except FileNotFoundError:
        return None
    return state


def write_state(home: Path, state: State) -> None:
    """Record the state; a reader sees the old or the new one, never a half."""
    _replace(home / "stack.json", json.dumps(state, indent=1), 0o644)


def read_secrets(home: Path) -> Secrets:
    """Read the secrets, making those that are missing."""
    path = home / "secrets.json"
    values = shared_values()
    accounts = (values["TEPNA_MQTT_INGEST_USER"], values["TEPNA_MQTT_API_USER"])
    if path.exists():
        known: Secrets = json.loads(path.read_text())
        return known
    made = Secrets(postgres=new_secret(), mqtt={name: new_secret() for name in accounts})
    write_secrets(home, made)
    return made


def write_secrets(home: Path, values: Secrets) -> None:
    """Record the secrets, for their user's eyes only."""
    _replace(home / "secrets.json", json.dumps(values, indent=1), 0o600)


def read_topics(home: Path) -> dict[str, list[str]]:
    """Read the topics that each foreign account may publish to."""
    try:
        topics: dict[str, list[str]] = json.loads((home / "topics.json").read_text())
    except FileNotFoundError:
        return {}
    return topics


def write_topics(home: Path, topics: dict[str, list[str]]) -> None:
    """Record the topics of the foreign accounts."""
    _replace(home / "topics.json", json.dumps(topics, indent=1), 0o644)


def new_secret() -> str:
    """Make a password that needs no quoting in an address."""
    return secrets.token_urlsafe(SECRET_LENGTH)


def supervisor_runs(home: Path) -> bool:
    """Tell whether a supervisor holds its lock: true exactly while one lives."""
    try:
        with (home / "supervisor.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this file, waiting for it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str, mode: int) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
