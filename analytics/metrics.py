"""The metrics that are stored per minute: names, units, bins, coverage, thresholds. Data only."""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from analytics.kernels.arrays import Floats
from analytics.kernels.delivery import geometric_edges
from contracts.classes import RoadUser

KM_H: Final = 1 / 3.6
"""[m/s]"""

SPEED_EDGES: Final[Floats] = np.arange(201) / 3.6
"""Bins of 1 km/h; the last is open. [m/s]"""

LATENCY_EDGES: Final[Floats] = geometric_edges(0.01, 10_000.0, 20)
"""Twenty bins a decade, so a quantile is within 6 %; the last is open. [s]"""

MOTOR: Final = frozenset(
    {RoadUser.MOTORCYCLE, RoadUser.CAR, RoadUser.VAN, RoadUser.TRUCK, RoadUser.BUS}
)
"""Motor vehicles that a speed limit and a queue are about."""


class Of(StrEnum):
    """What the `part` of a metric names."""

    LINE = "line"
    APPROACH = "approach"
    DEVICE = "device"
    CONFLICT = "conflict"  # severity/type/who, such as severe/crossing/vru
    WHO = "who"  # vru: either is a vulnerable road user; vehicle: neither is


class Metric(NamedTuple):
    """One metric as it is stored, in SI units."""

    name: str
    unit: str  # UCUM, of `total`, `peak` and the bins
    title_cs: str
    title_en: str
    of: Of
    edges: Floats | None = None  # of the histogram
    minimum_coverage: float = 0.8  # below that share of the time observed, no number is given


class Thresholds(BaseModel):
    """What decides; written beside every value that it made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severe_ttc: float = Field(1.5, gt=0, description="below: severe conflict [s]")
    slight_ttc: float = Field(3.0, gt=0, description="below: slight conflict [s]")
    severe_pet: float = Field(1.5, gt=0, description="below: severe conflict [s]")
    slight_pet: float = Field(5.0, gt=0, description="below: slight conflict [s]")
    least_pet: float = Field(-1.0, le=0, description="below, only the TTC decides [s]")
    conflict_time: float = Field(0.5, ge=0, description="a TTC is that small for so long [s]")
    conflict_sd: float = Field(0.35, gt=0, description="of positions in a conflict at most [m]")
    conflict_speed: float = Field(2.0, ge=0, description="least relative speed [m/s]")
    encounter_distance: float = Field(10.0, gt=0, description="nearer is an encounter [m]")
    position_sd: float = Field(2.0, gt=0, description="worse positions are left out [m]")
    halt_speed: float = Field(5 / 3.6, gt=0, description="slower is a halt [m/s]")
    halt_time: float = Field(1.0, gt=0, description="for so long [s]")
    jam_gap: float = Field(10.0, gt=0, description="largest gap within a queue [m]")
    red_tolerance: float = Field(1.0, ge=0, description="after the begin of red [s]")
    longest_cycle: float = Field(300.0, gt=0, description="of a signal [s]")
    delivery_deadline: float = Field(1.0, gt=0, description="from capture to commit [s]")


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("flow", "{vehicle}", "Intenzita", "Flow", Of.LINE),
        Metric("speed", "m/s", "Rychlost", "Speed", Of.LINE, SPEED_EDGES),
        Metric("queue", "{vehicle}", "Vozidla ve frontě", "Vehicles queued", Of.APPROACH),
        Metric("queue_length", "m", "Délka fronty", "Queue length", Of.APPROACH),
        Metric("red_light_running", "s", "Jízda na červenou", "Red-light running", Of.APPROACH),
        Metric(
            "signal_crossings",
            "{vehicle}",
            "Průjezdy se známým signálem",
            "Passages with known signal",
            Of.APPROACH,
        ),
        Metric("conflicts", "m/s", "Konflikty", "Conflicts", Of.CONFLICT),
        Metric("encounters", "{encounter}", "Setkání", "Encounters", Of.WHO),
        Metric("delivery", "s", "Doručení dávek", "Delivery of batches", Of.DEVICE, LATENCY_EDGES),
        Metric(
            "delivery_in_time",
            "{batch}",
            "Dávky doručené včas",
            "Batches delivered in time",
            Of.DEVICE,
        ),
        Metric("delivery_lost", "{batch}", "Ztracené dávky", "Batches lost", Of.DEVICE),
        Metric("link_rsrp", "dB[mW]", "RSRP", "RSRP", Of.DEVICE, np.arange(-157.0, -29.0)),
        Metric("link_sinr", "dB", "SINR", "SINR", Of.DEVICE, np.arange(-24.0, 42.0)),
        Metric(
            "link_round_trip",
            "s",
            "Odezva sítě",
            "Round trip",
            Of.DEVICE,
            geometric_edges(0.001, 100.0, 20),
        ),
    )
}

LINK: Final = {
    "modem.rsrp": ("link_rsrp", 1.0),
    "modem.sinr": ("link_sinr", 1.0),
    "modem.round_trip": ("link_round_trip", 1e-3),
}
"""Scalar of the agent -> metric, and its unit in that of the metric."""
