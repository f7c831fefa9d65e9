"""Columns of `obs/2` as bytes: readings metric by metric, as the whole numbers that they are.

A sensor gives decimals: 21.5 is 215 tenths. Where all readings of a metric in a batch are decimals
of up to nine digits after the point, their differences are kept as whole numbers; where one is not,
the metric's readings are kept as they are. So every value comes back to the bit, and so does every
time. Times are kept once for all that was read at once. Rows come back metric by metric, those of
a metric in the order in which they were.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from contracts.rice import Integers, RiceError, pack, unpack
from contracts.trajectories import Extents, check, frame_times, summed

Columns = Mapping[str, NDArray[Any]]

DIGITS: Final = 9
"""Most digits after the point."""

AS_IT_IS: Final = DIGITS + 1
"""Instead of a number of digits: what is no decimal."""

NAMES_BYTES: Final = 1 << 20
"""Names that are longer together are no names."""

_EXACT: Final = 1 << 52  # whole numbers up to which a float64 is exact
_LENGTH: Final = 3  # bytes of the length of the first part

# What names are likely: the end is the likeliest. It belongs to `obs/2` and never changes.
_LIKELY: Final = zstandard.ZstdCompressionDict(
    b"\0".join(
        (
            b"zone.occupancy. drone.fix drone.satellites drone.current drone.voltage "
            b"drone.battery drone.heading drone.speed drone.height drone.altitude "
            b"drone.longitude drone.latitude gnss.fix gnss.hdop gnss.satellites gnss.course "
            b"gnss.speed gnss.altitude gnss.longitude gnss.latitude meter.power "
            b"meter.energy_export meter.energy_import rain.amount noise.level .bicycle "
            b".motorcycle .bus .truck .car .pedestrian air.temperature air.humidity air.pm10 "
            b"air.pm2_5 modem.uplink modem.round_trip modem.cell uplink.bytes_obs "
            b"uplink.bytes_tracks uplink.bytes_events uplink.bytes_signal modem.rsrp "
            b"modem.rsrq modem.sinr agent.bad_lines camera.observed camera.frames "
            b"camera.dropped camera.processing_ms agent.outbox_bytes agent.backlog_age_s "
            b"agent.dropped_batches uplink.round_trip"
        ).split()
    ),
    dict_type=zstandard.DICT_TYPE_RAWCONTENT,
)


def pack_readings(columns: Columns) -> tuple[Extents, bytes]:
    """Extents and bytes of these columns, the same number of rows in each, in any order."""
    order = np.argsort(columns["metric"], kind="stable")
    t, metric = columns["t"].astype(np.int64)[order], columns["metric"].astype(np.int64)[order]
    value = columns["value"].astype("<f8")[order]
    marks: Integers = columns["quality"].astype(np.int64)[order]
    if not len(t):
        return Extents(0, 0, 0, 0, 0), b""
    frames, frame = np.unique(t, return_inverse=True)
    frame = frame.astype(np.int64)
    first = np.concatenate([[0], np.flatnonzero(np.diff(metric)) + 1])
    parts = [decimals(part) for part in np.split(value, first[1:])]
    apart = np.diff(frames)
    about = pack(
        [
            np.diff(apart),
            np.diff(metric[first]),
            len(frames) - np.diff(np.append(first, len(t))),
            frame[first],
            np.delete(np.diff(frame, prepend=0) - 1, first),
            np.array([digits for digits, _ in parts]),
            np.diff(marks, prepend=0),
        ]
    )
    rest = b"".join(
        part.tobytes()
        for part, (digits, _) in zip(np.split(value, first[1:]), parts, strict=True)
        if digits == AS_IT_IS
    )
    streams = [
        stream for _, numbers in parts if numbers is not None
        for stream in (numbers[:1], np.diff(numbers))
    ]  # fmt: skip
    step = int(apart[0]) if len(apart) else 0
    extents = Extents(len(frames), len(first), int(frames[0]), step, int(metric[0]))
    return extents, len(about).to_bytes(_LENGTH, "little") + about + rest + pack(streams)


def unpack_readings(extents: Extents, packed: bytes, rows: int) -> dict[str, NDArray[Any]]:
    """Columns of so many rows.

    Raises
    ------
    RiceError
        If extents and bytes are not those of so many rows.
    """
    check(extents, packed, rows)
    if not rows:
        return {}
    frames, metrics = extents.frames, extents.pieces
    begin = _LENGTH + int.from_bytes(packed[:_LENGTH], "little")
    lengths = np.array(
        [max(frames - 2, 0), metrics - 1, metrics, metrics, rows - metrics, metrics, rows]
    )
    about = np.split(unpack(packed[_LENGTH:begin], lengths), np.cumsum(lengths)[:-1])
    gaps, other, short, first_frame, steps, digits, quality = about
    count = frames - short
    if count.min() < 1 or count.max() > rows or count.sum() != rows:
        msg = f"metrics of {count.sum()} readings, not {rows}"
        raise RiceError(msg)
    first = np.cumsum(count) - count
    frame = np.insert(steps + 1, first - np.arange(metrics), first_frame)
    frame = summed(frame, first, count)
    metric = extents.track + np.cumsum(np.concatenate([[0], other]))
    quality = np.cumsum(quality)
    bound("frame", frame, frames)
    bound("metric", metric, 1 << 16)
    bound("quality", quality, 1 << 8)
    bound("number of digits", digits, AS_IT_IS + 1)
    as_it_is, whole, lengths = parted(packed[begin:], digits, count)
    return {
        "t": frame_times(extents, gaps)[frame],
        "metric": np.repeat(metric, count).astype("<u2"),
        "value": values(as_it_is, unpack(whole, lengths), digits, count),
        "quality": quality.astype("u1"),
    }


def pack_names(names: list[str]) -> list[str] | bytes:
    """Names in few bytes, if they are likely ones."""
    if not names or "" in names:
        return names
    joined = "\0".join(names).encode()
    packed = zstandard.ZstdCompressor(level=19, dict_data=_LIKELY, write_dict_id=False)
    short = packed.compress(joined)
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
    try:
        stated = zstandard.frame_content_size(packed)  # believed by zstd, so not by us
        if not 0 < stated <= NAMES_BYTES:
            msg = f"names of {stated} bytes"
            raise RiceError(msg)
        names = zstandard.ZstdDecompressor(dict_data=_LIKELY).decompress(
            packed, allow_extra_data=False
        )
    except zstandard.ZstdError as fault:
        msg = f"names: {fault}"
        raise RiceError(msg) from fault
    return split_names(names)


def split_names(joined: bytes) -> list[str]:
    """Names that were joined.

    Raises
    ------
    RiceError
        If they are no text.
    """
    try:
        return joined.decode().split("\0")
    except UnicodeDecodeError as fault:
        msg = f"names: {fault}"
        raise RiceError(msg) from fault


def bound(what: str, numbers: Integers, end: int) -> None:
    """Refuse numbers outside of [0, end).

    Raises
    ------
    RiceError
        If there are such.
    """
    if numbers.min() < 0 or numbers.max() >= end:
        msg = f"a {what} that is not in [0, {end})"
        raise RiceError(msg)


def decimals(values: NDArray[np.float64]) -> tuple[int, Integers | None]:
    """Fewest digits after the point that all need, and the whole numbers that they are then."""
    with np.errstate(over="ignore", invalid="ignore"):
        for digits in range(DIGITS + 1):
            scaled = np.rint(values * 10.0**digits)
            if not (np.abs(scaled) < _EXACT).all():
                break
            if ((scaled + 0.0) / 10.0**digits).tobytes() == values.tobytes():  # no -0, to the bit
                return digits, scaled.astype(np.int64)
    return AS_IT_IS, None


def values(
    as_it_is: bytes, numbers: Integers, digits: Integers, count: Integers
) -> NDArray[np.float64]:
    """Values of metrics, each with so many digits and readings.

    Parameters
    ----------
    as_it_is
        Values of metrics that are no decimals.
    numbers
        Whole numbers of the others: of each the first, then the steps.
    """
    is_whole = digits != AS_IT_IS
    count_whole = count[is_whole]
    numbers = summed(numbers, np.cumsum(count_whole) - count_whole, count_whole)
    found = np.empty(int(count.sum()), "<f8")
    rows = np.repeat(is_whole, count)
    found[rows] = numbers / 10.0 ** np.repeat(digits[is_whole], count_whole)
    found[~rows] = np.frombuffer(as_it_is, "<f8")
    return found


def parted(packed: bytes, digits: Integers, count: Integers) -> tuple[bytes, bytes, Integers]:
    """Values that are kept as they are, bytes of the others, and the lengths of their streams.

    Raises
    ------
    RiceError
        If there are fewer bytes than that.
    """
    is_whole = digits != AS_IT_IS
    size = 8 * int(count[~is_whole].sum())
    if len(packed) < size:
        msg = f"{len(packed)} bytes, not {size} and more"
        raise RiceError(msg)
    count = count[is_whole]
    lengths = np.stack([np.ones_like(count), count - 1], axis=1).ravel()
    return packed[:size], packed[size:], lengths
