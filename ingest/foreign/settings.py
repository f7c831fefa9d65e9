"""Which topics speak which format, and how a foreign name becomes `{pilot}/{device}`: one file."""

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

import jsonpath
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contracts.site import Slug
from contracts.topics import VERSION, is_ours
from ingest.foreign.reading import ForeignError

Format = Literal[
    "senml", "things-stack", "zigbee2mqtt", "tasmota", "shelly", "sparkplug", "mapping"
]

OURS: Final = f"tepna/{VERSION}/+/+/#"
"""Topics of Tepna's own devices."""

BIRTHS: Final = ("+/+/NBIRTH/+", "+/+/DBIRTH/+/+")
"""Topics by which Sparkplug's nodes and devices say what their aliases mean."""

MAX_REMEMBERED: Final = 20_000
"""Topics, names and metrics that are remembered; what is forgotten is worked out again."""


class ForeignConfigError(ValueError):
    """The file cannot be used; the text names file, key, value and fix, a line for each."""


class Metric(NamedTuple):
    """What a foreign measurement becomes: value times factor plus offset."""

    name: str
    unit: str = ""  # UCUM; "": the one that the message states
    factor: float = 1.0
    offset: float = 0.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricRule(_Part):
    """How one measurement is called, in which unit, and what its values are multiplied by."""

    metric: str = Field(min_length=1, max_length=200)
    unit: str = ""
    factor: float = Field(1.0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)


class PathRule(MetricRule):
    """One value of the declarative mapping, and where it stands."""

    path: str

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        return check_path(value)


class Mapping(_Part):
    """Where the parts of a message stand, by JSONPath (RFC 9535), for any other JSON."""

    records: str | None = None  # each match is a message of its own; the paths below start there
    id: str | None = None  # the device's own name; none: what the topic says
    time: str | None = None
    time_unit: Literal["iso8601", "s", "ms", "us"] = "iso8601"
    message_id: str | None = None  # differs for each message of a device
    values: list[PathRule] = Field(min_length=1)

    @field_validator("records", "id", "time", "message_id")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        return value if value is None else check_path(value)


def check_path(path: str) -> str:
    """Refuse what is no JSONPath."""
    try:
        jsonpath.compile(path)
    except jsonpath.JSONPathError as fault:
        msg = f"{path!r} is no JSONPath ({fault}); write for instance $.data.temperature"
        raise ValueError(msg) from None
    return path


class Source(_Part):
    """Topics that speak one format."""

    name: Slug
    format: Format
    topics: list[str] = Field(min_length=1)
    pilot: Slug
    # Of a name that is not listed; {1} is what the first wildcard stood for. Whom the pattern gives
    # the account may speak for: with the name of its source in it, for no other device.
    device: str = "{source}-{id}"
    devices: dict[str, Slug] = {}
    account: str | None = None  # that may publish there
    prefix: str | None = None  # of metrics that are not listed; none: the format and a dot
    metrics: dict[str, MetricRule] = {}
    ignore: list[str] = []  # patterns of measurements that are not wanted
    zone: str | None = None  # of times that name none
    mapping: Mapping | None = None

    @field_validator("topics")
    @classmethod
    def _are_filters(cls, value: list[str]) -> list[str]:
        for topic in value:
            _check_filter(topic)
        return value

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str | None) -> str | None:
        try:
            return value if value is None else ZoneInfo(value).key
        except (KeyError, ValueError, OSError):
            msg = "no such time zone; write for instance Europe/Prague"
            raise ValueError(msg) from None

    @field_validator("account")
    @classmethod
    def _is_no_device(cls, value: str | None) -> str | None:
        # Without a dot it could be a pilot's name, whose topics the broker would open to it.
        if value is not None and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value):
            msg = "is no account of a foreign source; give it a dot, as in zigbee.bridge"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if (self.mapping is not None) != (self.format == "mapping"):
            msg = f'source {self.name}: the format "mapping" needs a [source.mapping], no other may'
            raise ValueError(msg)
        if self.format == "tasmota" and self.zone is None:
            msg = f"source {self.name}: Tasmota's times name no zone; set zone, UTC for instance"
            raise ValueError(msg)
        most = min(_wildcards(topic) for topic in self.topics)
        for place in re.findall(r"{([^}]*)}", self.device):
            if place not in {"id", "source"} and not (
                place.isdecimal() and 1 <= int(place) <= most
            ):
                msg = (
                    f"source {self.name}: device has {{{place}}}; {{id}} and {{1}}..{{{most}}} are"
                )
                raise ValueError(msg)
        return self

    @cached_property
    def longest_first(self) -> list[str]:
        """Foreign names that are listed, the longest first."""
        return sorted(self.devices, key=len, reverse=True)

    @cached_property
    def time_zone(self) -> ZoneInfo:
        """Zone of times that name none."""
        return ZoneInfo(self.zone or "UTC")

    def identity(self, foreign: str, wild: tuple[str, ...] = ()) -> str:
        """Give `{pilot}/{device}` of a device by its own name.

        Raises
        ------
        ForeignError
            If it is not listed and the pattern gives no name.
        """
        return _identity(self, foreign, wild)

    def metric(self, name: str) -> Metric | None:
        """Say what a measurement becomes; None: it is not wanted."""
        return _metric(self, name)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@lru_cache(MAX_REMEMBERED)
def _identity(source: Source, foreign: str, wild: tuple[str, ...]) -> str:
    if (listed := source.devices.get(foreign)) is not None:
        return f"{source.pilot}/{listed}"
    places = {"id": foreign, "source": source.name} | {
        str(i): text for i, text in enumerate(wild, 1)
    }
    used = [_slug(places.get(place, "")) for place in re.findall(r"{([^}]*)}", source.device)]
    slug = _slug(re.sub(r"{([^}]*)}", lambda found: places.get(found[1], ""), source.device))
    if not slug or not all(used) or len(slug) > 63:  # noqa: PLR2004  # of a name in a topic
        detail = f"{foreign!r} gives no device's name; list it in source {source.name}'s devices"
        raise ForeignError("unmapped-device", detail)
    return f"{source.pilot}/{slug}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@lru_cache(MAX_REMEMBERED)
def _metric(source: Source, name: str) -> Metric | None:
    if (rule := source.metrics.get(name)) is not None:
        return Metric(rule.metric, rule.unit, rule.factor, rule.offset)
    if any(fnmatchcase(name, pattern) for pattern in source.ignore):
        return None
    default = "" if source.mapping else f"{source.format}."  # a mapping names what it means
    prefix = default if source.prefix is None else source.prefix
    return Metric(f"{prefix}{name}".replace("\0", " "))


class Route(NamedTuple):
    """Whose a topic is, and what it has where the filter has wildcards."""

    source: Source
    wild: tuple[str, ...]


class Subscription(NamedTuple):
    """What ingest listens to for one filter."""

    topic: str
    # Every worker needs it, in the order in which it came: never by a shared subscription.
    everybody: bool = False


class Foreign(_Part):
    """All sources."""

    source: list[Source] = []

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [source.name for source in self.source]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = f"names are used twice: {', '.join(twice)}; give each source its own"
            raise ValueError(msg)
        return self

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Source]]:
        return [(_pattern(topic), source) for source in self.source for topic in source.topics]

    def find(self, topic: str) -> Route | None:
        """Find the first source that listens to a topic; None: no source does."""
        return _find(self, topic)

    def subscriptions(self) -> list[Subscription]:
        """Everything that ingest must listen to."""
        found: dict[str, Subscription] = {}
        for source in self.source:
            for topic in source.topics:
                found.setdefault(topic, Subscription(topic))
                if source.format == "sparkplug":
                    common = (_common(topic, births) for births in BIRTHS)
                    found |= {one: Subscription(one, everybody=True) for one in common if one}
        return list(found.values())

    def accounts(self) -> dict[str, list[str]]:
        """Topics to which each account may publish."""
        found: dict[str, list[str]] = {}
        for source in self.source:
            if source.account is not None:
                found.setdefault(source.account, []).extend(source.topics)
        return found

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@lru_cache(MAX_REMEMBERED)
def _find(foreign: Foreign, topic: str) -> Route | None:
    for pattern, source in foreign._patterns:  # noqa: SLF001  # a method that remembers
        if found := pattern.fullmatch(topic):
            return Route(source, found.groups())
    return None


def read_foreign(path: Path) -> Foreign:
    """Read the file of the foreign sources.

    Raises
    ------
    ForeignConfigError
        If it is missing, is no TOML or does not say what it must say.
    """
    try:
        return Foreign.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as fault:
        msg = f"{path}: cannot be read ({fault.strerror}); correct the path in TEPNA_FOREIGN"
        raise ForeignConfigError(msg) from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        msg = f"{path}: is no TOML: {fault}"
        raise ForeignConfigError(msg) from fault
    except ValidationError as fault:
        raise ForeignConfigError("\n".join(_explain(path, fault))) from fault


def _explain(path: Path, fault: ValidationError) -> list[str]:
    lines = []
    for error in fault.errors(include_url=False):
        key = ".".join(map(str, error["loc"])) or "file"
        whole = isinstance(error["input"], dict | list)  # a rule about several keys names them
        given = "" if whole or error["type"] == "missing" else f" is {error['input']!r}"
        lines.append(f"{path}: {key}{given}: {error['msg'].removeprefix('Value error, ')}")
    return lines


def _check_filter(topic: str) -> None:
    levels = topic.split("/")
    for place, level in enumerate(levels):
        last = place == len(levels) - 1
        if ("#" in level and not (level == "#" and last)) or ("+" in level and level != "+"):
            msg = f"{topic!r} is no topic filter: + and # stand alone, # comes last"
            raise ValueError(msg)
    if not topic or "\0" in topic or topic.startswith("$"):
        msg = f"{topic!r} is no topic filter that a device may publish to"
        raise ValueError(msg)
    if is_ours(topic) or _overlap(levels, OURS.split("/")):
        msg = f"{topic!r} takes in Tepna's own topics; begin it with the devices' own level"
        raise ValueError(msg)


def _overlap(some: list[str], others: list[str]) -> bool:
    """Tell whether a topic can be of both filters."""
    for one, other in zip(some, others, strict=False):
        if "#" in {one, other}:
            return True
        if one != other and "+" not in {one, other}:
            return False
    rest = some[len(others) :] or others[len(some) :]
    return rest in ([], ["#"])  # a/# takes in a


def _common(topic: str, other: str) -> str:
    """Filter of the topics that a filter shares with another of fixed depth, "" for none.

    >>> _common("spBv1.0/#", "+/+/NBIRTH/+"), _common("spBv1.0/plant/NDATA/+", "+/+/NBIRTH/+")
    ('spBv1.0/+/NBIRTH/+', '')
    """
    levels, others = topic.split("/"), other.split("/")
    if levels[-1] == "#":
        levels[-1:] = ["+"] * (len(others) - len(levels) + 1)
    if len(levels) != len(others) or not _overlap(levels, others):
        return ""
    return "/".join(b if a == "+" else a for a, b in zip(levels, others, strict=True))


def _wildcards(topic: str) -> int:
    return topic.count("+") + topic.count("#")


def _pattern(topic: str) -> re.Pattern[str]:
    """Expression of a filter; what stands for a wildcard is a group.

    >>> _pattern("zigbee2mqtt/#").fullmatch("zigbee2mqtt/hall/lamp").groups()
    ('hall/lamp',)
    """
    levels = ["([^/]*)" if level == "+" else re.escape(level) for level in topic.split("/")]
    if levels[-1] == "\\#":
        return re.compile("/".join(levels[:-1]) + ("/(.*)" if levels[1:] else "(.*)"), re.DOTALL)
    return re.compile("/".join(levels))
