"""Batches into rows of the telemetry tables, sorted as their indexes are."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.batch import SCHEMAS, Batch
from contracts.clock import MINUTE
from ingest.newest import newest
from ingest.quality import NO_RANGES, Ranges, flagged
from storage.copy import (
    EVENT,
    OBSERVATION,
    SIGNAL_EVENT,
    TRACK_PIECE,
    Column,
    Packed,
    Rows,
    Table,
    Texts,
    encode,
)
from storage.latest import Latest
from storage.registry import Device

Array = NDArray[Any]

POINT: Final = ("x", "y", "vx", "vy", "heading", "sd")
"""Columns of a track that each of its points has a value in."""


class Sample(NamedTuple):
    """A batch and the device that it is of."""

    device: Device
    batch: Batch
    received: int = 0  # [us] since the epoch


class Block(NamedTuple):
    """Rows of one table, ready for COPY."""

    table: Table
    data: list[Rows]
    newest: Latest | None = None  # of each series, where the rows are of series


class Encoded(NamedTuple):
    """Batches whose rows were encoded ahead."""

    samples: list[Sample]
    blocks: list[Block]


class Mark(NamedTuple):
    """A window that has changed."""

    site: int
    minute: int  # [us] since the epoch
    simulated: bool


def blocks(
    samples: Sequence[Sample], metrics: dict[str, int], ranges: Ranges = NO_RANGES
) -> list[Block]:
    """Rows of these batches; `metrics` has the number of every name that is used."""
    streams: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.batch.rows:
            streams.setdefault(SCHEMAS[sample.batch.schema].stream, []).append(sample)
    return [_MAKERS[stream](group, metrics, ranges) for stream, group in sorted(streams.items())]


def marks(samples: Sequence[Sample]) -> set[Mark]:
    """Find the windows that these batches touch."""
    found: set[Mark] = set()
    for device, batch, _ in samples:
        t = batch.columns["t"]
        if not len(t):
            continue
        first, last = int(t.min()) // MINUTE, int(t.max()) // MINUTE
        minutes = [first] if first == last else np.unique(t // MINUTE)  # the first, nearly always
        found |= {Mark(device.site, int(m) * MINUTE, batch.simulated) for m in minutes}
    return found


def _observations(samples: Sequence[Sample], metrics: dict[str, int], ranges: Ranges) -> Block:
    number = [np.array([metrics.get(n, -1) for n in s.batch.names], np.int16) for s in samples]
    metric = np.concatenate(
        [n[s.batch.columns["metric"]] for n, s in zip(number, samples, strict=True)]
    )
    value = _joined(samples, "value")
    columns = _common(samples) | {
        "metric": metric,
        "quality": flagged(_joined(samples, "quality"), metric, value, ranges),
        "value": value,
    }
    order = np.lexsort((columns["captured"], columns["metric"], columns["device"]))
    rows, received = [s.batch.rows for s in samples], [s.received for s in samples]
    block = _block(OBSERVATION, columns, order)
    return block._replace(newest=newest(columns, order, rows, received))


def _signal_events(samples: Sequence[Sample], *_: object) -> Block:
    columns = _common(samples) | {
        "code": _joined(samples, "code"),
        "parameter": _joined(samples, "parameter"),
    }
    return _block(SIGNAL_EVENT, columns, np.lexsort((columns["captured"], columns["device"])))


def _events(samples: Sequence[Sample], *_: object) -> Block:
    names = [name for sample in samples for name in sample.batch.names]
    # The names of each batch begin where those of the ones before it end.
    begins = np.cumsum([0, *(len(sample.batch.names) for sample in samples)])[:-1]
    first = np.repeat(begins, [sample.batch.rows for sample in samples])
    without = len(names)  # where a batch has no details: an empty text behind all names
    details = [
        begin + sample.batch.columns["detail"]
        if "detail" in sample.batch.columns
        else np.full(sample.batch.rows, without)
        for begin, sample in zip(begins, samples, strict=True)
    ]
    columns = _common(samples) | {
        "boot": np.repeat(_boots(samples), [sample.batch.rows for sample in samples]),
        "kind": first + _joined(samples, "kind"),
        "object": first + _joined(samples, "object"),
        "direction": _joined(samples, "direction"),
        "class": _joined(samples, "cls"),
        "track": _joined(samples, "track"),
        "value": _joined(samples, "value"),
        "confidence": _joined(samples, "confidence"),
    }
    order = np.lexsort((columns["captured"], columns["device"]))
    rows: dict[str, Column] = {name: column[order] for name, column in columns.items()}
    for name in ("kind", "object"):
        rows[name] = Texts(names, columns[name][order])
    rows["detail"] = Texts([*names, ""], np.concatenate(details)[order])
    return Block(EVENT, encode(EVENT, rows))


def _track_pieces(samples: Sequence[Sample], *_: object) -> Block:
    """One row for each track of each batch, cut where a minute ends."""
    t, track = _joined(samples, "t"), _joined(samples, "track")
    batch = np.repeat(np.arange(len(samples)), [sample.batch.rows for sample in samples])
    order = _in_order(batch, track, t)
    t, track, batch = t[order], track[order], batch[order]
    minute = t // MINUTE
    cut = (batch[1:] != batch[:-1]) | (track[1:] != track[:-1]) | (minute[1:] != minute[:-1])
    offsets = np.concatenate([[0], np.flatnonzero(cut) + 1, [len(t)]])
    first, last = offsets[:-1], offsets[1:] - 1
    delay = (t - np.repeat(t[first], np.diff(offsets))).astype(np.int32)
    of_batch = {
        "device": np.array([sample.device.device for sample in samples]),
        "simulated": np.array([sample.batch.simulated for sample in samples]),
        "boot": _boots(samples),
    }
    columns: dict[str, Column] = {
        **{name: values[batch[last]] for name, values in of_batch.items()},
        "captured": t[first],
        "until": t[last],
        "track": track[last],
        "class": _joined(samples, "cls")[order][last],
        "length": _joined(samples, "length")[order][last],
        "width": _joined(samples, "width")[order][last],
        "delays": Packed(delay, offsets),
        **{f"{name}s": Packed(_joined(samples, name)[order], offsets) for name in POINT},
    }
    return Block(TRACK_PIECE, encode(TRACK_PIECE, columns))


def _in_order(batch: Array, track: Array, t: Array) -> Array | slice:
    """Sort points by batch, track and capture; as agents send them they are sorted."""
    later = (track[1:] > track[:-1]) | ((track[1:] == track[:-1]) & (t[1:] >= t[:-1]))
    if (later | (batch[1:] != batch[:-1])).all():
        return slice(None)
    return np.lexsort((t, track, batch))


_MAKERS: Final[dict[str, Callable[[Sequence[Sample], dict[str, int], Ranges], Block]]] = {
    "obs": _observations,
    "tracks": _track_pieces,
    "events": _events,
    "signal": _signal_events,
}


def _common(samples: Sequence[Sample]) -> dict[str, Array]:
    """Columns that every telemetry table has."""
    rows = [sample.batch.rows for sample in samples]
    return {
        "captured": _joined(samples, "t"),
        "device": np.repeat([sample.device.device for sample in samples], rows),
        "simulated": np.repeat([sample.batch.simulated for sample in samples], rows),
    }


def _boots(samples: Sequence[Sample]) -> Array:
    return np.frombuffer(b"".join(sample.batch.boot.bytes for sample in samples), "V16")


def _joined(samples: Sequence[Sample], column: str) -> Array:
    return np.concatenate([sample.batch.columns[column] for sample in samples])


def _block(table: Table, columns: dict[str, Array], order: Array) -> Block:
    return Block(table, encode(table, {name: column[order] for name, column in columns.items()}))
