"""Edge: frames that the camera process works off, against frames that are only decoded.

Each recording is first made into what street cameras give, 1280x720 in H.264, once, in the user's
cache. The real camera process (decoding, motion, tracking, counting, its pipe to the agent) reads
it as fast as it can. The baseline decodes the same file on one thread, to the luma and chroma that
the decoder gives, and looks at nothing. Beside it stands what decoding takes when each frame is
made an image of blue, green and red, as most programs have it. All are counted per second of
processor time, not of the clock on the wall, so that what else runs on the machine matters little;
they take turns, and the fastest of several runs counts.
"""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from time import process_time
from typing import Any, Final

import av
import psutil

from benchmarks.machine import machine
from edge.camera import CameraWatch
from edge.configuration.camera import Camera
from edge.wire import Message, Seen

GOAL = 0.5
GOAL_FRAMES_PER_S = 40
WIDTH, HEIGHT = 1280, 720
FRAMES: Final = 800
"""Of a recording; what is longer is cut."""
ENCODERS: Final = ("libx264", "libopenh264")
GIVEN = Path(__file__).parents[2] / "shared" / "data" / "video"
RECORDINGS: Final = ("pets09_s2l1.avi", "highway_320x240.avi", "cars_overhead.mp4")


def cache() -> Path:
    """Folder of this user for what can be made again."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "tepna" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def as_street_camera(recording: Path) -> Path:
    """Make a recording into 1280x720 H.264, unless that has been done."""
    made = cache() / f"{recording.stem}-{recording.stat().st_size}-{HEIGHT}.mp4"
    if made.exists():
        return made
    encoder = next(name for name in ENCODERS if name in av.codecs_available)
    unfinished = made.with_suffix(f".{os.getpid()}.mp4")
    source: Any = av.open(str(recording))
    target: Any = av.open(str(unfinished), "w")
    with closing(source), closing(target):
        rate = source.streams.video[0].average_rate
        stream = target.add_stream(encoder, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, frame in zip(range(FRAMES), source.decode(video=0), strict=False):
            scaled = frame.reformat(WIDTH, HEIGHT, format="yuv420p")
            scaled.pts, scaled.time_base = number, 1 / Fraction(rate)
            target.mux(stream.encode(scaled))
        target.mux(stream.encode())
    return unfinished.replace(made)


def decoded_per_s(recording: Path, *, to_colours: bool = False) -> float:
    """Frames that are decoded and thrown away, in a second of processor time."""
    container: Any = av.open(str(recording))
    with closing(container):
        container.streams.video[0].codec_context.thread_count = 1
        frames = container.decode(video=0)
        next(frames)
        began = process_time()
        count = 0
        for frame in frames:
            if to_colours:
                frame.to_ndarray(format="bgr24")
            count += 1
    return count / (process_time() - began)


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


def measure(recording: Path, detector: Path | None, runs: int) -> dict[str, float]:
    """Frames/s of both, and their ratio."""
    made = as_street_camera(recording)
    camera = Camera.model_validate(
        {
            "source": str(made),
            "pace": "fast",
            "detector": detector,
            "drawn_on": (WIDTH, HEIGHT),
            "lines": [{"id": "line", "a": (0, 0.4 * HEIGHT), "b": (WIDTH, 0.4 * HEIGHT)}],
        }
    )
    decoded = coloured = seen = 0.0
    for _ in range(runs):
        decoded = max(decoded, decoded_per_s(made))
        coloured = max(coloured, decoded_per_s(made, to_colours=True))
        seen = max(seen, seen_per_s(camera))
    return {
        "ratio": round(seen / decoded, 4),
        "frames_per_s": round(seen, 1),
        "baseline_frames_per_s": round(decoded, 1),
        "ratio_to_images": round(seen / coloured, 4),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, action="append", help="instead of the given ones")
    parser.add_argument("--detector", type=Path, help="ONNX file; motion only without")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args(arguments)
    recordings = given.recording or [GIVEN / name for name in RECORDINGS]
    each = {
        recording.name: measure(recording.resolve(), given.detector, given.runs)
        for recording in recordings
    }
    ratio = min(one["ratio"] for one in each.values())
    slowest = min(one["frames_per_s"] for one in each.values())
    result = {
        "name": "edge",
        "ratio": ratio,
        "goal": GOAL,
        "frames_per_s": slowest,
        "goal_frames_per_s": GOAL_FRAMES_PER_S,
        "holds": bool(ratio >= GOAL and slowest >= GOAL_FRAMES_PER_S),
        "picture": f"{WIDTH}x{HEIGHT} H.264",
        "baseline": "the same file decoded to luma and chroma on one thread, nothing else",
        "recordings": each,
        "detector": given.detector.name if given.detector else "none: motion only",
        "runs": given.runs,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
