"""The camera as the agent sees it: a child process that is watched, and replaced when it hangs.

The child (`edge.capture`) alone decodes and sees frames. A decoder that crashes or stands still
costs the pictures of some seconds, never the agent.
"""

import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from edge.backoff import Backoff
from edge.configuration.camera import Camera
from edge.wire import Ended, Message, Opened, Picture, Reader, Resized, Seen, Timed

log = logging.getLogger(__name__)

START_GRACE: Final = 20.0
"""Time for imports, connecting and the first key frame, on top of `lost_after_s`. [s]"""
FRAME_GRACE: Final = 1.0
"""Time for the child to find out by itself, and to say why. [s]"""
STOP_GRACE: Final = 3.0
"""How long the child may take to finish its frame and say goodbye. [s]"""
_ENVIRONMENT: Final = {
    # One thread each: a box has other things to do, and idle pools cost memory.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # Frames and activations go back to the system when they are freed: glibc would otherwise keep
    # them, in pieces, and the process would grow by a half.
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}


class CameraWatch:
    """Runs the child of one camera and hands on what it says.

    Parameters
    ----------
    camera
        What the child is told.
    on_message
        Takes each message in order; while it waits, the child waits too.
    on_change
        Told True when frames come (again), False when they do not (any more).
    device
        Named in the proof of each picture; None: no pictures are made.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        on_message: Callable[[Message], None],
        on_change: Callable[[bool], None],
        device: str | None = None,
    ) -> None:
        self._camera = camera
        self._device = device
        self._on_message = on_message
        self._on_change = on_change
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._wanted: dict[bytes, float] = {}  # when that was last asked for, monotonic [s]
        self._stop_by = float("inf")  # monotonic [s]
        self._clock = ""  # by what the frames are timed, where the camera's own clock was asked for
        self._seeing: bool | None = None  # frames come; None: not known yet
        self.over = threading.Event()  # the recording has ended

    @property
    def pid(self) -> int | None:
        """Process of the child that runs now."""
        return None if self._child is None else self._child.pid

    def run(self, *, until_done: bool) -> None:
        """Keep a child running until `stop`, or until its source is over.

        A recording is played once. A live source that ends is over only with `until_done`,
        otherwise it is lost and tried again.
        """
        backoff = Backoff(1.0, 60.0)
        while not self._stopping.is_set():
            reason = self._run_child(backoff)
            if not reason and (until_done or self._camera.is_file):
                self.over.set()
                log.info("camera %s is over", self._camera.shown)
                return
            self._change(seeing=False, reason=reason or "the stream ended")
            self._stopping.wait(backoff.next())

    def stop(self) -> None:
        """Let the child finish the frame it has, then end; `run` returns soon."""
        self._stop_by = time.monotonic() + STOP_GRACE
        self._stopping.set()
        child = self._child
        if child is not None:
            _close_input(child)

    def want_picture(self) -> None:
        """Ask the child for pictures during the next seconds."""
        self._ask(b"picture\n")

    def want_live(self, frames_per_s: float) -> None:
        """Ask the child for a live view during the next seconds."""
        self._ask(b"live %.6f\n" % (1 / frames_per_s))

    def want_snapshot(self, name: str, kind: str) -> None:
        """Ask the child for one picture, to be kept under a name."""
        self._ask(f"snapshot {name} {kind}\n".encode())

    def _ask(self, line: bytes) -> None:
        """Send the child a line, the same one at most once a second."""
        child, now = self._child, time.monotonic()
        if child is None or child.stdin is None or now - self._wanted.get(line, 0.0) < 1.0:
            return
        self._wanted = {said: at for said, at in self._wanted.items() if now - at < 1.0}
        self._wanted[line] = now
        try:
            child.stdin.write(line)
            child.stdin.flush()
        except (OSError, ValueError):  # the child has just gone; the watch knows
            log.debug("no child to ask for a picture")

    def _run_child(self, backoff: Backoff) -> str:
        """Run one child to its end; say why it ended, nothing if its source is over."""
        with self._spawned() as child:
            reader = Reader()
            patience = self._camera.lost_after_s + START_GRACE
            while True:
                piece = self._read(child, patience)
                if piece is None:
                    return f"no frame for {patience:.1f} s"
                if not piece:
                    return f"its process ended with {child.wait(STOP_GRACE)}"
                for message in reader.feed(piece):
                    match message:
                        case Ended(reason):
                            return reason
                        case Seen() if not self._seeing:
                            self._change(seeing=True, reason="")
                            backoff.reset()
                        case Seen() | Picture():
                            patience = self._camera.lost_after_s + FRAME_GRACE
                        case _:
                            self._note(message)
                    self._on_message(message)

    def _note(self, message: Message) -> None:
        """Log what the camera is like."""
        match message:
            case Opened(width, height, rate):
                log.info("camera opened: %dx%d, %.1f/s", width, height, rate)
            case Resized(width, height):
                log.warning(
                    "camera changed its picture to %dx%d: seeing begins anew",
                    width, height,
                )  # fmt: skip
            case Timed():
                self._say_clock(message)

    def _read(self, child: subprocess.Popen[bytes], patience: float) -> bytes | None:
        """Next bytes of the child, none at its end; None if it stays silent for too long."""
        if child.stdout is None:  # never: it was made with a pipe
            raise AssertionError
        deadline = time.monotonic() + patience
        while (left := min(deadline, self._stop_by) - time.monotonic()) > 0:
            ready, _, _ = select.select([child.stdout], [], [], min(left, 1.0))
            if ready:
                return os.read(child.stdout.fileno(), 1 << 16)
        return None

    @contextmanager
    def _spawned(self) -> Iterator[subprocess.Popen[bytes]]:
        child = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [
                sys.executable,
                "-m",
                "edge.capture",
                *([] if self._device is None else [self._device]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _ENVIRONMENT,
        )
        self._child = child
        try:
            if child.stdin is None:
                raise AssertionError
            child.stdin.write(self._camera.for_child().encode() + b"\n")
            child.stdin.flush()
            yield child
        finally:
            self._child = None
            child.kill()
            child.wait()
            _close_input(child)
            if child.stdout is not None:
                child.stdout.close()

    def _say_clock(self, timed: Timed) -> None:
        """Say by what the frames are timed, once until that changes."""
        if timed.clock == self._clock:
            return
        self._clock = timed.clock
        if timed.reason:
            log.warning("camera is timed by arrival: %s", timed.reason)
        else:
            log.info("camera is timed by its own clock, %.0f ms before arrival", timed.delay / 1000)

    def _change(self, *, seeing: bool, reason: str) -> None:
        if self._seeing is seeing or self._stopping.is_set():
            return
        if seeing:
            log.info("camera %s is seen", self._camera.shown)
        else:
            log.warning("camera %s lost: %s", self._camera.shown, reason)
        self._seeing = seeing
        self._on_change(seeing)


def _close_input(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        with suppress(BrokenPipeError):  # what it had not read is lost with it
            child.stdin.close()
