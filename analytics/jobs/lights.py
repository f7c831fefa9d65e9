"""Red-light running at stop lines."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from analytics.jobs.clocks import clocks_apart
from analytics.jobs.inputs import Inputs
from analytics.jobs.parts import part
from analytics.jobs.roads import WANTED, passages
from analytics.kernels.arrays import Bools, Floats, Indices
from analytics.kernels.signals import Cycles, passages_on_red, phase_cycles
from contracts.classes import RoadUser
from contracts.clock import MICROSECONDS
from contracts.site import LineRole
from storage.windows import Part


class StopLines(NamedTuple):
    """Vehicles that passed stop lines towards the junction: N passages."""

    row: Indices  # (N,) among the events
    line: Indices  # (N,) of the plan
    known: Bools  # (N,) what the signal showed is known
    offset: Floats  # (N,) since the begin of red [s], nan unless on red
    bound: Floats  # (N,) by which the clocks of camera and controller may be apart [s]
    running: Bools  # (N,) later in red than is tolerated
    insufficient: Bools  # (N,) the same, but the clocks could explain it: nobody can tell


def cycles(inputs: Inputs) -> Cycles:
    """Complete cycles of the junction's controller."""
    log = inputs.signal
    device = inputs.site.signal_device
    own = log["device"] == (inputs.names.index(device) if device in inputs.names else -1)
    return phase_cycles(
        log["captured"][own],
        log["code"][own].astype(np.int64),
        log["parameter"][own].astype(np.int64),
        longest=round(inputs.thresholds.longest_cycle * MICROSECONDS),
    )


def stop_line_passages(inputs: Inputs, known_cycles: Cycles) -> StopLines:
    """Tell what the signal showed to each vehicle that passed a stop line.

    Nearer to the begin or the end of red than the clocks may be apart, nobody knows what it showed.
    """
    phase_of = {approach.id: approach.phase for approach in inputs.site.approaches}
    phases = np.array(
        [
            phase_of.get(line.approach or "") if line.role is LineRole.STOP else None
            for line in inputs.site.lines
        ],
        dtype=float,
    )
    row, line = passages(inputs)
    bound = (
        np.isfinite(phases[line])
        & (inputs.events["direction"][row] == 1)
        & (inputs.events["class"][row] != RoadUser.PEDESTRIAN)
    )
    row, line = row[bound], line[bound]
    shown = passages_on_red(
        inputs.events["captured"][row],
        phases[line].astype(np.int64),
        known_cycles,
        until=inputs.end,
    )
    apart = np.array([_bound(inputs, each.device) for each in inputs.site.lines])[line]
    with np.errstate(invalid="ignore"):
        late = shown.offset >= inputs.thresholds.red_tolerance
        certain = shown.margin >= apart
    return StopLines(
        row, line, shown.known & certain, shown.offset, apart, late & certain, late & ~certain
    )


def light_parts(inputs: Inputs, known_cycles: Cycles, passed: StopLines) -> Iterator[Part]:
    """Count red-light running and passages with a known signal, by approach.

    Observed is the time in which the camera saw and the signal was known, as well as both clocks
    are: where they may be apart by more than red lasts, there are rows that say so, with no time.
    """
    lines = inputs.site.lines
    for approach in inputs.site.approaches:
        own = [
            k for k, x in enumerate(lines) if (x.role, x.approach) == (LineRole.STOP, approach.id)
        ]
        if approach.phase is None or not own:
            continue
        seen = float(np.mean([inputs.camera_observed(lines[k].device) for k in own]))
        bound = max(_bound(inputs, lines[k].device) for k in own)
        coverage = (seen * known_share(inputs, known_cycles, approach.phase, bound), WANTED)
        here = np.isin(passed.line, own)
        known = int(np.count_nonzero(here & passed.known))
        if seen * known_share(inputs, known_cycles, approach.phase) > 0 or known:
            offset = passed.offset[here & passed.running]
            values: dict[str, Any] = {"peak": offset.max()} if len(offset) else {}
            yield part(
                "red_light_running",
                approach.id,
                len(offset),
                total=offset.sum(),
                squares=(offset**2).sum(),
                coverage=coverage,
                **values,
            )
            yield part("signal_crossings", approach.id, known, coverage=coverage)


def known_share(inputs: Inputs, known_cycles: Cycles, phase: int, bound: float = 0.0) -> float:
    """Share of the minute in which a phase is known by clocks that may be so much [s] apart."""
    own = known_cycles.phase == phase
    green, red = known_cycles.green[own], known_cycles.red[own]
    end = np.minimum(known_cycles.end[own], inputs.end)
    apart = bound * MICROSECONDS
    known = 0.0
    for since, until in ((green, red), (red, end)):
        first = np.clip(since + apart, inputs.begin, inputs.end)
        last = np.clip(until - apart, inputs.begin, inputs.end)
        known += float(np.maximum(last - first, 0).sum())
    return known / (inputs.end - inputs.begin)


def _bound(inputs: Inputs, camera: str) -> float:
    """How far the clocks of a camera and of the site's controller may be apart. [s]."""
    return clocks_apart(inputs, camera, inputs.site.signal_device or "")
