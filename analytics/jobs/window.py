"""One window from its inputs: the same function live, late, replayed and back-filled."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import scipy

from analytics.jobs.deliveries import delivery_rows, link_rows
from analytics.jobs.incidents import camera_incidents, conflict_incidents, red_light_incidents
from analytics.jobs.inputs import Inputs
from analytics.jobs.lights import cycles, light_parts, stop_line_passages
from analytics.jobs.roads import road_parts
from analytics.jobs.safety import meetings, safety_parts
from analytics.jobs.told import told_incidents
from analytics.jobs.tracks import queue_parts, read_tracks
from storage.windows import NewIncident, Part


class Result(NamedTuple):
    """What a window holds."""

    parts: list[Part]
    incidents: list[NewIncident]


def compute(inputs: Inputs) -> Result:
    """Metrics and incidents of a window; the same inputs give the same bits."""
    tracks = read_tracks(inputs)
    found = meetings(inputs, tracks)
    known_cycles = cycles(inputs)
    passed = stop_line_passages(inputs, known_cycles)
    parts = [
        *road_parts(inputs),
        *queue_parts(inputs, tracks),
        *light_parts(inputs, known_cycles, passed),
        *safety_parts(inputs, found),
        *delivery_rows(inputs),
        *link_rows(inputs),
    ]
    incidents = {
        incident.incident: incident
        for incident in (
            *conflict_incidents(inputs, tracks, found.conflicts),
            *red_light_incidents(inputs, passed),
            *camera_incidents(inputs),
            *told_incidents(inputs),
        )
    }
    return Result(parts, list(incidents.values()))


@cache
def code_version() -> str:
    """Digest of the code that computes windows, and of the libraries under it."""
    whole = hashlib.sha256(f"numpy {np.__version__} scipy {scipy.__version__}".encode())
    modules = [files("analytics") / "metrics.py"]
    for package in ("analytics.kernels", "analytics.jobs"):
        modules += [path for path in files(package).iterdir() if path.name.endswith(".py")]
    for path in sorted(modules, key=lambda path: path.name):
        whole.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return whole.hexdigest()[:16]
