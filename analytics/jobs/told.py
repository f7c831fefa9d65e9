"""Incidents that agents told, each with its reasons and evidence tracks."""

import logging
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from analytics.jobs.incidents import NOTICE, SERIOUS, SEVERE, new_incident
from analytics.jobs.inputs import Inputs
from contracts.classes import RoadUser
from contracts.clock import MICROSECONDS
from contracts.events import INCIDENTS, OVER, QUEUE_SPILL_BACK, WRONG_WAY
from contracts.incidents import Detail, DetailError, from_text
from storage.windows import NewIncident

logger = logging.getLogger(__name__)

LEVELS: Final = {WRONG_WAY: SEVERE, QUEUE_SPILL_BACK: NOTICE}
"""All others are serious."""
KINDS: Final = frozenset(INCIDENTS) | {kind + OVER for kind in INCIDENTS}
NAMES: Final = {user.value: user.name.lower() for user in RoadUser}


def told_incidents(inputs: Inputs) -> Iterator[NewIncident]:
    """Take over what agents said; what cannot be read is left out, and the log says so."""
    told = inputs.details
    for row in np.flatnonzero(np.isin(told["kind"], list(KINDS))):
        kind, device = str(told["kind"][row]), int(told["device"][row])
        try:
            detail = from_text(str(told["detail"][row]))
        except DetailError as fault:
            logger.warning("%s of %s: no detail: %s", kind, inputs.names[device], fault)
            continue
        level = NOTICE if kind.endswith(OVER) else LEVELS.get(kind, SERIOUS)
        boot = told["boot"][row].tobytes().hex()
        name = [inputs.names[device], boot, detail.incident, detail.phase]
        captured = int(told["captured"][row])
        yield new_incident(
            inputs, kind, level, captured, device, detail.at or (None, None), name,
            _evidence(inputs, int(row), boot, detail),
        )  # fmt: skip


def _evidence(inputs: Inputs, row: int, boot: str, detail: Detail) -> dict[str, Any]:
    told = inputs.details
    captured = int(told["captured"][row])
    return {
        "incident": str(detail.incident),
        "phase": detail.phase,
        "place": str(told["object"][row]),
        "lasted_s": round(float(told["value"][row]), 3),
        "began_before_s": (captured - detail.began) / MICROSECONDS,
        "confidence": round(float(told["confidence"][row]), 3),
        "why": [reason._asdict() for reason in detail.why],
        "tracks": [
            {
                "boot": boot,
                "track": track.track,
                "class": NAMES.get(track.cls, NAMES[RoadUser.UNKNOWN]),
                "from_before_s": (captured - track.begin) / MICROSECONDS,
                "until_before_s": (captured - track.end) / MICROSECONDS,
            }
            for track in detail.tracks
        ],
    }
