"""Columns of `obs/3` as bytes: readings as series, in the few bytes that a short batch may take.

Values are whole numbers where they are decimals, as in `obs/2` (`contracts.readings`), so every
value and every time comes back to the bit. Metrics that were read at the same times share these,
and times differ from a step that all of the batch share. Names are compressed by the names that an
agent has, and take least in alphabetical order. Rows come back metric by metric, those of a metric
in the order in which they were.
"""

import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contracts.readings import AS_IT_IS, NAMES_BYTES, bound, decimals, parted, split_names, values
from contracts.rice import Integers, RiceError, pack, unpack
from contracts.trajectories import Extents, check, summed

Columns = Mapping[str, NDArray[Any]]

_LENGTH: Final = 3  # bytes of the length of the first part

# What names are likely, those that follow each other as they do in a batch. It belongs to `obs/3`
# and never changes.
_LIKELY: Final = b"\0".join(
    (
        b"drone.altitude drone.battery drone.current drone.fix drone.heading drone.height "
        b"drone.latitude drone.longitude drone.satellites drone.speed drone.voltage "
        b"gnss.altitude gnss.course gnss.fix gnss.hdop gnss.latitude gnss.longitude "
        b"gnss.satellites gnss.speed camera.detector_ms camera.detector_rate "
        b".bicycle .bus .car .motorcycle .pedestrian .scooter .tram .truck .unknown .van "
        b"air.humidity air.pm10 air.pm2_5 air.temperature noise.level rain.amount "
        b"agent.backlog_age_s agent.bad_lines agent.dropped_batches agent.outbox_bytes "
        b"camera.dropped camera.frames camera.observed camera.processing_ms "
        b"meter.energy_export meter.energy_import meter.power "
        b"modem.cell modem.round_trip modem.rsrp modem.rsrq modem.sinr modem.uplink "
        b"pictures.live_bytes pictures.snapshot_bytes pictures.still_bytes "
        b"uplink.bytes_events uplink.bytes_obs uplink.bytes_signal uplink.bytes_tracks "
        b"uplink.round_trip zone.occupancy."
    ).split()
)


def pack_series(columns: Columns) -> tuple[Extents, bytes]:
    """Extents and bytes of these columns, the same number of rows in each, in any order.

    Of the extents, `frames` are the times, `pieces` the metrics, `track` the sets of times.
    """
    order = np.argsort(columns["metric"], kind="stable")
    t, metric = columns["t"].astype(np.int64)[order], columns["metric"].astype(np.int64)[order]
    marks: Integers = columns["quality"].astype(np.int64)[order]
    if not len(t):
        return Extents(0, 0, 0, 0, 0), b""
    first = np.concatenate([[0], np.flatnonzero(np.diff(metric)) + 1])
    sets: dict[bytes, int] = {}
    set_of = [sets.setdefault(part.tobytes(), len(sets)) for part in np.split(t, first[1:])]
    times = [np.frombuffer(each, np.int64) for each in sets]
    gaps = [np.diff(each) for each in times]
    longest = np.sort(max(gaps, key=len))
    step = int(longest[len(longest) // 2]) if len(longest) else 0
    begin = np.array([each[0] for each in times])
    parts = np.split(columns["value"].astype("<f8")[order], first[1:])
    whole = [decimals(part) for part in parts]
    about = pack(
        [
            np.diff(metric[first], prepend=-1) - 1,
            np.diff(set_of, prepend=0),
            np.array([len(each) for each in times]),
            np.diff(begin, prepend=begin[0]),
            np.array([digits for digits, _ in whole]),
            np.diff(marks, prepend=0),
        ]
    )
    rest = b"".join(
        part.tobytes() for part, (digits, _) in zip(parts, whole, strict=True) if digits == AS_IT_IS
    )
    streams = [np.diff(each, prepend=step) for each in gaps]
    for _, numbers in whole:
        if numbers is not None:
            streams += [numbers[:1], np.diff(numbers)]
    streams = [stream for stream in streams if len(stream)]
    extents = Extents(sum(map(len, times)), len(first), int(begin[0]), step, len(sets))
    return extents, len(about).to_bytes(_LENGTH, "little") + about + rest + pack(streams)


def unpack_series(extents: Extents, packed: bytes, rows: int) -> dict[str, NDArray[Any]]:
    """Columns of so many rows.

    Raises
    ------
    RiceError
        If extents and bytes are not those of so many rows.
    """
    check(extents, packed, rows)
    if not rows:
        return {}
    total, metrics, sets = extents.frames, extents.pieces, extents.track
    if not 0 < sets <= min(total, metrics):
        msg = f"{total} times of {metrics} metrics in {sets} sets"
        raise RiceError(msg)
    end = _LENGTH + int.from_bytes(packed[:_LENGTH], "little")
    lengths = np.array([metrics, metrics, sets, sets, metrics, rows])
    about = np.split(unpack(packed[_LENGTH:end], lengths), np.cumsum(lengths)[:-1])
    other, other_set, size, begin, digits, quality = about
    metric, set_of = np.cumsum(other + 1) - 1, np.cumsum(other_set)
    quality = np.cumsum(quality)
    bound("metric", metric, 1 << 16)
    bound("set of times", set_of, sets)
    bound("size of a set", size - 1, total)
    bound("quality", quality, 1 << 8)
    bound("number of digits", digits, AS_IT_IS + 1)
    count = size[set_of]
    if size.sum() != total or count.sum() != rows:
        msg = f"{size.sum()} times of {count.sum()} readings, not {total} of {rows}"
        raise RiceError(msg)
    from_set, from_metric = np.cumsum(size) - size, np.cumsum(count) - count
    as_it_is, whole, lengths = parted(packed[end:], digits, count)
    lengths = np.concatenate([size - 1, lengths])
    numbers = unpack(whole, lengths[lengths > 0])
    times = _times(extents, begin, numbers[: total - sets], size)
    row = np.arange(rows) + np.repeat(from_set[set_of] - from_metric, count)
    return {
        "t": times[row],
        "metric": np.repeat(metric, count).astype("<u2"),
        "value": values(as_it_is, numbers[total - sets :], digits, count),
        "quality": quality.astype("u1"),
    }


def pack_names(names: list[str]) -> list[str] | bytes:
    """Names in few bytes, if they are likely ones."""
    if not names or "" in names:
        return names
    joined = "\0".join(names).encode()
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS, zdict=_LIKELY)
    short = squeeze.compress(joined) + squeeze.flush()
    return short if len(short) < len(joined) else names


def unpack_names(packed: list[str] | bytes) -> list[str]:
    """Inverse of `pack_names`.

    Raises
    ------
    RiceError
        If these bytes are no names.
    """
    if not isinstance(packed, bytes):
        return packed
    stretch = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_LIKELY)
    try:
        joined = stretch.decompress(packed, NAMES_BYTES)
    except zlib.error as fault:
        msg = f"names: {fault}"
        raise RiceError(msg) from fault
    if not stretch.eof or stretch.unused_data:
        msg = f"names of {len(joined)} bytes and more, or cut off"
        raise RiceError(msg)
    return split_names(joined)


def _times(extents: Extents, begin: Integers, gaps: Integers, size: Integers) -> Integers:
    """Give the times of all sets, one set after the other [us]."""
    first = np.cumsum(size) - size
    inner = np.ones(extents.frames, np.bool_)
    inner[first] = False
    moves = np.zeros(extents.frames, np.int64)
    moves[inner] = gaps
    moves = summed(moves, first, size) + extents.step
    moves[first] = extents.first + np.cumsum(begin)
    return summed(moves, first, size)
