"""Passwords and certificates of a Docker Compose installation, a file each.

Whoever is let into the folder may read them all; the containers see those that they are given.
What is there is kept: run again to add a device, or to renew a certificate that was removed.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from ingest.enrolment.authority import Authority, create_authority
from tepna.stack.broker import access_list, check_identity, password_line
from tepna.stack.deployment import shared_values
from tepna.stack.errors import StackError
from tepna.stack.state import new_secret

DATABASE_HOST = "postgres"  # the services' names in docker-compose.yml
BROKER_HOST = "mosquitto"
BROKER_PORT = 8883
CERTIFICATE_PORT = 8884  # where devices are let in by their certificates
AUTHORITY_DAYS = 3650
SERVER_DAYS = 825
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class NoOpensslError(StackError):
    """The program openssl, which makes the certificates, is missing: install it."""


def write_secrets(
    folder: Path,
    hosts: Sequence[str],
    devices: Sequence[str],
    topics: Mapping[str, list[str]] | None = None,
) -> list[Path]:
    """Make what is missing in the folder; return what was written.

    Parameters
    ----------
    folder
        Is made if it is not there, and closed to everybody but its owner.
    hosts
        Names or addresses by which devices reach the broker; the first stands in their URLs.
    devices
        Identities ``{pilot}/{device}`` that get an account.
    topics
        Foreign accounts, and the topics that each may publish to: an access list is written then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    values = shared_values()
    database, user = values["POSTGRES_DB"], values["POSTGRES_USER"]
    password = _kept(folder / "postgres_password", new_secret())
    _kept(folder / "database_url", f"postgresql://{user}:{password}@{DATABASE_HOST}/{database}")
    _kept(folder / "picture_token", new_secret())
    _accounts(folder, hosts[0], devices, topics or {})
    _certificates(folder, [BROKER_HOST, "localhost", *hosts])
    _device_authority(folder)
    _kept(folder / "enrolment_broker", f"mqtts://{hosts[0]}:{CERTIFICATE_PORT}")
    return [path for path in sorted(folder.iterdir()) if before.get(path) != path.read_bytes()]


def _accounts(
    folder: Path, host: str, devices: Sequence[str], topics: Mapping[str, list[str]]
) -> None:
    values = shared_values()
    for identity in devices:
        check_identity(identity)
    if topics:
        _write(folder / "mosquitto.acl", access_list(topics))
    file = folder / "mqtt_accounts.json"
    accounts: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    rooms = {
        "ingest": values["TEPNA_MQTT_INGEST_USER"],
        "api": values["TEPNA_MQTT_API_USER"],
    }
    new = [name for name in (*rooms.values(), *devices, *topics) if name not in accounts]
    accounts |= {name: new_secret() for name in new}
    if new:
        _write(file, json.dumps(accounts, indent=1))
        file.chmod(0o600)  # no container reads this one
        # In place: the container holds this very file, and reads it again on SIGHUP.
        lines = "".join(password_line(name, word) for name, word in accounts.items())
        _write(folder / "mqtt_passwords", lines)
    for room, name in rooms.items():
        _kept(folder / f"mqtt_url_{room}", _url(name, accounts[name], BROKER_HOST))
    for name in (*devices, *topics):
        _kept(folder / f"mqtt_url_{name.replace('/', '.')}", _url(name, accounts[name], host))


def _url(name: str, password: str, host: str) -> str:
    return f"mqtts://{quote(name, safe='')}:{password}@{host}:{BROKER_PORT}"


def _certificates(folder: Path, hosts: Sequence[str]) -> None:
    """Make an authority of our own and the broker's certificate, signed by it."""
    authority, key = folder / "mqtt_authority.pem", folder / "mqtt_authority.key"
    if not authority.exists():
        _openssl(
            "-subj", "/CN=Tepna", "-days", AUTHORITY_DAYS, "-keyout", key, "-out", authority,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
    server, server_key = folder / "mqtt_server.pem", folder / "mqtt_server.key"
    if not server.exists():
        names = ",".join(_alternative(host) for host in dict.fromkeys(hosts))
        _openssl(
            "-subj", f"/CN={BROKER_HOST}", "-days", SERVER_DAYS, "-keyout", server_key,
            "-out", server, "-CA", authority, "-CAkey", key,
            "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
    for path in (authority, server, server_key):
        path.chmod(0o444)  # the broker is another user; the folder keeps all others out


def _device_authority(folder: Path) -> None:
    """Make who signs devices that enroll, and the list of whom it has revoked: nobody."""
    certificate, key = folder / "device_authority.pem", folder / "device_authority.key"
    if not certificate.exists():
        now = datetime.now(UTC)
        for path, content in zip((certificate, key), create_authority(now), strict=True):
            _write(path, content.decode())
        revoked = Authority.read(certificate, key).revocations([], now)
        _write(folder / "device_revoked.pem", revoked.decode())


def _alternative(host: str) -> str:
    return f"IP:{host}" if ":" in host or host.replace(".", "").isdecimal() else f"DNS:{host}"


def _openssl(*arguments: str | int | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise NoOpensslError(NoOpensslError.__doc__)
    command = [program, "req", "-x509", *KEY, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise StackError(f"openssl failed: {done.stderr.strip()}")


def _kept(path: Path, text: str) -> str:
    """Write the file if it is not there; return what is in it."""
    if not path.exists():
        _write(path, text)
    return path.read_text()


def _write(path: Path, text: str) -> None:
    path.touch()
    path.chmod(0o644)
    path.write_text(text)
