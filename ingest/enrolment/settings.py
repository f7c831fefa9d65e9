"""Settings of the enrolment of devices; without them the door enrols nobody."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator

from contracts.settings import RoomSettings
from ingest.enrolment.authority import Authority, AuthorityError

NAMES = ("enrolment_authority", "enrolment_authority_key", "enrolment_broker")


class Office(NamedTuple):
    """What an enrolment needs."""

    authority: Authority
    broker: str
    broker_authority: str  # PEM, empty: a public one


class EnrolmentSettings(RoomSettings):
    """Who signs, and which broker the devices are sent to."""

    enrolment_authority: Path | None = Field(None, description="certificate that signs devices")
    enrolment_authority_key: Path | None = Field(None, description="its key")
    enrolment_broker: Annotated[str, StringConstraints(pattern=r"^mqtts://[^@/\s]+$")] | None = (
        Field(None, description="mqtts://host:port where certificates are let in")
    )
    mqtt_ca: Path | None = Field(None, description="file of the authority that signed the broker")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [name for name in NAMES if getattr(self, name) is None]
        if missing and len(missing) < len(NAMES):
            msg = f"{missing[0]} is not set, others are: set all of {', '.join(NAMES)}, or none"
            raise ValueError(msg)
        _ = self.office  # what is wrong with the files is told at the start
        return self

    @cached_property
    def office(self) -> Office | None:
        """What signs; None: nobody is enrolled here."""
        certificate, key = self.enrolment_authority, self.enrolment_authority_key
        if certificate is None or key is None or self.enrolment_broker is None:
            return None
        try:
            authority = Authority.read(certificate, key)
            trusted = "" if self.mqtt_ca is None else self.mqtt_ca.read_text(encoding="ascii")
        except (AuthorityError, OSError, UnicodeDecodeError) as fault:
            raise ValueError(str(fault)) from fault
        return Office(authority, self.enrolment_broker, trusted)
