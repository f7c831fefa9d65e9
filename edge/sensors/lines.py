"""Sensors, signal controllers and modems that speak JSON lines, over TCP or from a file."""

import socket
from math import isfinite
from pathlib import Path
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, field_validator

from edge.batches import Scalar, SignalEvent
from edge.errors import EndedError
from edge.sensors.plugin import END_OF_TIME, TICK, Pieces, Sample, Sensor, Watch
from edge.sensors.streams import LONGEST, Lines

_CONNECT: Final = 5.0  # [s]

_Short = Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]


class _Line(msgspec.Struct):
    t: Annotated[int, msgspec.Meta(ge=0, lt=END_OF_TIME)]
    metric: Annotated[str, msgspec.Meta(max_length=63, pattern=r"^[a-zA-Z0-9_.-]*$")] = ""
    value: float | None = None
    code: _Short | None = None
    parameter: _Short = 0


_decoder: Final = msgspec.json.Decoder(_Line)


def parse_line(line: bytes) -> Scalar | SignalEvent:
    """Read one line.

    >>> parse_line(b'{"t": 5, "metric": "air.temperature", "value": 21.5}')
    Scalar(t=5, metric='air.temperature', value=21.5)
    >>> parse_line(b'{"t": 5, "code": 1, "parameter": 2}')
    SignalEvent(t=5, code=1, parameter=2)

    Raises
    ------
    ValueError
        If it is no sample.
    """
    if len(line) > LONGEST:
        msg = f"{len(line)} bytes, at most {LONGEST} are read"
        raise ValueError(msg)
    try:
        found = _decoder.decode(line)
    except RecursionError as fault:
        msg = "nested too deeply"
        raise ValueError(msg) from fault
    if found.metric and found.value is not None and isfinite(found.value):
        return Scalar(found.t, found.metric, found.value)
    if found.code is not None:
        return SignalEvent(found.t, found.code, found.parameter)
    msg = "neither metric and value nor code and parameter"
    raise ValueError(msg)


class LinesSensor(Sensor):
    """JSON lines with capture time and metric, or code and parameter; the unit is the metric's."""

    ends: ClassVar[bool] = True

    source: str = Field(min_length=1, description="tcp://host:port or a path")

    @field_validator("source")
    @classmethod
    def _can_be_opened(cls, source: str) -> str:
        if "://" in source:
            parts = urlsplit(source)
            if parts.scheme != "tcp" or not parts.hostname or not parts.port:
                msg = "not tcp://host:port, and no path"
                raise ValueError(msg)
        elif Path(source).name == "mmcli":
            msg = 'no source of lines; for ModemManager write kind = "mmcli" instead'
            raise ValueError(msg)
        return source

    @property
    def place(self) -> str:
        """The source."""
        return self.source

    def units(self) -> dict[str, str]:
        """Only the device knows."""
        return {}

    def read(self, watch: Watch) -> Pieces:
        """Read a path to its end, a stream until it breaks."""
        return self._stream(watch) if "://" in self.source else self._file(watch)

    def _file(self, watch: Watch) -> Pieces:
        with Path(self.source).open("rb") as file:
            while (lines := file.readlines(LONGEST * 16)) and not watch.stopping.is_set():
                yield _samples(lines, watch)

    def _stream(self, watch: Watch) -> Pieces:
        parts = urlsplit(self.source)
        with socket.create_connection((parts.hostname, parts.port), _CONNECT) as connection:
            connection.settimeout(TICK)
            yield []
            cut = Lines().cut
            while not watch.stopping.is_set():
                try:
                    piece = connection.recv(1 << 16)
                except TimeoutError:  # a controller may have nothing to say all night
                    continue
                if not piece:
                    msg = "it ended"
                    raise EndedError(msg)
                yield _samples(cut(piece), watch)


def _samples(lines: list[bytes], watch: Watch) -> list[Sample]:
    samples: list[Sample] = []
    for line in lines:
        if line.strip():
            try:
                samples.append(parse_line(line))
            except ValueError as fault:  # msgspec's too
                watch.refuse(fault)
    return samples
