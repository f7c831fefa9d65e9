"""Folders of pictures: in which order they come, and when each was taken.

The time of a picture is the first of these that the first picture has; all others are taken by the
same rule, and one that has no such time is left out and counted:

1. EXIF's ``DateTimeOriginal`` with its ``SubSecTimeOriginal`` and ``OffsetTimeOriginal``,
2. a date and time of day, or a number of seconds, milliseconds or microseconds since 1970, in the
   file's name,
3. when the file was last written to.

Times without a zone are UTC.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import av

from contracts.clock import MICROSECONDS, to_micros
from edge.errors import SourceError
from edge.video import Video

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MOST: Final = 100_000
"""Pictures in a folder that is watched; with more it is refused, as it is read often."""
LARGEST: Final = 64 << 20
"""Bytes of a picture; a larger one is left out."""
POLL: Final = 0.5
"""How often a folder is looked at; a file is whole if it is the same twice. [s]"""

Rule = Callable[[Path, Any], int | None]
"""Time [us] at which the picture of a file was taken, None if it does not say."""

_ORIGINAL: Final = "ExifIFD/DateTimeOriginal"
_SUBSECOND: Final = "ExifIFD/SubSecTimeOriginal"
_OFFSETS: Final = ("ExifIFD/OffsetTimeOriginal", "ExifIFD/0x9011")  # FFmpeg knows its number only
_DATE: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_. T]*(\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)"
    r"(?:[.,](\d{1,6})|(\d{3}|\d{6}))?(?!\d)"
)
_EPOCH: Final = re.compile(r"(?<!\d)(1\d{9})(?:[.,](\d{1,6})|(\d{3}|\d{6}))?(?!\d)")


def by_exif(_path: Path, frame: Any) -> int | None:
    """Time that the camera wrote into the picture."""
    said = frame.metadata.get(_ORIGINAL, "").strip()
    offset = next((frame.metadata[key].strip() for key in _OFFSETS if key in frame.metadata), "")
    fraction = frame.metadata.get(_SUBSECOND, "").strip()
    try:
        taken = datetime.strptime(said + (offset or "Z"), "%Y:%m:%d %H:%M:%S%z")
    except ValueError:
        return None
    return to_micros(taken) + (_fraction(fraction) if fraction.isdecimal() else 0)


def by_name(path: Path, _frame: Any) -> int | None:
    """Time in the name of the file.

    >>> by_name(Path("cam1_20260504_070000.jpg"), None)
    1777878000000000
    >>> by_name(Path("2026-05-04T07-00-00.25.jpg"), None)
    1777878000250000
    >>> by_name(Path("1777878000250.jpg"), None)
    1777878000250000
    """
    if found := _DATE.search(path.stem):
        *parts, point, joined = found.groups()
        try:
            moment = to_micros(datetime(*map(int, parts), tzinfo=UTC))  # type: ignore[misc, arg-type]
        except ValueError:
            return None
        return moment + _fraction(point or joined)
    if found := _EPOCH.search(path.stem):
        seconds, point, joined = found.groups()
        return int(seconds) * MICROSECONDS + _fraction(point or joined)
    return None


def by_mtime(path: Path, _frame: Any) -> int | None:
    """Time at which the file was last written to."""
    return path.stat().st_mtime_ns // 1000


RULES: Final[tuple[Rule, ...]] = (by_exif, by_name, by_mtime)


def _fraction(digits: str | None) -> int:
    return int((digits or "0")[:6].ljust(6, "0"))


def in_order(path: Path) -> list[tuple[int, str]]:
    """Key that sorts names as people do: 2 before 10.

    >>> sorted((Path("a10.png"), Path("a2.png")), key=in_order)[0].name
    'a2.png'
    """
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if n % 2 else (-1, part) for n, part in enumerate(parts)]


def listed(folder: Path) -> list[Path]:
    """Pictures of a folder by name; of its own folders none.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError as fault:
        msg = f"{folder} cannot be read: {fault.strerror}; may this user read it?"
        raise SourceError(msg) from fault
    return sorted((path for path in found if not path.name.startswith(".")), key=in_order)


def arriving(
    folder: Path,
    patience: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Path]:
    """Yield each picture that comes into a folder from now on, when it is whole.

    Raises
    ------
    SourceError
        If none comes for `patience` [s], or the folder holds more than `MOST`.
    """
    done = set(listed(folder))
    growing: dict[Path, tuple[int, int]] = {}
    last = monotonic()
    while True:
        sleep(POLL)
        there = listed(folder)
        if len(there) > MOST:
            msg = f"{folder} holds more than {MOST} pictures; move the older ones elsewhere"
            raise SourceError(msg)
        done &= set(there)
        sizes = {path: size for path in there if path not in done and (size := _size(path))}
        for path, size in sizes.items():
            if growing.get(path) == size:
                done.add(path)
                yield path
                last = monotonic()
        growing = {path: size for path, size in sizes.items() if path not in done}
        if monotonic() - last > patience:
            msg = f"{folder} got no new picture for {patience:g} s"
            raise SourceError(msg)


def _size(path: Path) -> tuple[int, int] | None:
    try:
        said = path.stat()
    except FileNotFoundError:  # its writer took it back, or gave it another name
        return None
    return said.st_size, said.st_mtime_ns


def decode(path: Path) -> Any:
    """Decode the picture of a file: an `av.VideoFrame`, None if it is none or is damaged."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size > LARGEST:
                return None
            container: Any = av.open(file)
            with closing(container):
                frame = next(container.decode(video=0), None)
    except (av.error.FFmpegError, OSError, IndexError):  # IndexError: no video in it
        return None
    return None if frame is None or frame.is_corrupt else frame


def at_rate(pictures: Iterator[Path], rate: float, video: Video) -> Iterator[tuple[int, Any]]:
    """Yield each frame with its time [us] since the first file; `rate` is in pictures/s."""
    for number, path in enumerate(pictures):
        frame = decode(path)
        if frame is None:
            video.dropped += 1
        else:
            yield int(number * MICROSECONDS / rate), frame


def by_rule(pictures: Iterator[Path], video: Video) -> Iterator[tuple[int, Any]]:
    """Yield each frame with the time [us] at which it was taken; time only goes forward."""
    rules, last = RULES, None
    for path in pictures:
        frame = decode(path)
        if frame is None:
            video.dropped += 1
            continue
        said = ((rule, rule(path, frame)) for rule in rules)
        rule, taken = next(((r, t) for r, t in said if t is not None), (None, None))
        if rule is None or taken is None or (last is not None and taken <= last):
            video.dropped += 1
            continue
        rules, last = (rule,), taken
        yield taken, frame
