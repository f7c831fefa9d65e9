"""Payloads from public documentation, and what reads them."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import to_micros
from ingest.foreign.formats import adapters
from ingest.foreign.reading import Message, Reading, moment
from ingest.foreign.settings import Foreign, Source
from ingest.foreign.sparkplug import Births

RECEIVED = to_micros(moment("2026-11-23T20:00:00Z"))

Read = Callable[..., list[Reading]]


@pytest.fixture
def payloads() -> Callable[[str], dict[str, Any]]:
    """Give the payloads of a format."""
    folder = Path(__file__).parent / "payloads"
    return lambda name: tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.fixture
def make_source() -> Callable[..., Source]:
    """Make a source of a format."""

    def make(format_: str, topic: str, **more: Any) -> Source:
        given = {"name": "here", "pilot": "pilot", "format": format_, "topics": [topic]}
        if format_ == "tasmota":
            given["zone"] = "Europe/Prague"
        return Source.model_validate(given | more)

    return make


@pytest.fixture
def read() -> Read:
    """Read one message as ingest does, after another by the same reader."""
    births = Births()

    def read(
        source: Source, topic: str, payload: bytes | str, received: int = RECEIVED
    ) -> list[Reading]:
        route = Foreign(source=[source]).find(topic)
        assert route is not None, topic
        raw = payload.encode() if isinstance(payload, str) else payload
        message = Message(topic, raw, received, route.wild)
        return adapters(births)[source.format](message, route.source)

    return read
