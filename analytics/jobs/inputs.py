"""What a window is computed from, in an order of its own and with a digest."""

import hashlib
import json
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.metrics import LINK, Thresholds
from contracts.clock import MINUTE, to_micros
from contracts.metrics import CAMERA_OBSERVED
from contracts.site import Site
from storage.pool import AsyncConnection
from storage.read import Columns
from storage.telemetry import Telemetry, read_telemetry
from storage.windows import Window, read_devices, read_plan

MARGIN: Final = timedelta(seconds=10)
"""Tracks are read from so long before a minute to so long after it: a conflict that begins in the
minute is then seen whole."""

LOOKBACK: Final = timedelta(minutes=10)
"""Signal events are read from so long before a minute: two of the longest cycles."""

TABLES: Final = (
    "points",
    "events",
    "details",
    "signal",
    "observations",
    "flagged",
    "batches",
    "losses",
    "clocks",
)
SINCE: Final = ("details", "clocks")
"""Tables that windows of before do not have: these keep their digests where there are no rows."""


class Inputs(NamedTuple):
    """All that decides what a window's metrics are, and nothing else."""

    window: Window
    begin: int  # [us]
    plan: dict[str, Any]
    site: Site
    thresholds: Thresholds
    names: list[str]  # of the site's devices, sorted
    numbers: list[int]  # of these devices in this database
    points: Columns
    events: Columns
    details: Columns  # events again, with what their agents said of them
    signal: Columns
    observations: Columns
    flagged: Columns  # observations that nothing is computed from, for their quality
    batches: Columns
    losses: Columns
    clocks: Columns  # where there is a signal: only its events are compared with another device's

    @property
    def end(self) -> int:
        """First moment [us] after the minute."""
        return self.begin + MINUTE

    def camera_observed(self, device: str) -> float:
        """Time [s] of the minute that a camera really saw."""
        if device not in self.names:
            return 0.0
        seen = (self.observations["metric"] == CAMERA_OBSERVED) & (
            self.observations["device"] == self.names.index(device)
        )
        return min(60.0, float(self.observations["value"][seen].sum()))


async def read_inputs(
    connection: AsyncConnection, window: Window, thresholds: Thresholds
) -> Inputs:
    """Read the inputs of a window and bring them into canonical order."""
    plan = await read_plan(connection, window.site)
    devices = await read_devices(connection, window.site)
    telemetry = await read_telemetry(
        connection,
        devices=list(devices.values()),
        simulated=window.simulated,
        minute=window.minute,
        margin=MARGIN,
        lookback=LOOKBACK,
        metrics=[CAMERA_OBSERVED, *LINK],
    )
    return arrange(window, plan, thresholds, devices, telemetry)


def arrange(
    window: Window,
    plan: dict[str, Any],
    thresholds: Thresholds,
    devices: dict[str, int],
    telemetry: Telemetry,
) -> Inputs:
    """Sort rows by all they hold: what comes out does not depend on how they arrived.

    A device's number is replaced by its place among the site's names, which no database changes.
    """
    begin = to_micros(window.minute)
    margin = MARGIN // timedelta(microseconds=1)
    names = sorted(devices)
    numbers = np.array([devices[name] for name in names], np.int64)
    order = np.argsort(numbers)
    tables = {}
    for table in TABLES:
        columns: Columns = dict(getattr(telemetry, table))
        columns["device"] = order[np.searchsorted(numbers, columns["device"], sorter=order)]
        if table == "points":
            time = columns["captured"]
            near = (time >= begin - margin) & (time < begin + MINUTE + margin)
            columns = {name: column[near] for name, column in columns.items()}
        if table == "clocks" and (window.simulated or not len(telemetry.signal["device"])):
            columns = {name: column[:0] for name, column in columns.items()}
        tables[table] = _sorted(columns)
    return Inputs(
        window=window,
        begin=begin,
        plan=plan,
        site=Site.model_validate(plan),
        thresholds=thresholds,
        names=names,
        numbers=numbers.tolist(),
        **tables,
    )


def _sorted(columns: Columns) -> Columns:
    keys = [_key(column) for name, column in sorted(columns.items(), reverse=True)]
    # Device, boot, track and time lead, so that a track is contiguous and runs forward.
    leading = [_key(columns[n]) for n in ("captured", "track", "boot", "device") if n in columns]
    order = np.lexsort([k for key in (*keys, *leading) for k in key])
    return {name: column[order] for name, column in columns.items()}


def _key(column: NDArray[Any]) -> list[NDArray[Any]]:
    """Keys of a column for lexsort, the last first; bits decide, so that NaN has its place."""
    match column.dtype.kind:
        case "V":
            halves = np.ascontiguousarray(column).view(">u8").reshape(-1, 2)
            return [halves[:, 1], halves[:, 0]]
        case "f":
            return [column.view(f"u{column.dtype.itemsize}")]
        case _:
            return [column]


def digests(inputs: Inputs) -> dict[str, Any]:
    """Rows and digest of each input; those of the margins' points tell neighbours of a change."""
    found = {
        "plan": {"digest": document_digest(inputs.plan)},
        "thresholds": {
            "digest": document_digest(inputs.thresholds.model_dump()),
            "values": inputs.thresholds.model_dump(),
        },
        "devices": {"rows": len(inputs.names), "digest": document_digest(inputs.names)},
    }
    for table in TABLES:
        columns: Columns = getattr(inputs, table)
        rows = len(next(iter(columns.values())))
        if table in SINCE and not rows:
            continue
        found[table] = {"rows": rows, "digest": _digest(columns)}
    return found


def edge_digests(inputs: Inputs) -> dict[str, str]:
    """Digests of this minute's own points that the minute before, or after, reads too."""
    margin = MARGIN // timedelta(microseconds=1)
    time = inputs.points["captured"]
    own = (time >= inputs.begin) & (time < inputs.end)
    head, tail = own & (time < inputs.begin + margin), own & (time >= inputs.end - margin)
    return {
        "head": _digest({name: column[head] for name, column in inputs.points.items()}),
        "tail": _digest({name: column[tail] for name, column in inputs.points.items()}),
    }


def whole_digest(parts: dict[str, Any]) -> bytes:
    """SHA-256 of all inputs together."""
    return bytes.fromhex(document_digest({name: part["digest"] for name, part in parts.items()}))


def document_digest(document: Any) -> str:
    """SHA-256 of a JSON document in canonical form: keys sorted, nothing between the tokens."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(columns: Columns) -> str:
    """SHA-256 of sorted columns: name, type and little-endian bytes of each."""
    whole = hashlib.sha256()
    for name, column in sorted(columns.items()):
        if column.dtype.kind == "U":  # its width is that of the longest text
            raw = "\0".join(column.tolist()).encode()
            kind = "text"
        else:
            kind = column.dtype.newbyteorder("<").str
            raw = np.ascontiguousarray(column.astype(kind, copy=False)).tobytes()
        whole.update(f"{name}:{kind}:{len(raw)}\n".encode())
        whole.update(raw)
    return whole.hexdigest()
