"""Settings of ingest."""

from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, Self

from pydantic import Field, model_validator

from contracts.broker import Broker, BrokerUrl, read_broker
from ingest.foreign.settings import Foreign, read_foreign
from storage.pool import StorageSettings

MAX_WORKERS: Final = 32
"""Ingest processes of one name; that many sessions are looked for at the start."""


class DeadLetterQuota(NamedTuple):
    """How much one device may have among the dead letters."""

    letters: int
    bytes: int


class ReplaySettings(StorageSettings):
    """What is taken, and what is kept of the rest."""

    clock_ahead_s: float = Field(300, ge=0, description="how far captured may lie in the future")
    foreign: Path | None = Field(None, description="file of the sources that speak other formats")
    dead_letters_per_device: int = Field(1000, ge=0)
    dead_letter_bytes_per_device: int = Field(64 << 20, ge=0)

    @model_validator(mode="after")
    def _reads_the_sources(self) -> Self:
        _ = self.sources  # what is wrong with the file is told at the start
        return self

    @cached_property
    def sources(self) -> Foreign:
        """Sources that speak other formats."""
        return Foreign() if self.foreign is None else read_foreign(self.foreign)

    @property
    def quota(self) -> DeadLetterQuota:
        """Bounds of the dead letters."""
        return DeadLetterQuota(self.dead_letters_per_device, self.dead_letter_bytes_per_device)


class IngestSettings(ReplaySettings):
    """Where messages come from, and how much of them is held at once."""

    mqtt_url: BrokerUrl = Field(description="mqtt://user:password@host:port, mqtts:// for TLS")
    mqtt_ca: str | None = Field(None, description="file of the authority that signed the broker")
    ingest_client: str = Field("tepna-ingest", description="name of the session at the broker")
    ingest_window: int = Field(600, ge=1, le=65_535, description="unacknowledged messages at once")
    ingest_group: int = Field(
        200, ge=1, le=1000, description="messages that one transaction may take, a lock each"
    )

    @property
    def broker(self) -> Broker:
        """Take the address apart."""
        return read_broker(self.mqtt_url)
