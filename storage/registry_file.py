"""A file of devices and metrics, read and checked before any of it is written."""

import re
import tomllib
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from contracts.batch import STREAMS
from contracts.site import Slug
from contracts.ucum import check

SLUG: Final = r"[a-z0-9][a-z0-9-]{0,62}"


class RegistryFileError(ValueError):
    """The file cannot be used; the text names key, value and fix, a line for each."""


def is_slug(text: str) -> bool:
    """Whether a text may name a pilot, a site or a device.

    >>> is_slug("cam-1"), is_slug("Cam/1")
    (True, False)
    """
    return re.fullmatch(SLUG, text) is not None


def known_stream(stream: str) -> str:
    """Return a stream's name.

    Raises
    ------
    ValueError
        If there is no such stream.
    """
    if stream not in STREAMS:
        msg = f"there is no stream {stream!r}; write one of {', '.join(sorted(STREAMS))}"
        raise ValueError(msg)
    return stream


def finite(value: float) -> float:
    """Return a bound; infinite ones are left out instead."""
    if not isfinite(value):
        msg = f"{value} is no bound; leave it out where there is none"
        raise ValueError(msg)
    return value


Identity = Annotated[str, Field(pattern=rf"^{SLUG}/{SLUG}$")]
MetricName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Stream = Annotated[str, AfterValidator(known_stream)]
Unit = Annotated[str, AfterValidator(check)]
Bound = Annotated[float, AfterValidator(finite)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceEntry(_Part):
    """A device: where it stands, what it is, and what it may send."""

    site: Slug
    kind: Slug | None = None
    streams: list[Stream] | None = None


class MetricEntry(_Part):
    """A metric: its unit, and the range its true values lie in."""

    unit: Unit
    low: Bound | None = None
    high: Bound | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            msg = f"low {self.low:g} is above high {self.high:g}; exchange them"
            raise ValueError(msg)
        return self


class RegistryFile(_Part):
    """Devices by `pilot/device`, metrics by name."""

    devices: dict[Identity, DeviceEntry] = {}
    metrics: dict[MetricName, MetricEntry] = {}


def read_registry_file(path: Path) -> RegistryFile:
    """Read a file.

    Raises
    ------
    RegistryFileError
        If it is missing, is no TOML, or says what cannot be.
    """
    try:
        return RegistryFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as fault:
        msg = f"{path}: cannot be read ({fault.strerror}); give the path of a TOML file"
        raise RegistryFileError(msg) from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        msg = f"{path}: {fault}"
        raise RegistryFileError(msg) from fault
    except ValidationError as fault:
        lines = [_explain(dict(error)) for error in fault.errors(include_url=False)]
        msg = "\n".join(f"{path}: {line}" for line in lines)
        raise RegistryFileError(msg) from fault


def _explain(error: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        return f"{key} is no key of it; correct or remove it"
    if error["type"] == "missing":
        return f"{key} is missing; add it"
    fault = error["msg"].removeprefix("Value error, ")
    return f"{key} is {error['input']!r}: {fault}"
