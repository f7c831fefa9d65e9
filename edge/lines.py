"""Sensors, signal controllers and modems that speak JSON lines, over TCP or from a file."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from math import isfinite
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from edge.backoff import Backoff
from edge.batches import Scalar, SignalEvent
from edge.errors import SourceError

log = logging.getLogger(__name__)

LONGEST: Final = 4096
"""Bytes of a line; a longer one is bad as a whole."""
TOGETHER: Final = 500
"""Samples that are handed on at once, at most."""
_CONNECT: Final = 5.0  # [s]
_TICK: Final = 0.5  # how often a silent source is asked whether to stop [s]

Sample = Scalar | SignalEvent


_Short = Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]


class _Line(msgspec.Struct):
    t: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
    metric: Annotated[str, msgspec.Meta(max_length=63, pattern=r"^[a-zA-Z0-9_.-]*$")] = ""
    value: float | None = None
    code: _Short | None = None
    parameter: _Short = 0


_decoder: Final = msgspec.json.Decoder(_Line)


def parse_line(line: bytes) -> Sample:
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
    found = _decoder.decode(line)
    if found.metric and found.value is not None and isfinite(found.value):
        return Scalar(found.t, found.metric, found.value)
    if found.code is not None:
        return SignalEvent(found.t, found.code, found.parameter)
    msg = "neither metric and value nor code and parameter"
    raise ValueError(msg)


class LineSource:
    """Reads one source and hands on its samples.

    Parameters
    ----------
    source
        ``tcp://host:port``, or a path that is read to its end.
    sink
        Takes samples in order; while it waits, so does the source.
    """

    def __init__(self, source: str, sink: Callable[[list[Sample]], None]) -> None:
        self.bad = 0  # lines that could not be read
        self.over = threading.Event()
        self._source = source
        self._sink = sink
        self._stopping = threading.Event()
        self._lost = False  # said to be
        self._good = True  # no bad line was spoken of

    def run(self, *, until_done: bool) -> None:
        """Read until `stop`; a stream that ends is over with `until_done`, else tried again."""
        backoff = Backoff(1.0, 30.0)
        while not self._stopping.is_set():
            try:
                for piece in self._pieces():
                    backoff.reset()
                    self._take(piece)
                if "://" not in self._source or until_done:
                    break
                reason = "it ended"
            except (OSError, SourceError) as fault:
                reason = str(fault)
            if not self._lost:
                log.warning("sensor %s lost: %s", self._source, reason)
            self._lost = True
            self._stopping.wait(backoff.next())
        self.over.set()

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()

    def _pieces(self) -> Iterator[list[bytes]]:
        """Yield whole lines as they come."""
        if "://" not in self._source:
            with Path(self._source).open("rb") as file:
                while lines := file.readlines(LONGEST * 16):
                    yield lines
            return
        with closing(self._connected()) as connection:
            rest = b""
            while not self._stopping.is_set():
                try:
                    piece = connection.recv(1 << 16)
                except TimeoutError:
                    continue
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > LONGEST:
                    lines.append(rest)  # bad, whatever follows
                    rest = b""
                yield lines

    def _connected(self) -> socket.socket:
        parts = urlsplit(self._source)
        if parts.scheme != "tcp" or not parts.hostname or not parts.port:
            msg = "not tcp://host:port"
            raise SourceError(msg)
        connection = socket.create_connection((parts.hostname, parts.port), _CONNECT)
        connection.settimeout(_TICK)
        if self._lost:
            log.info("sensor %s recovered", self._source)
        self._lost = False
        return connection

    def _take(self, lines: list[bytes]) -> None:
        samples: list[Sample] = []
        for line in lines:
            if not line.strip():
                continue
            try:
                samples.append(parse_line(line))
            except ValueError as fault:  # msgspec's too
                self.bad += 1
                if self._good:
                    log.warning("sensor %s has unreadable lines: %s", self._source, fault)
                self._good = False
        for start in range(0, len(samples), TOGETHER):
            self._sink(samples[start : start + TOGETHER])
