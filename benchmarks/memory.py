"""Memory: what one camera's agent and its camera process take, and whether that grows.

The real agent watches a recording that begins anew for ever, at real time, and sends what it sees
over a real broker to a real ingest. Memory is the proportional set size, so that libraries which
both processes map count once: run it while nothing else runs from the same installation, as what a
third process maps too counts for less. The slope is the least-squares line through the samples
after the warm-up, its standard error widened for samples that are not independent of each other.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import psutil

from benchmarks.edge import GIVEN, HEIGHT, WIDTH, as_street_camera
from benchmarks.machine import machine
from benchmarks.street import ingest, street
from edge.vision.frames import Floats

GOAL_MB, GOAL_FUSED_MB = 150, 350
TIMES: Final = 10_000
"""How often the recording is repeated: for more than a week."""
WARM_UP: Final = 0.1
"""Share of the time that is not counted for the slope."""


class Slope(NamedTuple):
    """Growth of a series, and how sure that is."""

    per_hour: float
    standard_error: float


def repeated(recording: Path, folder: Path) -> Path:
    """List a recording so often that it does not end, as FFmpeg reads it."""
    (folder / "part.mp4").symlink_to(recording)
    made = folder / "street.ffconcat"
    made.write_text("ffconcat version 1.0\n" + "file part.mp4\n" * TIMES, encoding="utf-8")
    return made


def proportional_mb(process: psutil.Process) -> float:
    """Proportional set size of a process. [MB]."""
    return float(process.memory_full_info().pss) / 1e6


def slope(hours: Floats, values: Floats) -> Slope:
    """Fit a line; neighbours' errors are alike, so their number counts for less (AR(1))."""
    centred = hours - hours.mean()
    per_hour = float(centred @ values / (centred @ centred))
    left = values - values.mean() - per_hour * centred
    alike = float(np.clip(left[1:] @ left[:-1] / max(left @ left, 1e-12), 0, 0.99))
    variance = left @ left / (len(values) - 2) / (centred @ centred)
    return Slope(per_hour, float(np.sqrt(variance * (1 + alike) / (1 - alike))))


def watch(agent: psutil.Process, seconds: float, every: float) -> Floats:
    """Sample (n, 3): time since the first [h], memory of the agent and of its camera. [MB]."""
    samples = []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        children = agent.children()
        if len(children) == 1:
            row = (passed / 3600, proportional_mb(agent), proportional_mb(children[0]))
            samples.append(row)
        time.sleep(every)
    return np.array(samples).reshape(-1, 3)


def configuration(source: Path, detector: Path | None, folder: Path) -> Path:
    """Write the configuration of an agent with one camera and one line."""
    lines = [
        "device: benchmark/device-0",
        "camera:",
        f"  source: {source}",
        "  lines: [{id: line, a: [0, 0.5], b: [1, 0.5]}]",
    ]
    if detector:
        lines.append(f"  detector: {detector.resolve()}")
    config = folder / "agent.yaml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config


def measure(recording: Path, detector: Path | None, hours: float, every: float) -> Floats:
    """Run the agent for so long; give its samples."""
    with TemporaryDirectory(prefix="tepna-bench-") as name, street(1) as where, ingest(where):
        folder = Path(name)
        source = repeated(as_street_camera(recording), folder)
        config = configuration(source, detector, folder)
        url = where.devices["benchmark/device-0"]
        command = [str(Path(sys.executable).with_name("tepna")), "edge", "run", str(config)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  # our own command
                [*command, "--set", f"uplink.url={url}"], stderr=log
            )
            try:
                samples = watch(psutil.Process(process.pid), hours * 3600, every)
            finally:
                process.terminate()
                process.wait(60)
        if len(samples) < 10:  # noqa: PLR2004
            raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
        return samples


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, default=GIVEN / "pets09_s2l1.avi")
    parser.add_argument("--detector", type=Path, help="ONNX file; motion only without")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--every", type=float, default=5.0, help="time between samples [s]")
    given = parser.parse_args(arguments)
    samples = measure(given.recording.resolve(), given.detector, given.hours, given.every)
    settled = samples[samples[:, 0] >= WARM_UP * given.hours]
    both = settled[:, 1:].sum(axis=1)
    grows = slope(settled[:, 0], both)
    goal = GOAL_FUSED_MB if given.detector else GOAL_MB
    peak = float(samples[:, 1:].sum(axis=1).max())
    result = {
        "name": "memory",
        "peak_mb": round(peak, 1),
        "goal_mb": goal,
        "holds": bool(peak <= goal),
        "median_mb": round(float(np.median(both)), 1),
        "agent_mb": round(float(np.median(settled[:, 1])), 1),
        "camera_mb": round(float(np.median(settled[:, 2])), 1),
        "slope_mb_per_h": round(grows.per_hour, 3),
        "slope_standard_error": round(grows.standard_error, 3),
        "hours": given.hours,
        "samples": len(samples),
        "memory": "proportional set size of agent and camera process",
        "picture": f"{WIDTH}x{HEIGHT} H.264 at the recording's own rate",
        "detector": given.detector.name if given.detector else "none: motion only",
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
