"""Anything that answers HTTP GET with JSON: weather stations, air quality, counters, inverters."""

import base64
import http.client
import time
import urllib.request
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

import jsonpath
import msgspec
from pydantic import Field, SecretStr, field_validator, model_validator

from contracts.clock import MICROSECONDS, to_micros
from edge.errors import SourceError
from edge.sensors.plugin import Pieces, Polled, Quantity, Reading, Watch

MOST: Final = 1 << 20
"""Bytes of an answer that are read; a longer one is refused."""
VALUES: Final = 200
"""Values that one poller may name."""
_UNITS: Final = {"s": MICROSECONDS, "ms": 1000, "us": 1}


@lru_cache(1000)
def _compiled(path: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    try:
        return jsonpath.compile(path)
    except jsonpath.JSONPathError as fault:
        msg = f"no JSONPath, as $.sensors[0].value: {fault}"
        raise ValueError(msg) from fault


def _is_path(path: str) -> str:
    _compiled(path)
    return path


class Value(Quantity):
    """A number of the answer, and what it means."""

    path: str = Field(description="JSONPath, as $.sensors[0].value")

    _path_is_one = field_validator("path")(_is_path)


class HttpSensor(Polled):
    """An address that is asked for JSON; redirections are not followed, they would tell secrets."""

    url: str = Field(min_length=1, description="http:// or https://")
    values: Annotated[list[Value], Field(min_length=1, max_length=VALUES)]
    time: str | None = Field(None, description="JSONPath of the capture time; none: when asked")
    time_unit: Literal["s", "ms", "us", "iso8601"] = "s"
    user: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = Field(None, description="sent as Authorization: Bearer")

    @field_validator("url")
    @classmethod
    def _can_be_asked(cls, url: str) -> str:
        parts = urlsplit(url)
        _ = parts.port  # ValueError if it is none
        if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii():
            msg = "not http://host/path or https://host/path"
            raise ValueError(msg)
        if parts.username or parts.password:
            msg = "it must not hold a password; use the keys user and password"
            raise ValueError(msg)
        return url

    @field_validator("time")
    @classmethod
    def _time_is_a_path(cls, path: str | None) -> str | None:
        return path and _is_path(path)

    @model_validator(mode="after")
    def _is_one_person(self) -> Self:
        if (self.user is None) != (self.password is None) or (self.user and self.token):
            msg = "user and password belong together, without token; remove or add one of them"
            raise ValueError(msg)
        return self

    @property
    def place(self) -> str:
        """The address; what follows a question mark may be a key."""
        return self.url.partition("?")[0]

    def units(self) -> dict[str, str]:
        """Name what the values mean."""
        return {value.metric: value.unit for value in self.values}

    def read(self, watch: Watch) -> Pieces:
        """Ask once a period; an answer whose own time has not changed says nothing new."""
        opener = urllib.request.build_opener(_NoRedirection)
        last = None
        while True:
            answer = self._ask(opener)
            t = self._captured(answer, watch)
            if t is None or (self.time is not None and t == last):
                yield []
            else:
                yield self._readings(answer, t, watch)
            last = t
            if watch.wait_for_turn(self.period_s):
                return

    def _ask(self, opener: urllib.request.OpenerDirector) -> Any:
        request = urllib.request.Request(self.url, headers=self._headers())  # noqa: S310  # checked
        deadline = time.monotonic() + 2 * self.timeout_s
        body = b""
        try:
            with opener.open(request, timeout=self.timeout_s) as response:
                while piece := response.read1(1 << 16):
                    body += piece
                    if len(body) > MOST or time.monotonic() > deadline:
                        msg = f"its answer is longer than {MOST} bytes, or takes too long"
                        raise SourceError(msg)
            return msgspec.json.decode(body)
        except http.client.HTTPException as fault:
            msg = f"it does not speak HTTP: {fault!r}"
            raise SourceError(msg) from fault
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            msg = f"its answer is no JSON: {fault}"
            raise SourceError(msg) from fault

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "tepna-edge"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        if self.user is not None and self.password is not None:
            both = f"{self.user}:{self.password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(both).decode()}"
        return headers

    def _captured(self, answer: Any, watch: Watch) -> int | None:
        """Say when the answer's values were captured [us]; None if it names no usable time."""
        if self.time is None:
            return watch.clock()
        try:
            stated = _one(answer, self.time)
            if self.time_unit == "iso8601":
                return to_micros(datetime.fromisoformat(str(stated)))
            t = round(_number(stated) * _UNITS[self.time_unit])
        except (ValueError, OverflowError) as fault:
            watch.refuse(f"{self.time}: {fault}")
            return None
        return t

    def _readings(self, answer: Any, t: int, watch: Watch) -> list[Reading]:
        readings = []
        for value in self.values:
            try:
                readings.append(value.reading(t, _number(_one(answer, value.path))))
            except (ValueError, OverflowError) as fault:
                watch.refuse(f"{value.path}: {fault}")
        return readings


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse: what asks then fails with the status."""


def _one(answer: Any, path: str) -> Any:
    try:
        found = _compiled(path).findall(answer)
    except jsonpath.JSONPathError as fault:  # nested too deeply, or compared with what it is not
        raise ValueError(str(fault)) from fault
    if len(found) != 1:
        msg = f"finds {len(found)} values, one is wanted"
        raise ValueError(msg)
    return found[0]


def _number(found: Any) -> float:
    """Read a number, also one that is written as a text, or a switch."""
    if isinstance(found, (bool, int, float, str)):
        number = float(found)  # ValueError if a text is none
        if isfinite(number):
            return number
    msg = f"{str(found)[:80]!r} is no number"
    raise ValueError(msg)
