"""Columns of `tracks/2` as bytes: trajectories as what the road user did not do as expected.

Points go in pieces: rows that follow each other, of one track and one minute. What is kept of them:

==================  ===========================================================================
t                   exactly, once for each frame
track               exactly, once for each piece
cls, length, width  of the last point of each piece, the sizes in steps of 1 cm
x, y                in steps of 1 cm, against where the velocity before leads to
vx, vy              in steps of 2 cm/s
heading             in steps of half a degree, against the direction of the velocity
sd, v_sd            in steps of a twelfth of an octave (6 %), from 1 mm and 1 mm/s
==================  ===========================================================================

So a value comes back within half a step. A camera knows a position to some centimetres and a speed
to some centimetres a second at best; half a step adds 0.3 cm and 0.6 cm/s to their standard errors,
in squares. Values outside of `REACH` come back exactly, with their whole column. What is not known
stays nan; a column that is not known anywhere takes no bytes, nor does one that goes as expected.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.clock import MICROSECONDS, MINUTE
from contracts.rice import Integers, RiceError, pack, unpack

Floats = NDArray[np.float32]
Columns = Mapping[str, NDArray[Any]]

REACH: Final = 1 << 22
"""Steps from zero up to which a float32 tells neighbouring steps apart."""

POSITION: Final = 0.01  # [m]
VELOCITY: Final = 0.02  # [m/s]
SIZE: Final = 0.01  # [m]
TURN: Final = 720  # steps of heading in a full turn
OCTAVE: Final = 12  # steps of a standard error that double it
SMALLEST: Final = 1e-3  # standard error of step 1 [m, m/s]; step 0 is 0
COARSEST: Final = 40 * OCTAVE  # the last step, more than anybody would call a measurement
MOVING: Final = 25  # steps of velocity from which on its direction is that of the road user
LONGEST: Final = 2 * MICROSECONDS  # the velocity is believed for so long [us]

_INT: Final = np.int64
_HALF: Final = 1 << 63
_ALL, _NONE, _SOME, _RAW = range(4)  # a column is known, unknown, known in part; or as it is
_OF_PIECE: Final = ("length", "width")
_OF_POINT: Final = ("x", "y", "vx", "vy", "heading", "sd", "v_sd")
FLOATS: Final = (*_OF_PIECE, *_OF_POINT)


class Extents(NamedTuple):
    """What must be known before anything is unpacked."""

    frames: int
    pieces: int
    first: int  # frame [us]
    step: int  # from the first frame to the second [us]
    track: int  # of the first piece


class _Steps(NamedTuple):
    """A column as whole steps, filled where it is not known; as it is where they do not do."""

    mode: int
    numbers: Integers
    rest: bytes


class _Shape(NamedTuple):
    """Which rows are of which frame and piece."""

    frame: Integers  # of each row
    first: Integers  # row of each piece
    size: Integers  # rows of each piece
    elapsed: Integers  # of each row, since the row before [us], as far as a velocity reaches


def pack_tracks(columns: Columns) -> tuple[Extents, bytes]:
    """Extents and bytes of these columns, the same number of rows in each, in any order."""
    t, track = columns["t"].astype(_INT), columns["track"].astype(_INT)
    if not len(t):
        return Extents(0, 0, 0, 0, 0), b""
    frames, frame = np.unique(t, return_inverse=True)
    minute = t // MINUTE
    cut = np.flatnonzero((track[1:] != track[:-1]) | (minute[1:] != minute[:-1])) + 1
    first = np.concatenate([[0], cut])
    last = np.concatenate([cut, [len(t)]]) - 1
    shape = _shape(frames, frame.astype(_INT), first)
    steps = {n: _steps(n, columns[n][last] if n in _OF_PIECE else columns[n]) for n in FLOATS}
    apart = np.diff(frames)
    streams = [
        np.diff(apart),
        np.diff(track[first]),
        len(frames) - shape.size,
        frame[first],
        np.delete(np.diff(frame, prepend=0) - 1, first),
        np.diff(columns["cls"][last].astype(_INT), prepend=0),
        *(np.diff(steps[n].numbers, prepend=0) for n in _OF_PIECE if _is_packed(steps[n].mode)),
    ]
    residual = _residuals(shape, {n: s for n, s in steps.items() if _is_packed(s.mode)})
    for name in _OF_POINT:
        if name in residual:
            streams += _parted(residual[name], shape.first)
    modes = np.array([steps[n].mode for n in FLOATS], np.uint8)
    rest = b"".join(steps[n].rest for n in FLOATS)
    step = int(apart[0]) if len(apart) else 0
    extents = Extents(len(frames), len(first), int(frames[0]), step, int(track[0]))
    return extents, _pack_modes(modes) + rest + pack(streams)


def unpack_tracks(extents: Extents, packed: bytes, rows: int) -> dict[str, NDArray[Any]]:
    """Columns of so many rows.

    Raises
    ------
    RiceError
        If extents and bytes are not those of so many rows.
    """
    check(extents, packed, rows)
    if not rows:
        return {}
    frames, pieces = extents.frames, extents.pieces
    modes, rest, packed = _unpack_rest(packed, rows, pieces)
    lengths = [max(frames - 2, 0), pieces - 1, pieces, pieces, rows - pieces, pieces]
    for name in FLOATS:
        if _is_packed(modes[name]):
            lengths += [pieces] if name in _OF_PIECE else [pieces, rows - pieces]
    ends = np.cumsum(lengths)
    streams = iter(np.split(unpack(packed, np.array(lengths)), ends[:-1]))
    t = frame_times(extents, next(streams))
    track = extents.track + np.cumsum(np.concatenate([[0], next(streams)]))
    shape = _unpack_shape(t, next(streams), next(streams), next(streams), rows)
    kind = np.cumsum(next(streams))
    steps = {n: np.cumsum(next(streams)) for n in _OF_PIECE if _is_packed(modes[n])}
    residual = {
        n: _joined(next(streams), next(streams), shape) for n in _OF_POINT if _is_packed(modes[n])
    }
    if track.min() < 0 or track.max() > 0xFFFFFFFF or kind.min() < 0 or kind.max() > 0xFF:  # noqa: PLR2004
        msg = "a track or a class that is no such number"
        raise RiceError(msg)
    steps |= _from_residuals(shape, residual)
    found = {n: _values(n, modes[n], steps.get(n), rest[n], pieces, rows) for n in FLOATS}
    each = {"track": track.astype("<u4"), "cls": kind.astype("u1")}
    each |= {name: found[name] for name in _OF_PIECE}
    return {
        "t": t[shape.frame],
        **{name: np.repeat(values, shape.size) for name, values in each.items()},
        **{name: found[name] for name in _OF_POINT},
    }


def check(extents: Extents, packed: bytes, rows: int) -> None:
    """Refuse what cannot be the extents of so many rows, before anything is allotted.

    Raises
    ------
    RiceError
        With what is wrong.
    """
    if not all(-_HALF <= number < _HALF for number in extents):
        msg = f"{extents} are no numbers of 8 bytes"
        raise RiceError(msg)
    frames, pieces = extents.frames, extents.pieces
    if not (0 < frames <= rows and 0 < pieces <= rows) and (frames, pieces, rows) != (0, 0, 0):
        msg = f"{rows} rows in {frames} frames and {pieces} pieces"
        raise RiceError(msg)
    if packed and not rows:
        msg = f"{len(packed)} bytes of no rows"
        raise RiceError(msg)


def _is_packed(mode: int) -> bool:
    return mode in {_ALL, _SOME}


# Rows, frames and pieces.


def _shape(frames: Integers, frame: Integers, first: Integers) -> _Shape:
    count = np.diff(np.concatenate([first, [len(frame)]]))
    elapsed = np.clip(np.diff(frames[frame], prepend=frames[frame[0]]), 0, LONGEST)
    return _Shape(frame, first, count, elapsed)


def frame_times(extents: Extents, gaps: Integers) -> Integers:
    """Time of each frame [us] from how the steps between them change."""
    steps = extents.step + np.cumsum(np.concatenate([[0], gaps]))
    times = extents.first + np.concatenate([[0], np.cumsum(steps)])
    return times[: extents.frames].astype(_INT)


def _unpack_shape(
    t: Integers, short: Integers, begin: Integers, gaps: Integers, rows: int
) -> _Shape:
    count = len(t) - short
    if count.min() < 1 or count.max() > rows or count.sum() != rows:
        msg = f"pieces of {count.sum()} rows, not {rows}"
        raise RiceError(msg)
    first = np.cumsum(count) - count
    inner = np.ones(rows, np.bool_)
    inner[first] = False
    step = np.empty(rows, _INT)
    step[inner], step[first] = gaps + 1, begin
    frame = summed(step, first, count)
    if frame.min() < 0 or frame.max() >= len(t):
        msg = f"a row of frame {frame.max()}, there are {len(t)}"
        raise RiceError(msg)
    return _shape(t, frame, first)


def _parted(numbers: Integers, first: Integers) -> list[Integers]:
    """Numbers of each piece's first row, and the others: they differ in size."""
    return [np.diff(numbers[first], prepend=0), np.delete(numbers, first)]


def _joined(begin: Integers, others: Integers, shape: _Shape) -> Integers:
    numbers = np.empty(len(shape.frame), _INT)
    inner = np.ones(len(numbers), np.bool_)
    inner[shape.first] = False
    numbers[shape.first], numbers[inner] = np.cumsum(begin), others
    return numbers


def summed(steps: Integers, first: Integers, count: Integers) -> Integers:
    """Sum steps up within each piece."""
    total = np.cumsum(steps)
    before = total[first] - steps[first]
    return total - np.repeat(before, count)


# What is expected of a road user. All of it is integers, so both ends expect the same.


def _residuals(shape: _Shape, steps: dict[str, _Steps]) -> dict[str, Integers]:
    found = {name: s.numbers for name, s in steps.items() if name in _OF_POINT}
    residual = {n: _stepped(numbers, shape) for n, numbers in found.items() if n != "heading"}
    for place, velocity in (("x", "vx"), ("y", "vy")):
        if place in found:
            residual[place] -= _carried(found.get(velocity), shape)
    if "heading" in found:
        heading, (course, moving) = found["heading"], _course(shape, found)
        expected = np.where(moving, course, np.roll(heading, 1))
        expected[shape.first[~moving[shape.first]]] = 0
        residual["heading"] = _half_turn(heading - expected)
    return residual


def _from_residuals(shape: _Shape, residual: dict[str, Integers]) -> dict[str, Integers]:
    """Inverse of `_residuals`."""
    found: dict[str, Integers] = {
        n: summed(residual[n], shape.first, shape.size)
        for n in ("vx", "vy", "sd", "v_sd")
        if n in residual
    }
    for place, velocity in (("x", "vx"), ("y", "vy")):
        if place in residual:
            steps = residual[place] + _carried(found.get(velocity), shape)
            found[place] = summed(steps, shape.first, shape.size)
    if "heading" in residual:
        course, moving = _course(shape, found)
        known = moving.copy()
        known[shape.first] = True  # from here on nothing of what was before counts
        steps = np.where(moving, course, 0) + residual["heading"]
        anchor = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
        total = np.cumsum(np.where(known, 0, steps))
        found["heading"] = _half_turn(steps[anchor] + total - total[anchor])
    return found


def _stepped(numbers: Integers, shape: _Shape) -> Integers:
    steps = np.diff(numbers, prepend=0)
    steps[shape.first] = numbers[shape.first]
    return steps


def _carried(velocity: Integers | None, shape: _Shape) -> Integers:
    """Give the steps that the velocity of the row before makes; none in a piece's first row."""
    if velocity is None:
        return np.zeros(len(shape.frame), _INT)
    scale = round(MICROSECONDS * POSITION / VELOCITY)
    carried = np.zeros(len(velocity), _INT)
    carried[1:] = (velocity[:-1] * shape.elapsed[1:] + scale // 2) // scale
    carried[shape.first] = 0
    return carried


def _course(shape: _Shape, found: Mapping[str, Integers]) -> tuple[Integers, NDArray[np.bool_]]:
    """Direction of the velocity of each row in steps, and whether it moves."""
    rows = len(shape.frame)
    if "vx" not in found or "vy" not in found:
        return np.zeros(rows, _INT), np.zeros(rows, np.bool_)
    # No sum of squares of two whole numbers is near enough to a half step for rounding to matter.
    vx, vy = found["vx"].astype(float), found["vy"].astype(float)
    course = np.rint(np.arctan2(vy, vx) * (TURN / 2 / np.pi)).astype(_INT)
    return course, vx * vx + vy * vy >= MOVING * MOVING


def _half_turn(steps: Integers) -> Integers:
    """Turn an angle into [-half a turn, half a turn)."""
    return (steps + TURN // 2) % TURN - TURN // 2


# Values and steps.


def _steps(name: str, values: NDArray[Any]) -> _Steps:
    values = np.ascontiguousarray(values, "<f4")
    unknown = np.isnan(values)
    none = np.zeros(0, _INT)
    if unknown.all():
        return _Steps(_NONE, none, b"")
    steps = _to_steps(name, values)
    if not (np.abs(steps[~unknown]) < REACH).all():
        return _Steps(_RAW, none, values.tobytes())
    if not unknown.any():
        return _Steps(_ALL, steps.astype(_INT), b"")
    return _Steps(_SOME, _filled(steps, ~unknown), np.packbits(unknown).tobytes())


def _to_steps(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Whole steps; `REACH` or more, or nan, where there is none."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = values.astype(float)
        match name:
            case "heading":
                turned = np.rint(values * (TURN / 2 / np.pi))
                return np.where(np.abs(turned) < REACH, _wrapped(turned), turned)
            case "sd" | "v_sd":
                steps = np.rint(OCTAVE * np.log2(values / SMALLEST)) + 1
                good = (values >= SMALLEST) & (steps <= COARSEST) | np.isnan(values)
                return np.where(values == 0, 0, np.where(good, steps, np.inf))
            case _:
                return np.rint(values / _STEP[name])


def _wrapped(turned: NDArray[Any]) -> NDArray[Any]:
    return (turned + TURN / 2) % TURN - TURN / 2


def _filled(steps: NDArray[Any], known: NDArray[np.bool_]) -> Integers:
    """Fill gaps with the next step that is known, so that they cost little; at the end the last."""
    at = np.flatnonzero(known)
    after = np.searchsorted(at, np.arange(len(steps)))
    return steps[at[np.minimum(after, len(at) - 1)]].astype(_INT)


def _values(
    name: str, mode: int, steps: Integers | None, rest: bytes, pieces: int, rows: int
) -> Floats:
    count = pieces if name in _OF_PIECE else rows
    if mode == _NONE:
        return np.full(count, np.nan, "<f4")
    if steps is None:
        return np.frombuffer(rest, "<f4")
    values = _from_steps(name, steps).astype("<f4")
    if mode == _SOME:
        values[np.unpackbits(np.frombuffer(rest, np.uint8), count=count).view(np.bool_)] = np.nan
    return values


def _from_steps(name: str, steps: Integers) -> NDArray[Any]:
    match name:
        case "heading":
            return steps * (2 * np.pi / TURN)
        case "sd" | "v_sd":
            if steps.min() < 0 or steps.max() > COARSEST:
                msg = f"{name} of {steps.min()} to {steps.max()} steps"
                raise RiceError(msg)
            return np.where(steps == 0, 0, SMALLEST * np.exp2((steps - 1) / OCTAVE))
        case _:
            return steps * _STEP[name]


_STEP: Final = {
    "x": POSITION, "y": POSITION, "vx": VELOCITY, "vy": VELOCITY, "length": SIZE, "width": SIZE
}  # fmt: skip


def _pack_modes(modes: NDArray[np.uint8]) -> bytes:
    """Two bits for each column."""
    number = sum(int(mode) << 2 * i for i, mode in enumerate(modes))
    return number.to_bytes(3, "little")


def _unpack_rest(
    packed: bytes, rows: int, pieces: int
) -> tuple[dict[str, int], dict[str, bytes], bytes]:
    """Modes of the columns, what each has beside its steps, and the streams."""
    number = int.from_bytes(packed[:3], "little")
    modes = {name: number >> 2 * i & 3 for i, name in enumerate(FLOATS)}
    rest, at = {}, 3
    for name, mode in modes.items():
        count = pieces if name in _OF_PIECE else rows
        size = {_SOME: (count + 7) // 8, _RAW: 4 * count}.get(mode, 0)
        rest[name] = packed[at : at + size]
        at += size
    if at > len(packed) or number >> 2 * len(FLOATS):
        msg = f"{len(packed)} bytes of {rows} rows"
        raise RiceError(msg)
    return modes, rest, packed[at:]
