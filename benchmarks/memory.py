"""Memory: what one camera's agent and its camera process take, and whether that grows.

The real agent watches a recording that begins anew for ever, at real time, and sends what it sees
over a real broker to a real ingest. Of each process counts what belongs to no file; of files, which
are libraries almost all, what is resident in the process that has more of it, as both share those
pages. Neither depends on what other processes map, as a proportional set size does. A further
camera on the same box is a further agent and camera process, and shares the libraries, too. The
slope is the least-squares line through the samples after the warm-up, its standard error widened
for samples that are not independent of each other.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import psutil

from benchmarks.edge import GIVEN, HEIGHT, WIDTH, as_street_camera
from benchmarks.machine import machine
from benchmarks.street import Street, ingest, street, until
from edge.vision.frames import Floats

GOAL_MB, GOAL_FUSED_MB = 150, 350
TIMES: Final = 1_000
"""How often the recording is repeated: for more than a day; FFmpeg keeps 0.3 kB for each."""
WARM_UP: Final = 0.1
"""Share of the time that is not counted for the slope."""
PARTS: Final = ("agent", "camera", "libraries")
"""What memory is told of, in this order."""


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


def parts_mb(agent: psutil.Process, camera: psutil.Process) -> list[float]:
    """Memory of each of `PARTS`. [MB]."""
    own, files = [], Counter[str]()
    for process in (agent, camera):
        maps = process.memory_maps(grouped=True)
        own.append(sum(part.anonymous for part in maps))
        files |= Counter({part.path: part.rss - part.anonymous for part in maps})
    return [size / 1e6 for size in (*own, files.total())]


def slope(hours: Floats, values: Floats) -> Slope:
    """Fit a line; neighbours' errors are alike, so their number counts for less (AR(1))."""
    centred = hours - hours.mean()
    per_hour = float(centred @ values / (centred @ centred))
    left = values - values.mean() - per_hour * centred
    alike = float(np.clip(left[1:] @ left[:-1] / max(left @ left, 1e-12), 0, 0.99))
    variance = left @ left / (len(values) - 2) / (centred @ centred)
    return Slope(per_hour, float(np.sqrt(variance * (1 + alike) / (1 - alike))))


def watch(agent: psutil.Process, seconds: float, every: float) -> Floats:
    """Sample (n, 4): time since the first [h], memory of each of `PARTS`. [MB]."""
    samples = []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        children = agent.children()
        if len(children) == 1:
            samples.append((passed / 3600, *parts_mb(agent, children[0])))
        time.sleep(every)
    return np.array(samples).reshape(-1, 1 + len(PARTS))


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


@contextmanager
def running(config: Path, where: Street, log: Path) -> Iterator[psutil.Process]:
    """Run the agent of a configuration; its modules are compiled once, as an installer does it."""
    environment = {
        **os.environ,
        "TEPNA_MQTT_URL": where.devices["benchmark/device-0"],
        "PYTHONPYCACHEPREFIX": str(config.parent / "compiled"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    command = [str(Path(sys.executable).with_name("tepna")), "edge", "run", str(config)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, stderr=said)  # noqa: S603  # ours
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


def measure(recording: Path, detector: Path | None, hours: float, every: float) -> Floats:
    """Run the agent for so long; give its samples."""
    with TemporaryDirectory(prefix="tepna-bench-") as name, street(1) as where, ingest(where):
        folder = Path(name)
        source = repeated(as_street_camera(recording), folder)
        config = configuration(source, detector, folder)
        log = folder / "log"
        with running(config, where, log):  # compiles what it imports
            until("the camera's first frame", lambda: b"is seen" in log.read_bytes(), wait=1)
        with running(config, where, log) as agent:
            samples = watch(agent, hours * 3600, every)
        if len(samples) < 10:  # noqa: PLR2004
            raise RuntimeError(log.read_text(encoding="utf-8"))
        return samples


def told(hours: Floats, values: Floats) -> dict[str, float]:
    """Say how much a part takes, and how that grows."""
    grows = slope(hours, values)
    return {
        "median_mb": round(float(np.median(values)), 1),
        "slope_mb_per_h": round(grows.per_hour, 2),
        "slope_standard_error": round(grows.standard_error, 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, default=GIVEN / "pets09_s2l1.avi")
    parser.add_argument("--detector", type=Path, help="ONNX file; motion only without")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--every", type=float, default=10.0, help="time between samples [s]")
    given = parser.parse_args(arguments)
    samples = measure(given.recording.resolve(), given.detector, given.hours, given.every)
    settled = samples[samples[:, 0] >= WARM_UP * given.hours]
    hours, parts = settled[:, 0], settled[:, 1:]
    goal = GOAL_FUSED_MB if given.detector else GOAL_MB
    peak = float(samples[:, 1:].sum(axis=1).max())
    result = {
        "name": "memory",
        "peak_mb": round(peak, 1),
        "goal_mb": goal,
        "holds": bool(peak <= goal),
        **told(hours, parts.sum(axis=1)),
        "further_camera_mb": round(float(np.median(parts[:, :2].sum(axis=1))), 1),
        **{part: told(hours, values) for part, values in zip(PARTS, parts.T, strict=True)},
        "hours": given.hours,
        "samples": len(samples),
        "memory": "what is no file's, and files' resident pages once",
        "picture": f"{WIDTH}x{HEIGHT} H.264 at the recording's own rate",
        "detector": given.detector.name if given.detector else "none: motion only",
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
