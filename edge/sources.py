"""Video sources: recordings, pictures, network and USB cameras give frames with capture times."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import av
import cv2

from contracts.clock import MICROSECONDS, Clock, to_micros
from edge.address import full_address, options
from edge.configuration.camera import Camera
from edge.decoded import Decoded
from edge.errors import SourceError
from edge.recordings import JUMP, joined, longest, step, upright
from edge.redirection import check_redirection
from edge.sender_clock import SenderClock
from edge.stills import SUFFIXES, arriving, at_rate, by_rule, listed
from edge.video import Video
from edge.vision.frames import Frame, Image
from edge.vision.privacy import blackened

OPEN_TIMEOUT: Final = 10.0
"""How long a source may take until its first packet. [s]"""
BUSY: Final = 1.0
"""A camera that cannot serve just now is asked once more after this time. [s]"""
BEHIND: Final = 1_500_000
"""A live frame that is older than this is left out, until the camera is caught up with. [us]"""
BEHIND_SEGMENTS: Final = 30_000_000
"""The same where frames come in segments of some seconds (HLS). [us]"""
GIVE_UP: Final = 10 * MICROSECONDS
"""A live camera that is not caught up with for so long is opened anew. [us]"""
SETTLE: Final = 2 * MICROSECONDS
"""A live camera begins with what it had kept; its frames are used after this time. [us]"""
SETTLED: Final = 3
"""So many frames of another size in a row are no accident, if there is nothing else ..."""
CHANGED: Final = MICROSECONDS
"""... for so long; a damaged stream shows another size, too, until its next key frame. [us]"""
RESUMES: Final = 1000
"""So often in a row reading on in a damaged recording may fail; then it is over."""


class Timeline:
    """Capture times from a stream's own stamps and one anchor.

    The anchor of a recording stays where it is, so nothing drifts. The anchor of a live camera is
    the frame that came with the least delay while it settled. As its crystal does drift against
    UTC, the anchor then follows the frames with the least delay, down by at most 1 % of the time
    that passed and up by at most 200 ppm.
    """

    def __init__(
        self, clock: Clock, *, offset: int | None = None, start: int | None = None, live: bool
    ) -> None:
        self._clock = clock
        self._offset = offset  # capture time of stamp 0 [us]; None: not known before a frame is
        self._start = start  # capture time of the first frame [us]; None: now
        self._live = live
        self._settled: int | None = None  # when a live camera is settled [us]
        self._last = 0

    def captured(self, stamp: int) -> int | None:
        """Return the time [us] at which the frame with this stamp [us] was captured.

        None while that is not known yet.
        """
        now = self._clock()
        if self._offset is None:
            self._offset = (now if self._start is None else self._start) - stamp
            self._settled = now + SETTLE
        if self._live and self._settled is not None and now < self._settled:
            self._offset = min(self._offset, now - stamp)
            self._last = stamp
            return None
        if self._live:
            passed = max(stamp - self._last, 0)
            late = now - stamp - self._offset
            self._offset += min(max(late, -passed // 100), passed // 5000)
        self._last = stamp
        return stamp + self._offset


@contextmanager
def open_video(camera: Camera, clock: Clock) -> Iterator[Video]:
    """Open a source; its frames come with the camera's masks blacked out.

    Raises
    ------
    SourceError
        Here if it cannot be opened, and from the frames if it stops in the middle.
    """
    with _open(camera, clock) as video:
        if camera.masks:
            video.frames = blackened(
                video.frames, camera.opened(video.width, video.height).masks_at
            )
        yield video


@contextmanager
def _open(camera: Camera, clock: Clock) -> Iterator[Video]:
    if camera.source.startswith("usb:"):
        device = cv2.VideoCapture(_usb_number(camera.source))
        try:
            yield _usb(device, camera.source, clock)
        finally:
            device.release()
        return
    if camera.is_path and Path(camera.source).is_dir():
        yield _folder(camera, clock)
        return
    if camera.grows or camera.pictures_per_s:
        msg = f"{camera.source} is no folder; grows and pictures_per_s are for folders of pictures"
        raise SourceError(msg)
    address = _address(camera)
    settings = options(address, camera)
    full = full_address(address, camera)
    began = time.monotonic()
    try:
        check_redirection(full, camera.ca, OPEN_TIMEOUT)
        container = _connected(full, settings, (OPEN_TIMEOUT, camera.lost_after_s))
    except (av.error.FFmpegError, OSError) as fault:
        if time.monotonic() - began >= OPEN_TIMEOUT:  # whatever FFmpeg makes of its interruption
            msg = f"{camera.shown} does not answer within {OPEN_TIMEOUT:g} s; is its address right?"
        else:  # the text of the fault alone: the whole names the address with the password
            msg = f"{camera.shown} cannot be opened: {fault.strerror}"
        raise SourceError(msg) from fault
    with closing(container):
        yield _stream(container, camera, clock)


def _connected(full: str, settings: dict[str, str], timeout: tuple[float, float]) -> Any:
    try:
        return av.open(full, options=settings, timeout=timeout)
    except av.error.HTTPServerError:  # still busy with putting the last viewer's stream away
        time.sleep(BUSY)
        return av.open(full, options=settings, timeout=timeout)


def _address(camera: Camera) -> str:
    """Where the pictures are; an ONVIF camera is asked."""
    if not camera.source.startswith(("onvif://", "onvifs://")):
        return camera.source
    from edge.onvif.resolve import stream_address  # noqa: PLC0415  # not for other cameras

    return stream_address(camera, OPEN_TIMEOUT)


def _stream(container: Any, camera: Camera, clock: Clock) -> Video:
    if not container.streams.video:
        msg = f"{camera.shown} has no video in it"
        raise SourceError(msg)
    # a recording may have a cover or a preview beside its video
    stream = container.streams.best("video") if camera.is_file else container.streams.video[0]
    stream.codec_context.thread_count = 1  # more threads are more memory and more delay
    duration = (container.duration or 0) / MICROSECONDS
    video = Video(stream.width, stream.height, float(stream.average_rate or 0), duration)
    start = None if camera.start is None else to_micros(camera.start)
    if start is None and camera.is_file and camera.pace == "fast" and container.duration:
        start = clock() - container.duration  # as if its last frame were captured now
    counted = container.format.name == "mpjpeg"  # its stamps are numbers of pictures, no times
    live = camera.clock != "pts" and not camera.is_file and not counted
    offset = 0 if camera.clock == "pts" or counted else None
    timeline: Timeline | SenderClock = Timeline(clock, offset=offset, start=start, live=live)
    packets = _packets(container, stream, video, camera)
    if isinstance(timeline, Timeline) and camera.clock == "rtcp":
        timeline = video.sender = SenderClock(clock, timeline)
        packets = timeline.listen(packets)
    frames = _decoded(container, stream, video, packets)
    if camera.is_file:
        frames = upright(frames, video)
        frames = frames if camera.clock == "pts" else joined(frames, video)
    if counted:
        frames = ((clock(), frame) for _, frame in frames)
    if camera.is_file and camera.pace == "realtime":
        frames = _paced(frames, time.monotonic, time.sleep)
    behind = BEHIND_SEGMENTS if container.format.name == "hls" else BEHIND
    horizon = (lambda: clock() - behind) if live else None
    video.frames = _timed(frames, video, timeline, horizon)
    return video


def _folder(camera: Camera, clock: Clock) -> Video:
    folder, rate = Path(camera.source), camera.pictures_per_s
    video = Video(0, 0, rate or 0.0)
    start = None if camera.start is None else to_micros(camera.start)
    if camera.grows:
        frames = by_rule(arriving(folder, camera.lost_after_s), video)
    else:
        there = listed(folder)
        if not there:
            msg = f"{folder} has no pictures in it ({', '.join(SUFFIXES)})"
            raise SourceError(msg)
        video.duration = len(there) / rate if rate else 0.0
        frames = at_rate(iter(there), rate, video) if rate else by_rule(iter(there), video)
        if rate and start is None and camera.pace == "fast":
            start = clock() - int(video.duration * MICROSECONDS)
    first = next(frames, None)
    if first is None:
        msg = f"{folder} has no picture in it that can be decoded"
        raise SourceError(msg)
    picture = Decoded(first[1])
    video.width, video.height = picture.width, picture.height
    frames = chain([first], frames)
    if rate and camera.pace == "realtime":
        frames = _paced(frames, time.monotonic, time.sleep)
    offset = 0 if start is None and not rate else None
    timeline = Timeline(clock, offset=offset, start=start, live=False)
    video.frames = _timed(frames, video, timeline, None)
    return video


def _decoded(
    container: Any, stream: Any, video: Video, packets: Iterable[Any]
) -> Iterator[tuple[int, Any]]:
    """Yield each decoded frame with its stamp [us]; what cannot be decoded is counted."""
    # AVI keeps no presentation time. What FFmpeg makes up goes back and forth with B-frames, while
    # its decoding time counts the frames as they come out.
    decoding_time = container.format.name == "avi"
    scale = stream.time_base * MICROSECONDS
    stamp = 0
    for packet in packets:
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            video.dropped += 1
            continue
        for frame in decoded:
            stated = frame.dts if decoding_time else frame.pts
            if stated is None:  # the decoder's last ones come without: they follow on
                stamp += step(video)
            else:
                stamp = stated * scale.numerator // scale.denominator
            yield stamp, frame


def _packets(container: Any, stream: Any, video: Video, camera: Camera) -> Iterator[Any]:
    """Yield what is to be decoded until the source ends.

    Damage in the middle of a recording is counted and read over.
    """
    asked = time.monotonic()
    silent = f"{camera.shown} gives nothing any more"
    failed = 0
    while True:
        try:
            for packet in container.demux(stream):
                if not packet.size and _late(asked, camera):  # HLS takes a hung server for an end
                    raise SourceError(silent)
                yield packet
                asked = time.monotonic()
                failed = 0
        # IndexError: a packet of a stream that was not there at the start, as damage makes them up
        except (av.error.FFmpegError, OSError, IndexError) as fault:
            if camera.is_file and failed < RESUMES:
                failed += 1
                video.dropped += failed == 1  # one damage, however long; what it took is unknown
                continue
            why = getattr(fault, "strerror", "it has another stream now")
            msg = silent if _late(asked, camera) else f"{camera.shown} broke off: {why}"
            raise SourceError(msg) from fault
        return


def _late(asked: float, camera: Camera) -> bool:
    return not camera.is_file and time.monotonic() - asked >= camera.lost_after_s


def _paced(
    frames: Iterator[tuple[int, Any]],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[tuple[int, Any]]:
    """Let no frame through before its time, counted from the first one."""
    zero = None
    for stamp, frame in frames:
        due = stamp / MICROSECONDS
        if zero is None:
            zero = monotonic() - due
        ahead = zero + due - monotonic()
        if ahead > 0:
            sleep(ahead)
        yield stamp, frame


def _timed(
    frames: Iterator[tuple[int, Any]],
    video: Video,
    timeline: Timeline | SenderClock,
    horizon: Callable[[], int] | None,
) -> Iterator[Frame]:
    """Give each frame its capture time; time only goes forward, and one size is kept to.

    Another size is taken when it stays; until then such frames are left out and counted.
    """
    first = last = stale = None
    size = _Size(video)
    for index, (stamp, frame) in enumerate(frames):
        captured = timeline.captured(stamp)
        if captured is None:
            continue
        first = captured if first is None else first
        if captured - first > longest(video):
            video.dropped += 1
            continue
        if frame.is_corrupt:  # patched up by the decoder: what moves there is no road user
            video.dropped += 1
            continue
        if last is not None and captured < last - JUMP:
            msg = f"time stamps went back by {(last - captured) / MICROSECONDS:.1f} s"
            raise SourceError(msg)
        if horizon and captured < horizon():
            stale = captured if stale is None else stale
            if captured - stale > GIVE_UP:
                msg = "its clock is too slow, or this machine is"
                raise SourceError(msg)
            video.dropped += 1
            continue
        if last is not None and captured <= last:
            video.dropped += 1
            continue
        picture = Decoded(frame)
        if not size.fits(picture.width, picture.height, captured):
            video.dropped += 1
            continue
        last, stale = captured, None
        yield Frame(picture, captured, index)


class _Size:
    """Size of a video's frames, that changes when another one stays."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._other = (0, 0)
        self._count = 0  # of frames of the other size in a row
        self._since = 0  # moment of the first of these [us]

    def fits(self, width: int, height: int, captured: int) -> bool:
        """Whether a frame of this size belongs to the video."""
        if (width, height) == (self._video.width, self._video.height):
            self._count = 0
            return True
        if self._count == 0 or (width, height) != self._other:
            self._count, self._since = 0, captured
        self._count += 1
        self._other = width, height
        if self._count < SETTLED or captured - self._since < CHANGED:
            return False
        self._video.width, self._video.height = width, height
        self._count = 0
        return True


def _usb_number(source: str) -> int:
    number = source.removeprefix("usb:")
    if not number.isdecimal():
        msg = f"{source} is no USB camera; write usb:0 for /dev/video0"
        raise SourceError(msg)
    return int(number)


def _usb(device: cv2.VideoCapture, source: str, clock: Clock) -> Video:
    good, image = device.read()
    if not good:
        msg = f"{source} gives no picture; is it plugged in, and may this user read it?"
        raise SourceError(msg)
    height, width = image.shape[:2]
    video = Video(width, height, device.get(cv2.CAP_PROP_FPS))
    video.frames = _usb_frames(device, source, clock)
    return video


def _usb_frames(device: cv2.VideoCapture, source: str, clock: Clock) -> Iterator[Frame]:
    """Yield what the driver has newest; it has no stamps of its own, so arrival is capture."""
    index = 0
    while True:
        good, image = device.read()
        if not good:
            msg = f"{source} gives no more pictures"
            raise SourceError(msg)
        yield Frame(cast("Image", image), clock(), index)
        index += 1
