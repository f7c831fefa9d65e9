"""How much of the link its probes may take."""

from pydantic import BaseModel, ConfigDict, Field


class Probes(BaseModel):
    """Budget of the probes, and what they measure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes_per_day: int = Field(
        1_000_000, ge=0, le=1_000_000_000, description="both ways, with all headers; 0: no probes"
    )
    throughput: bool = Field(True, description="measure the uplink's rate by trains of 15 kB")
    lost_after_s: float = Field(
        3.0, ge=0.1, le=30, description="a probe that is not back by then counts as lost"
    )
