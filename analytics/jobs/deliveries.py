"""Delivery of batches and quality of the radio link, by device."""

from collections.abc import Iterator

import numpy as np

from analytics.jobs.inputs import Inputs
from analytics.jobs.parts import part
from analytics.jobs.roads import WANTED
from analytics.kernels.arrays import counts
from analytics.kernels.delivery import delivery_parts
from analytics.metrics import LATENCY_EDGES, LINK, METRICS
from contracts.clock import MICROSECONDS
from storage.windows import Part


def delivery_rows(inputs: Inputs) -> Iterator[Part]:
    """Batches committed, in time and lost; a device that said nothing has no row."""
    batches, losses = inputs.batches, inputs.losses
    found = delivery_parts(
        batches["device"],
        (batches["stored"] - batches["captured"]) / MICROSECONDS,
        len(inputs.names),
        deadline=inputs.thresholds.delivery_deadline,
        edges=LATENCY_EDGES,
    )
    for k, name in enumerate(inputs.names):
        own = losses["device"] == k
        lost = int((losses["end"][own] - losses["first"][own]).sum())
        if not found.n[k] and not lost:
            continue
        coverage = (WANTED, WANTED)
        yield part(
            "delivery",
            name,
            found.n[k],
            total=found.total[k],
            squares=found.squares[k],
            peak=found.peak[k],
            histogram=found.histogram[k],
            coverage=coverage,
        )
        yield part("delivery_in_time", name, found.in_time[k], coverage=coverage)
        yield part("delivery_lost", name, lost, coverage=coverage)


def link_rows(inputs: Inputs) -> Iterator[Part]:
    """Sum up the readings of the modems; observed are the seconds that have one."""
    readings = inputs.observations
    for scalar, (metric, unit) in LINK.items():
        edges = METRICS[metric].edges
        assert edges is not None  # noqa: S101  # every link metric has bins
        for k, name in enumerate(inputs.names):
            own = (readings["metric"] == scalar) & (readings["device"] == k)
            values = readings["value"][own] * unit
            if len(values) == 0:
                continue
            seconds = len(np.unique(readings["captured"][own] // MICROSECONDS))
            place = np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2)
            yield part(
                metric,
                name,
                len(values),
                total=values.sum(),
                squares=(values**2).sum(),
                peak=values.max(),
                histogram=counts(place, len(edges) - 1),
                coverage=(float(seconds), WANTED),
            )
