"""Configuration of one edge agent: a YAML file, the environment, flags; checked at the start."""

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from contracts.broker import Broker, BrokerUrl, read_broker
from contracts.errors import SettingsError
from edge.configuration.camera import Camera, Positive
from edge.configuration.document import parse_value, read_document
from edge.configuration.explain import Origins
from edge.configuration.overlay import lay_over
from edge.configuration.secrets import check_place, check_secrets_stay
from edge.identity.folder import IdentityError, read_identity
from edge.probing.settings import Probes
from edge.sensors.kinds import AnySensor
from edge.update.settings import Update

ENVIRONMENT: Final = {
    "TEPNA_MQTT_URL": "uplink.url",
    "TEPNA_MQTT_PASSWORD": "uplink.password",
    "TEPNA_OUTBOX": "outbox.path",
    "TEPNA_OUTBOX_KEY": "outbox.key",
    "TEPNA_PICTURE_TOKEN": "pictures.token",
}
"""Variables that win over the file; `pictures.token` only where the file has `pictures`."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Uplink(_Table):
    """The way to the platform."""

    url: BrokerUrl = Field(description="mqtt://host:port, or mqtts://host:port for TLS")
    identity: Path | None = Field(None, description="folder that `tepna edge enroll` made")
    ca: Path | None = None
    password: SecretStr | None = None
    window: int = Field(64, ge=2, le=1024, description="batches that may await `durable`")
    resend_after_s: Positive = 10.0
    keepalive_s: int = Field(20, ge=5, le=600)
    budget_kbit_s: float | None = Field(None, ge=8, description="of all batches; else no limit")
    drain_kbit_s: float | None = Field(None, ge=8, description="of those older than 10 s")

    @model_validator(mode="before")
    @classmethod
    def _goes_where_it_was_enrolled(cls, table: Any) -> Any:
        if isinstance(table, dict) and table.get("identity") and not table.get("url"):
            try:
                return table | {"url": read_identity(Path(table["identity"])).place.broker}
            except IdentityError as fault:
                raise ValueError(str(fault)) from fault
        return table

    def tls(self) -> ssl.SSLContext:
        """Whom to trust, and who we are where a certificate says so."""
        found = None if self.identity is None else read_identity(self.identity)
        authority = self.ca or (None if found is None else found.authority)
        context = ssl.create_default_context(cafile=authority)
        if found is not None:
            context.load_cert_chain(found.pair)
        return context

    def broker(self, device: str) -> Broker:
        """Where to connect; the user is the device unless the URL names another."""
        broker = read_broker(self.url)
        password = self.password.get_secret_value() if self.password else broker.password
        return broker._replace(user=broker.user or device, password=password)


class Outbox(_Table):
    """Where batches wait until they are durable."""

    path: Path
    max_bytes: int = Field(256 << 20, ge=1 << 16)
    key: SecretStr | None = Field(None, description="seals what waits; 64 hex digits")
    former_key: SecretStr | None = Field(None, description="of before; opens what waits still")

    @field_validator("key", "former_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch("[0-9a-fA-F]{64}", value.get_secret_value()):
            msg = "not 64 hex digits; make a key with: openssl rand -hex 32"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _has_a_key_after_another(self) -> Self:
        if self.former_key is not None and self.key is None:
            msg = "former_key: nothing is sealed any more without a key; set outbox.key to it"
            raise ValueError(msg)
        return self

    @property
    def keys(self) -> list[bytes]:
        """Keys of the seal, the one that seals first."""
        given = (self.key, self.former_key)
        return [bytes.fromhex(key.get_secret_value()) for key in given if key is not None]


class Batches(_Table):
    """When a batch is closed."""

    max_age_s: Positive = 0.5
    patient_age_s: Positive = Field(
        5.0, description="the same of link, energy, occupancy and how the agent is [s]"
    )


class Pictures(_Table):
    """Server of pixelated pictures."""

    listen: str = "127.0.0.1:0"
    token: SecretStr = Field(min_length=16, description="who has it may see pixelated pictures")
    tls: bool = Field(True, description="false: plain HTTP, and live views on the box itself only")
    certificate: Path | None = Field(None, description="PEM; none: one is made and kept")
    key: Path | None = Field(None, description="PEM, of the certificate")
    viewers: int = Field(4, ge=1, le=50, description="live views at a time")
    frames_per_s: float = Field(5.0, gt=0, le=10, description="of a live view")
    budget_kbit_s: Positive | None = Field(None, description="of all pictures together")
    snapshot_bytes: int = Field(64 << 20, ge=0, description="kept beside the outbox; 0: none")
    snapshot_days: float = Field(30.0, gt=0, description="after which a snapshot is deleted")

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together; give both, or none of them"
            raise ValueError(msg)
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host, int(port)

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or int(port) >= 1 << 16:
            msg = "not host:port"
            raise ValueError(msg)
        return value


class AgentConfig(_Table):
    """Everything one agent is told."""

    device: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$")
    simulated: bool = False
    uplink: Uplink
    outbox: Outbox
    batches: Batches = Batches()
    camera: Camera | None = None
    sensors: list[AnySensor] = []
    modem: AnySensor | None = None
    probes: Probes = Probes()
    pictures: Pictures | None = None
    update: Update | None = None
    secrets_to: list[Annotated[str, AfterValidator(check_place)]] = Field(
        [],
        description="scheme://host[:port] each, to which a configuration from afar may have secrets"
        " of this box sent, beside those of this file",
    )

    @model_validator(mode="after")
    def _is_who_it_was_enrolled_as(self) -> Self:
        folder = self.uplink.identity
        if folder is not None and (found := read_identity(folder).place.device) != self.device:
            msg = f"device is {self.device}, but {folder} is the identity of {found}: correct one"
            raise ValueError(msg)
        return self


def read_config(
    path: Path,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    overlay: Mapping[str, Any] | None = None,
) -> AgentConfig:
    """Read the configuration of an agent.

    Parameters
    ----------
    path
        YAML file, or TOML if it is called so; relative paths in it start at its folder.
    flags
        ``key.path=value`` each; they win over the environment, that over the file.
    environment
        Variables; those of the process by default.
    overlay
        What the platform desires; its keys win over the file's.

    Raises
    ------
    SettingsError
        If anything is missing or wrong.
    """
    folder = path.absolute().parent
    document = read_document(path)
    table = {"uplink": {}, "outbox": {"path": "outbox.sqlite"}} | document.table
    if isinstance(table["outbox"], dict):
        table["outbox"] = {"path": "outbox.sqlite"} | table["outbox"]
    camera = table.get("camera")
    if path.suffix == ".toml" and isinstance(camera, dict):  # older agents knew pixels only
        table["camera"] = {"drawn_on": "stream"} | camera
    own = deepcopy(table)
    origins = Origins(str(path), document.lines, _FIX)
    for key in lay_over(table, overlay or {}):
        origins.set_over(key, "what is desired")
    _resolve(table, folder)
    given = {}
    for flag in flags:
        key, equals, text = flag.partition("=")
        if not equals:
            msg = f"--set {flag}: not key.path=value; write for instance camera.source=a.mp4"
            raise SettingsError(msg)
        given[key.strip()] = parse_value(text)
    for key, value in given.items():
        _put(table, key, value)
        _put(own, key, value)
        origins.set_over(key, f"--set {key}")
    for variable, key in ENVIRONMENT.items():
        text = (os.environ if environment is None else environment).get(variable, "")
        if text and key not in given and (key != "pictures.token" or "pictures" in table):
            _put(table, key, text)
            origins.set_over(key, variable)
    _resolve(table, Path.cwd())
    try:
        config = AgentConfig.model_validate(table)
    except ValidationError as fault:
        raise SettingsError("\n".join(origins.explain(fault))) from fault
    check_secrets_stay(config, own, overlay or {})
    return config


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            msg = f"--set {key}: {parent} is no table; only tables can be set key by key"
            raise SettingsError(msg)
    table[last] = value


def _resolve(table: dict[str, Any], folder: Path) -> None:
    """Make paths absolute and replace `file:` secrets by what the files say."""
    places = [(table.get(name), key) for name, key in _PATHS]
    secrets = [(table.get(name), key, name) for name, key in _SECRETS]
    sensors = table.get("sensors")
    for n, sensor in enumerate(sensors if isinstance(sensors, list) else []):
        places.append((sensor, "source"))
        secrets += [(sensor, key, f"sensors.{n}") for key in _SENSOR_SECRETS]
    for part, key in places:
        if isinstance(part, dict) and isinstance(part.get(key), str):
            part[key] = _absolute(part[key], folder)
    for part, key, name in secrets:
        if isinstance(part, dict) and str(part.get(key, "")).startswith("file:"):
            file = folder / part[key].removeprefix("file:")
            try:
                part[key] = file.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as fault:  # whose text would tell a byte of the secret
                why = fault.strerror if isinstance(fault, OSError) else "no text"
                msg = f"{name}.{key} is 'file:{file}': {why}. Name a readable file."
                raise SettingsError(msg) from fault


_PATHS: Final = (
    ("outbox", "path"),
    ("uplink", "ca"),
    ("uplink", "identity"),
    ("update", "folder"),
    ("camera", "source"),
    ("camera", "ca"),
    ("camera", "detector"),
    ("modem", "source"),
    ("pictures", "certificate"),
    ("pictures", "key"),
)
_SECRETS: Final = (
    ("uplink", "url"),
    ("uplink", "password"),
    ("outbox", "key"),
    ("outbox", "former_key"),
    ("camera", "password"),
    ("pictures", "token"),
)
_SENSOR_SECRETS: Final = ("password", "token")
_FIX: Final = {key: variable for variable, key in ENVIRONMENT.items()}


def _absolute(text: str, folder: Path) -> str:
    if "://" in text or text.startswith("usb:"):
        return text
    return str((folder / text).resolve())
