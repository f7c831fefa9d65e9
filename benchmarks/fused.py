"""Fused: motion and detector together on a 1280x720 H.264 camera, in real time.

The highway recording is scaled up, put in the middle of 1280x720, encoded as H.264 and played to
the real camera process (decoding, motion, YOLOX-nano, tracking, counting) in real time; nothing is
left out when it is late, it only falls behind. The detector runs at its own pace. Then the same
recording is read as fast as it goes with the detector in every frame, and both counts are compared
with what was counted by eye. Frames a second are those of the slowest five seconds.
"""

import argparse
import json
import os
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import psutil

from benchmarks.machine import machine
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.wire import Detecting, Message, Seen

GOAL = 12.0  # [1/s]
DATA = Path(__file__).parents[2] / "shared" / "data"
WIDTH, HEIGHT, SIDE = 1280, 720, 160  # the picture, and the grey on either side [px]
SOURCE_RATE = 60
LINE = {"id": "line", "a": (SIDE + 60, 450), "b": (SIDE + 720, 450)}
TRUE = {"in": 27, "out": 0}
WINDOW = 5.0  # [s]
FEWEST = 2.0  # time after which frames are counted: the process has started by then [s]


class Run(NamedTuple):
    """What one pass over the recording took, and what it counted."""

    arrived: list[float]  # when each frame had been seen, monotonic [s]
    captured: list[int]  # [us]
    counts: dict[str, int]
    requests: int
    request_ms: float
    every: list[int]  # each schedule in turn
    core: float  # processor time of the camera's process between first and last frame [s]


def encode(source: Path, target: Path, rate: int) -> None:
    """Make the H.264 recording: each (60 / rate)-th frame, three times as large, grey beside it."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream("h264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        for number, frame in enumerate(read.decode(video=0)):
            if number % (SOURCE_RATE // rate):
                continue
            small = frame.to_ndarray(format="bgr24")
            picture[:, SIDE:-SIDE] = cv2.resize(small, (WIDTH - 2 * SIDE, HEIGHT))
            made = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            made.pts, made.time_base = number // (SOURCE_RATE // rate), Fraction(1, rate)
            written.mux(stream.encode(made))
        written.mux(stream.encode())


def watch(camera: Camera) -> Run:
    """Let the camera process see the recording."""
    arrived: list[float] = []
    captured: list[int] = []
    spent: list[float] = []
    asked: list[float] = []
    every: list[int] = []
    counts = {"in": 0, "out": 0}

    def note(message: Message) -> None:
        if isinstance(message, Detecting):
            if message.fault:
                raise RuntimeError(message.fault)
            every.append(message.every)
        if isinstance(message, Seen) and process.pid is not None:
            arrived.append(time.monotonic())
            captured.append(message.captured)
            times = psutil.Process(process.pid).cpu_times()
            spent.append(times.user + times.system)
            if message.detector is not None:
                asked.append(message.detector)
            for crossed in message.crossings:
                counts["in" if crossed.direction > 0 else "out"] += 1

    process = CameraWatch(camera, on_message=note, on_change=lambda _: None)
    process.run(until_done=True)
    request_ms = 1e3 * float(np.median(asked))
    return Run(arrived, captured, counts, len(asked), request_ms, every, spent[-1] - spent[0])


def slowest(arrived: list[float]) -> float:
    """Fewest frames a second within any `WINDOW`."""
    t = np.array(arrived)
    t = t[t >= t[0] + FEWEST]
    ends = np.searchsorted(t, t + WINDOW)
    whole = np.flatnonzero(ends < len(t))
    return float(((ends[whole] - whole) / (t[ends[whole]] - t[whole])).min())


def error(counts: dict[str, int]) -> int:
    """How far counts are from the truth, both ways together."""
    return sum(abs(counts[way] - TRUE[way]) for way in TRUE)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both passes, and what is to be said of them."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "highway-720p.mp4"
        encode(arguments.recording, recording, arguments.rate)
        settings = {
            "source": str(recording),
            "drawn_on": (WIDTH, HEIGHT),
            "detector": arguments.detector,
            "detector_threads": arguments.threads,
            "lines": [LINE],
        }
        load = os.getloadavg()[0]
        own = watch(Camera.model_validate(settings | {"pace": "realtime"}))
        load = max(load, os.getloadavg()[0])
        full = watch(Camera.model_validate(settings | {"pace": "fast", "detector_every": 1}))
    rate = slowest(own.arrived)
    late = [
        arrived - own.arrived[0] - (captured - own.captured[0]) / 1e6
        for arrived, captured in zip(own.arrived, own.captured, strict=True)
    ]
    holds = rate >= GOAL and error(own.counts) <= error(full.counts)
    return {
        "name": "fused",
        "ratio": round(rate / GOAL, 4),
        "goal_frames_per_s": GOAL,
        "holds": bool(holds),
        "frames_per_s": round(rate, 2),
        "frames_per_s_overall": round(
            (len(own.arrived) - 1) / (own.arrived[-1] - own.arrived[0]), 2
        ),
        "played_frames_per_s": arguments.rate,
        "latest_s": round(max(late), 3),
        "counts": own.counts,
        "counts_at_full_rate": full.counts,
        "counted_by_eye": TRUE,
        "requests": own.requests,
        "requests_at_full_rate": full.requests,
        "every": own.every,
        "request_ms": round(own.request_ms, 1),
        "core_ms_per_frame": round(1e3 * own.core / (len(own.arrived) - 1), 2),
        "core_ms_per_frame_at_full_rate": round(1e3 * full.core / (len(full.arrived) - 1), 2),
        "load": round(load, 1),
        "detector": arguments.detector.name,
        "threads": arguments.threads,
        "machine": machine(),
    }


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, default=DATA / "video" / "highway_320x240.avi")
    parser.add_argument("--detector", type=Path, default=DATA / "models" / "yolox_nano_coco.onnx")
    parser.add_argument("--rate", type=int, default=15, choices=(12, 15, 20, 30), help="frames/s")
    parser.add_argument("--threads", type=int, default=1)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
