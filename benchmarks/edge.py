"""Edge: frames that the camera process works off, against frames that are only decoded.

The real camera process (decoding, motion, tracking, counting, its pipe to the agent) reads a
recording as fast as it can; the baseline decodes the same recording to the same pictures in this
process, on one thread, too. Both are counted per second of processor time, not of the clock on the
wall, so that what else runs on the machine matters little; the fastest of several runs counts.
"""

import argparse
import json
import time
from pathlib import Path

import psutil

from benchmarks.machine import machine
from contracts.clock import utc_now
from edge.camera import CameraWatch
from edge.config import Camera
from edge.sources import open_video
from edge.wire import Message, Seen

GOAL = 0.05
RECORDING = Path(__file__).parents[2] / "shared" / "data" / "video" / "pets09_s2l1.avi"


def decoded_per_s(camera: Camera) -> float:
    """Frames that are decoded and thrown away, in a second of processor time."""
    with open_video(camera, utc_now) as video:
        next(video.frames)
        began = time.process_time()
        frames = sum(1 for _ in video.frames)
    return frames / (time.process_time() - began)


def seen_per_s(camera: Camera) -> float:
    """Frames that the camera process sees in a second of its processor time."""
    spent: list[float] = []  # processor time when each frame had been seen [s]

    def note(message: Message) -> None:
        if isinstance(message, Seen) and watch.pid is not None:
            times = psutil.Process(watch.pid).cpu_times()
            spent.append(times.user + times.system)

    watch = CameraWatch(camera, on_message=note, on_change=lambda _: None)
    watch.run(until_done=True)
    return (len(spent) - 1) / (spent[-1] - spent[0])


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--detector", type=Path, help="ONNX file; motion only without")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    camera = Camera.model_validate(
        {
            "source": str(arguments.recording.resolve()),
            "pace": "fast",
            "detector": arguments.detector,
            "drawn_on": (768, 576),
            "lines": [{"id": "line", "a": (0, 200), "b": (700, 200)}],
        }
    )
    baseline = max(decoded_per_s(camera) for _ in range(arguments.runs))
    seen = max(seen_per_s(camera) for _ in range(arguments.runs))
    result = {
        "name": "edge",
        "ratio": round(seen / baseline, 4),
        "goal": GOAL,
        "holds": bool(seen / baseline >= GOAL),
        "frames_per_s": round(seen, 1),
        "baseline": "the same recording decoded to pictures, nothing else",
        "baseline_frames_per_s": round(baseline, 1),
        "recording": arguments.recording.name,
        "detector": arguments.detector.name if arguments.detector else "none: motion only",
        "runs": arguments.runs,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
