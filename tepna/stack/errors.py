"""What can go wrong with the local stack."""

from pathlib import Path

OTHER_WAYS = (
    "Two other ways: run everything with Docker Compose (docker compose up), or set "
    "TEPNA_DATABASE_URL and TEPNA_MQTT_URL to servers that you have (TimescaleDB 2.18.1 or newer, "
    "an MQTT 5 broker)."
)


class StackError(Exception):
    """The local stack cannot do what was asked."""


class NoPackagesError(StackError):
    """The servers' packages cannot be had on this system."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}\n{OTHER_WAYS}")
        self.reason = reason


class DamagedPackagesError(StackError):
    """A file of the unpacked servers is missing or is not what was unpacked."""

    def __init__(self, root: Path, names: list[str]) -> None:
        super().__init__(
            f"{len(names)} files under {root} are missing or changed, first: {names[0]}. "
            f"Remove the folder and start again: rm -r {root}"
        )
        self.names = names


class ServerFailedError(StackError):
    """A server did not come up."""

    def __init__(self, name: str, log: Path) -> None:
        tail = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        super().__init__("\n".join([f"{name} did not start; the end of {log}:", *tail]))
        self.name = name


class UnknownIdentityError(StackError):
    """A device's identity is not {pilot}/{device} in small letters, digits and hyphens."""

    def __init__(self, identity: str) -> None:
        super().__init__(
            f"{identity!r} is no device: write {{pilot}}/{{device}}, each in small letters, "
            "digits and hyphens."
        )
        self.identity = identity


class NotRunningError(StackError):
    """The local stack does not run here; start it with: tepna up."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"No local stack runs in {home}. Start it with: tepna up")
        self.home = home
