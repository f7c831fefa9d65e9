"""Streams of small integers as bits: Rice codes, laid out so that numpy decodes them whole [1]_.

A number is folded (0, -1, 1, -2, ... become 0, 1, 2, 3, ...) and parted at a bit k of its stream:
what is above goes in unary, zeros and a one that ends them; what is below goes as k plain bits.
First come the unary parts of all streams, then the plain ones, so that no number has to be found
by reading the one before it. What would take too many zeros is written out beside the bits.

References
----------
.. [1] R. F. Rice, "Some practical universal noiseless coding techniques," JPL Publication 79-22,
   1979.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

SPLITS: Final = (*range(13), 16, 24)
"""Bits k at which a stream may be parted; its half byte is an index of this."""

ZERO: Final = 15
"""Half byte of a stream of nothing but zeros, which takes no bits."""

ESCAPE: Final = 20
"""So many zeros say that the number is written out, as eight bytes."""

_SPLITS: Final = np.array([*SPLITS, 0])  # the last of it is that of `ZERO`
_WIDE: Final = 64  # bits of a number that is written out


class RiceError(ValueError):
    """The bytes are not such streams; the text says what is wrong."""


def pack(streams: Sequence[Integers]) -> bytes:
    """Bytes of streams of integers; their lengths are not among them."""
    folded = [_fold(stream) for stream in streams]
    codes = np.array([_split(stream) for stream in folded], np.uint8)
    halves = np.append(codes, np.zeros(len(codes) % 2, np.uint8))
    head: bytes = (halves[::2] << 4 | halves[1::2]).tobytes()
    coded = codes != ZERO
    if not coded.any():
        return head
    lengths = np.array([len(stream) for stream in streams])[coded]
    k = np.repeat(_SPLITS[codes[coded]], lengths)
    numbers = np.concatenate([f for f, is_coded in zip(folded, coded, strict=True) if is_coded])
    above = np.minimum(numbers >> k.astype(np.uint64), ESCAPE).astype(np.int64)
    wide = numbers[above == ESCAPE]
    ends = np.cumsum(above + 1)
    bits = np.zeros(ends[-1], np.uint8)
    bits[ends - 1] = 1
    body = np.packbits(np.concatenate([bits, _plain(numbers, k)])).tobytes()
    written_out: bytes = wide.astype("<u8").tobytes()
    return head + body + written_out


def unpack(packed: bytes, lengths: Integers) -> Integers:
    """All numbers of streams of these lengths, one stream after the other.

    Nothing larger than the bytes and the lengths ask for is allotted.

    Raises
    ------
    RiceError
        If these bytes are not exactly such streams.
    """
    size = (len(lengths) + 1) // 2
    if len(packed) < size:
        msg = f"{len(packed)} bytes for {len(lengths)} streams"
        raise RiceError(msg)
    halves = np.frombuffer(packed, np.uint8, size)
    codes = np.stack([halves >> 4, halves & ZERO], axis=1).ravel()[: len(lengths)]
    numbers = np.zeros(int(lengths.sum()), np.int64)
    coded = np.repeat(codes != ZERO, lengths)
    k = np.repeat(_SPLITS[codes], lengths)[coded]
    body = np.frombuffer(packed, np.uint8, offset=size)
    above, at = _unary(body, len(k))
    until = at + k.cumsum()
    end = (int(until[-1]) if len(k) else 0) + 7 >> 3
    escaped = above == ESCAPE
    wide = packed[size + end :]
    if end > len(body) or len(wide) != _WIDE // 8 * np.count_nonzero(escaped):
        msg = f"{len(packed)} bytes, not {size + end} and those of {escaped.sum()} wide numbers"
        raise RiceError(msg)
    folded = ((above << k) + _gathered(body, until - k, k)).view(np.uint64)
    folded[escaped] = np.frombuffer(wide, "<u8")
    numbers[coded] = _unfold(folded)
    return numbers


def _unary(body: NDArray[np.uint8], count: int) -> tuple[Integers, int]:
    """Numbers of zeros before each of so many ones, and the bit after the last one."""
    if not count:
        return np.zeros(0, np.int64), 0
    bits = np.unpackbits(body[: (count * (ESCAPE + 1) + 7) // 8]).view(np.bool_)
    ends = np.flatnonzero(bits)[:count]
    if len(ends) < count:
        msg = f"{len(ends)} numbers, not {count}"
        raise RiceError(msg)
    zeros = np.diff(ends, prepend=-1) - 1
    if zeros.max() > ESCAPE:
        msg = f"{zeros.max()} zeros, at most {ESCAPE} mean anything"
        raise RiceError(msg)
    return zeros, int(ends[-1]) + 1


def _split(numbers: NDArray[np.uint64]) -> int:
    """Half byte of the stream: where it is parted so that it takes the fewest bits."""
    if not numbers.any():
        return ZERO
    middle = int(np.partition(numbers, len(numbers) // 2)[len(numbers) // 2]).bit_length()
    mean = int(numbers.astype(float).mean()).bit_length()
    tried = {
        code
        for code, k in enumerate(SPLITS)
        if any(at - 2 <= k <= at for at in (middle, mean)) or (k > 12 and mean > 12)  # noqa: PLR2004
    } or {0}
    return min(sorted(tried), key=lambda code: _cost(numbers, SPLITS[code]))


def _cost(numbers: NDArray[np.uint64], k: int) -> int:
    above = numbers >> np.uint64(k)
    escaped = int(np.count_nonzero(above >= ESCAPE))
    return len(numbers) * (1 + k) + int(np.minimum(above, ESCAPE).sum()) + _WIDE * escaped


def _fold(numbers: Integers) -> NDArray[np.uint64]:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unfold(folded: NDArray[np.uint64]) -> Integers:
    one = np.uint64(1)
    return (folded >> one).view(np.int64) ^ -(folded & one).view(np.int64)


def _plain(numbers: NDArray[np.uint64], k: Integers) -> NDArray[np.uint8]:
    """Lowest k bits of each number, the highest of them first."""
    until = np.repeat(k.cumsum(), k)
    shift = (until - 1 - np.arange(len(until))).astype(np.uint64)
    return (np.repeat(numbers, k) >> shift & np.uint64(1)).astype(np.uint8)


def _gathered(body: NDArray[np.uint8], at: Integers, k: Integers) -> Integers:
    """Numbers of k bits each, from these bits on."""
    padded = np.append(body, np.zeros(4, np.uint8))  # four bytes hold 24 bits wherever they begin
    windows: NDArray[np.uint32] = np.ndarray(len(body) + 1, ">u4", padded, strides=(1,))
    window: Integers = windows[at >> 3].astype(np.int64)
    return window >> (32 - (at & 7) - k) & ((1 << k) - 1)
