"""The whole of it: read the truth, replay the clip, compare."""

import time
from pathlib import Path
from typing import NamedTuple

from contracts.clock import utc_now
from edge.configuration.camera import Camera
from edge.errors import DetectorError, EdgeError, SourceError
from edge.verify.comparison import Comparison, compare
from edge.verify.progress import shown_progress
from edge.verify.replay import Replay, replay
from edge.verify.truth import Counted, read_truth
from edge.vision.ground import GroundError


class Verified(NamedTuple):
    """What was compared, how, and what came of it."""

    clip: Path
    truth: Path
    camera: Camera
    tolerance: float  # [s]
    replay: Replay
    comparison: Comparison


def verify_clip(clip: Path, truth: Path, camera: Camera, tolerance: float) -> Verified:
    """Compare what an agent with this camera sees in a clip with what is true of it.

    Raises
    ------
    EdgeError
        If anything given cannot be used; the text names it, the place in it, and the fix.
    """
    known = read_truth(truth)
    if not clip.exists():
        msg = f"{clip}: no such file; give the path of a recording"
        raise SourceError(msg)
    lines = known.lines if isinstance(known, Counted) else None
    try:
        with shown_progress(f"Replaying {clip.name}", time.monotonic) as progress:
            seen = replay(camera, lines, utc_now, progress)
    except SourceError as fault:
        msg = f"{fault}; give a recording that FFmpeg can read to its end"
        raise SourceError(msg) from fault
    except (DetectorError, GroundError) as fault:
        raise EdgeError(str(fault)) from fault
    found = compare(known, seen, truth, anchor=camera.anchor, tolerance=tolerance)
    return Verified(clip, truth, camera, tolerance, seen, found)
