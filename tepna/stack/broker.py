"""Mosquitto, as a server of the local stack, and its accounts."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from urllib.parse import quote

from contracts.topics import TopicError, parse, topic
from tepna.stack.deployment import deploy_folder, shared_values
from tepna.stack.errors import UnknownIdentityError
from tepna.stack.greeting import reason_code
from tepna.stack.packages import Servers
from tepna.stack.places import Account, give
from tepna.stack.server import Server

ITERATIONS = 101  # mosquitto_passwd's own; the passwords are 192 random bits, not words
SALT_LENGTH = 12  # [bytes]


def broker_url(port: int, user: str, password: str) -> str:
    """Address of the broker for an account."""
    return f"mqtt://{quote(user, safe='')}:{password}@127.0.0.1:{port}"


def lets_in(url: str) -> bool:
    """Tell whether the broker is there and knows the account."""
    try:
        return reason_code(url) == 0
    except OSError:
        return False


def server(servers: Servers, run: Path, port: int, passwords: Mapping[str, str]) -> Server:
    """Describe the server of the settings in ``run``."""
    user, password = next(iter(passwords.items()))
    url = broker_url(port, user, password)
    command = [str(servers.mosquitto), "-c", str(run / "mosquitto.conf")]
    log = run / "mosquitto.log"
    return Server("mosquitto", command, port, log, Signals.SIGTERM, lambda _: lets_in(url))


def prepare(
    run: Path,
    port: int,
    passwords: Mapping[str, str],
    topics: Mapping[str, list[str]],
    account: Account | None,
) -> None:
    """Write settings, access list and accounts; of foreign accounts the topics too."""
    shared = (deploy_folder() / "mosquitto.conf").read_text()
    store = run / "mosquitto"
    store.mkdir(exist_ok=True)
    give(store, account)
    settings = run / "mosquitto.conf"
    settings.write_text(
        f"{shared}\nlistener {port} 127.0.0.1\nlog_dest stderr\n"
        f"password_file {run / 'passwords'}\nacl_file {run / 'acl'}\n"
        f"persistence_location {store}/\n"
    )
    give(settings, account)
    write_acl(run / "acl", topics, account)
    write_passwords(run / "passwords", passwords, account)


def access_list(topics: Mapping[str, list[str]]) -> str:
    """Mosquitto's access list: ours, and that each foreign account may publish to its topics."""
    lines = [(deploy_folder() / "mosquitto.acl").read_text().rstrip()]
    for name, filters in sorted(topics.items()):
        lines += ["", f"user {name}", *(f"topic write {topic}" for topic in filters)]
    if topics:
        every = dict.fromkeys(topic for filters in topics.values() for topic in filters)
        ingest = shared_values()["TEPNA_MQTT_INGEST_USER"]
        lines += ["", f"user {ingest}", *(f"topic read {topic}" for topic in every)]
    return "\n".join(lines) + "\n"


def write_acl(path: Path, topics: Mapping[str, list[str]], account: Account | None = None) -> None:
    """Replace Mosquitto's access list; a running broker reads it again on SIGHUP."""
    fresh = path.with_suffix(".new")
    fresh.write_text(access_list(topics))
    give(fresh, account)
    fresh.replace(path)


def write_passwords(
    path: Path, passwords: Mapping[str, str], account: Account | None = None
) -> None:
    """Replace Mosquitto's password file; a running broker reads it again on SIGHUP."""
    fresh = path.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_text("".join(password_line(name, word) for name, word in passwords.items()))
    give(fresh, account)
    fresh.replace(path)


def check_identity(identity: str) -> None:
    """Refuse what is no device's identity, before it becomes an account.

    Raises
    ------
    UnknownIdentityError
        If it is not ``{pilot}/{device}`` as the topics have it.
    """
    try:
        address = parse(topic(identity, "state"))
    except TopicError as error:
        raise UnknownIdentityError(identity) from error
    if address.identity != identity:
        raise UnknownIdentityError(identity)


def password_line(name: str, password: str) -> str:
    """Return a line as ``mosquitto_passwd`` writes it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(SALT_LENGTH)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{name}:$7${ITERATIONS}${'$'.join(encoded)}\n"
