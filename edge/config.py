"""Configuration of one edge agent: a TOML file, the environment, flags; checked at the start."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from contracts.broker import Broker, BrokerUrl, read_broker
from contracts.settings import SettingsError
from edge.network_keys import check_network
from edge.sensors.kinds import AnySensor
from edge.vision.settings import GroundPair, LineSettings, Pixel, VisionSettings, ZoneSettings

Positive = Annotated[float, Field(gt=0)]

ENVIRONMENT: Final = {
    "TEPNA_MQTT_URL": "uplink.url",
    "TEPNA_MQTT_PASSWORD": "uplink.password",
    "TEPNA_OUTBOX": "outbox.path",
    "TEPNA_PICTURE_TOKEN": "pictures.token",
}
"""Variables that win over the file; `pictures.token` only where the file has `[pictures]`."""


FOR_CHILD: Final = "child"
"""Context in which a password is written out."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Uplink(_Table):
    """The way to the platform."""

    url: BrokerUrl = Field(description="mqtt://host:port, or mqtts://host:port for TLS")
    ca: Path | None = None
    password: SecretStr | None = None
    window: int = Field(64, ge=2, le=1024, description="batches that may await `durable`")
    resend_after_s: Positive = 10.0
    keepalive_s: int = Field(20, ge=5, le=600)

    def broker(self, device: str) -> Broker:
        """Where to connect; the user is the device unless the URL names another."""
        broker = read_broker(self.url)
        password = self.password.get_secret_value() if self.password else broker.password
        return broker._replace(user=broker.user or device, password=password)


class Outbox(_Table):
    """Where batches wait until they are durable."""

    path: Path
    max_bytes: int = Field(256 << 20, ge=1 << 16)


class Batches(_Table):
    """When a batch is closed."""

    max_age_s: Positive = 0.5


class Camera(_Table):
    """The one camera of the agent and what is to be seen on it."""

    source: str = Field(min_length=1, description="file, folder of pictures, URL or usb:N")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="of RTSP: TCP loses no packets, UDP is a little faster"
    )
    ca: Path | None = Field(None, description="certificates to verify rtsps:// and https:// by")
    user: str | None = Field(None, min_length=1)
    password: SecretStr | None = None
    profile: str | None = Field(None, description="of an ONVIF camera: its name or token")
    clock: Literal["pts", "arrival", "rtcp"] = "arrival"
    start: AwareDatetime | None = None
    pace: Literal["realtime", "fast"] = "realtime"
    pictures_per_s: Positive | None = Field(
        None, description="of a folder; else each picture has a time of its own"
    )
    grows: bool = Field(False, description="a folder: only what comes into it is looked at")
    lost_after_s: Positive = 10.0
    calibration: list[tuple[float, float, float, float]] = []
    detector: Path | None = None
    detector_every: int = 1
    detector_threads: int = 1
    anchor: Literal["foot", "centre"] = "foot"
    masks: list[list[Pixel]] = []
    lines: list[LineSettings] = []
    zones: list[ZoneSettings] = []
    longest_stop_s: float = 300.0

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.start and self.clock == "pts":
            msg = 'start: clock = "pts" needs none; remove one of them'
            raise ValueError(msg)
        check_network(self)  # ValueError
        if self.grows and (self.pictures_per_s or self.start):
            msg = "grows: pictures that come have times of their own; no pictures_per_s, no start"
            raise ValueError(msg)
        _ = self.vision  # ValueError if that makes no sense
        return self

    @property
    def vision(self) -> VisionSettings:
        """What the vision is told."""
        return VisionSettings(
            detector=self.detector,
            detector_every=self.detector_every,
            detector_threads=self.detector_threads,
            anchor=self.anchor,
            lines=self.lines,
            zones=self.zones,
            masks=self.masks,
            ground=[GroundPair(image=(u, v), ground=(x, y)) for u, v, x, y in self.calibration],
            longest_stop=self.longest_stop_s,
        )

    @field_serializer("password", when_used="json-unless-none")
    def _hide(self, password: SecretStr, info: FieldSerializationInfo) -> str:
        """Tell the password to the camera's own process only."""
        return password.get_secret_value() if info.context == FOR_CHILD else str(password)

    def for_child(self) -> str:
        """Return the configuration as JSON, with the password: for the camera's own process."""
        return self.model_dump_json(context=FOR_CHILD)

    @property
    def shown(self) -> str:
        """The source without its password and its query: what may be logged."""
        scheme, mark, place = self.source.partition("://")
        if not mark:
            return self.source
        account, at, place = place.rpartition("@")
        user, colon, _ = account.partition(":")
        place, query, _ = place.partition("?")
        return f"{scheme}://{user}{colon and ':***'}{at}{place}{query and '?***'}"

    @property
    def is_file(self) -> bool:
        """Whether the source is a recording, not something live."""
        return self.is_path and not self.grows

    @property
    def is_path(self) -> bool:
        """Whether the source is a file or folder."""
        return "://" not in self.source and not self.source.startswith("usb:")


class Pictures(_Table):
    """Server of pixelated pictures."""

    listen: str = "127.0.0.1:0"
    token: SecretStr = Field(min_length=16, description="who has it may see pixelated pictures")

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
    pictures: Pictures | None = None


def read_config(
    path: Path, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> AgentConfig:
    """Read the configuration of an agent.

    Parameters
    ----------
    path
        TOML file; relative paths in it start at its folder.
    flags
        ``key.path=value`` each; they win over the environment, that over the file.
    environment
        Variables; those of the process by default.

    Raises
    ------
    SettingsError
        If anything is missing or wrong.
    """
    folder = path.absolute().parent
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        msg = f"{path}: cannot be read ({fault.strerror}); give the path of an agent's TOML file"
        raise SettingsError(msg) from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        msg = f"{path}: no TOML: {fault}"
        raise SettingsError(msg) from fault
    table = {"uplink": {}, "outbox": {"path": "outbox.sqlite"}} | table
    if isinstance(table["outbox"], dict):
        table["outbox"] = {"path": "outbox.sqlite"} | table["outbox"]
    _resolve(table, folder)
    given = {}
    for flag in flags:
        key, equals, text = flag.partition("=")
        if not equals:
            msg = f"--set {flag}: not key.path=value; write for instance camera.source=a.mp4"
            raise SettingsError(msg)
        given[key.strip()] = _value(text)
    for key, value in given.items():
        _put(table, key, value)
    for variable, key in ENVIRONMENT.items():
        text = (os.environ if environment is None else environment).get(variable, "")
        if text and key not in given and (key != "pictures.token" or "pictures" in table):
            _put(table, key, text)
    _resolve(table, Path.cwd())
    try:
        return AgentConfig.model_validate(table)
    except ValidationError as fault:
        raise SettingsError("\n".join(f"{path}: {line}" for line in _explain(fault))) from fault


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


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
            except OSError as fault:
                msg = f"{name}.{key} is 'file:{file}': {fault.strerror}. Name a readable file."
                raise SettingsError(msg) from fault


_PATHS: Final = (
    ("outbox", "path"),
    ("uplink", "ca"),
    ("camera", "source"),
    ("camera", "ca"),
    ("camera", "detector"),
    ("modem", "source"),
)
_SECRETS: Final = (
    ("uplink", "url"),
    ("uplink", "password"),
    ("camera", "password"),
    ("pictures", "token"),
)
_SENSOR_SECRETS: Final = ("password", "token")
_USER_INFO: Final = re.compile(r"//[^@/\s]*@")
_FIX: Final = {key: variable for variable, key in ENVIRONMENT.items()}


def _absolute(text: str, folder: Path) -> str:
    if "://" in text or text.startswith("usb:"):
        return text
    return str((folder / text).resolve())


def _explain(fault: ValidationError) -> list[str]:
    lines = []
    for error in fault.errors(include_url=False, include_context=False):
        place = error["loc"]
        key = ".".join(map(str, place)) or "the whole"
        shown = _shown(place, error["input"])
        fix = f"set {_FIX[key]}, or " if key in _FIX else ""
        # Flags reach into tables only, not into lists.
        flag = "" if any(isinstance(step, int) for step in place) else f" or give --set {key}="
        match error["type"]:
            case "missing":
                lines.append(f"{key} is not set: {fix}write it into the file{flag}")
            case "extra_forbidden":
                lines.append(f"{key} is {shown}: no such key; remove it or correct its name")
            case _:
                message = error["msg"].removeprefix("Value error, ")
                lines.append(f"{key} is {shown}: {message}; {fix}correct it{flag}")
    return lines


def _shown(place: tuple[int | str, ...], value: Any) -> str:
    """Show what is wrong, but no secret; a table may hold one."""
    if isinstance(value, dict):
        return "a table"
    camera = ("camera", "source")  # its address may hold a password
    if place[:2] in (*_SECRETS, camera) or (place and place[-1] in _SENSOR_SECRETS):
        return "***"
    return _USER_INFO.sub("//***@", repr(value))
