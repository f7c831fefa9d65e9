"""Ten minutes of each simulated camera through the agent's own vision, against SUMO's truth."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from contracts.clock import MICROSECONDS
from edge.config import read_config
from edge.vision.counting import Crossing
from edge.vision.frames import Frame
from edge.vision.pipeline import Pipeline
from simulators.street import START, street_frames
from simulators.truth import Passage

PILOT = Path(__file__).parents[3] / "pilots" / "usti-belehradska"
SEED = 1
SECONDS = 600.0
TOGETHER = 2.0
"""Farthest that a count and the passage it stands for lie apart: half a bus at walking pace. [s]"""


class Run(NamedTuple):
    """What a camera counted, and what there was to count."""

    truth: list[Passage]
    counted: list[Crossing]

    def pairs(self) -> list[tuple[Passage, Crossing]]:
        """Each passage with the nearest count of its line and direction, each count once."""
        found = []
        for line, way in {(p.line, p.direction) for p in self.truth}:
            passages = [p for p in self.truth if (p.line, p.direction) == (line, way)]
            counts = [
                c
                for c in self.counted
                if (c.line, c.direction) == (line, "in" if way > 0 else "out")
            ]
            apart = np.array(
                [
                    [abs((c.captured - START) / MICROSECONDS - p.time) for c in counts]
                    for p in passages
                ]
            ).reshape(len(passages), len(counts))
            while apart.size and apart.min() <= TOGETHER:
                row, column = np.unravel_index(apart.argmin(), apart.shape)
                found.append((passages[row], counts[column]))
                apart[row], apart[:, column] = np.inf, np.inf
        return found

    def table(self) -> str:
        """Counts by line, for whoever has to find out why."""
        true = Counter(p.line for p in self.truth)
        seen = Counter(c.line for c in self.counted)
        paired = Counter(p.line for p, _ in self.pairs())
        rows = (f"{n}: {seen[n]} counted, {true[n]} true, {paired[n]} paired" for n in sorted(true))
        return "\n".join(rows)


def watch(camera: str) -> Run:
    """Run the configured agent's vision on the film of its camera."""
    config = read_config(
        PILOT / f"{camera}.yaml",
        environment={"TEPNA_MQTT_URL": "mqtt://127.0.0.1", "TEPNA_PICTURE_TOKEN": 16 * "x"},
    )
    assert config.camera is not None
    pipeline = Pipeline(config.camera.vision(640, 360), config.camera.vision)
    run = Run([], [])
    frames = street_frames(PILOT, camera, seed=SEED, seconds=SECONDS, truth=run.truth)
    for index, (image, captured) in enumerate(frames):
        run.counted.extend(pipeline.step(Frame(image, captured, index)).crossings)
    return run


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("camera", ["cam-1", "cam-2"])
def test_counts_and_speeds_hold_for_ten_minutes(camera: str) -> None:
    run = watch(camera)
    assert len(run.truth) > 100
    error = len(run.counted) / len(run.truth) - 1
    assert abs(error) <= 0.05, run.table()
    pairs = run.pairs()
    # Too many and too few must not make each other up.
    assert len(pairs) >= 0.85 * len(run.truth), run.table()
    wrong = np.array([count.speed - passage.speed for passage, count in pairs])
    measured = np.isfinite(wrong)
    assert measured.mean() > 0.9
    assert np.abs(wrong[measured]).mean() <= 1.5
