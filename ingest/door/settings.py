"""Settings of the HTTP door."""

from pydantic import Field

from ingest.enrolment.settings import EnrolmentSettings
from ingest.settings import ReplaySettings


class DoorSettings(ReplaySettings, EnrolmentSettings):
    """Where to listen, and how much may wait at once."""

    door_host: str = "127.0.0.1"
    door_port: int = Field(8081, ge=0, le=65_535)
    door_name: str = Field("tepna-door", description="its name in the health of the platform")
    door_writers: int = Field(4, ge=1, le=64, description="transactions at once")
    door_requests: int = Field(64, ge=1, description="requests in work at once, then 503")
    door_requests_per_device: int = Field(4, ge=1, description="of these of one device, then 429")
    door_connections: int = Field(1000, ge=1, description="open connections, then 503")
    door_body_s: float = Field(20.0, gt=0, description="patience with a body that trickles in")
