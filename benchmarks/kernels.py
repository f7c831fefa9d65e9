"""Box TTC, pair-steps a second of processor time, against the TTC of circles, which asks far less.

Both work on the same pairs and alternate; the medians are compared. `ratio` is box by circle.
"""

import argparse
import json
import statistics
import time

import numpy as np

from analytics.kernels.arrays import Floats
from analytics.kernels.boxes import Boxes, time_to_collision
from benchmarks.machine import machine

GOAL = 0.2


def circle_ttc(a: Boxes, b: Boxes) -> Floats:
    """Time [s] until two circles that hold the boxes touch; inf when they never will."""
    x, y, vx, vy = b.x - a.x, b.y - a.y, b.vx - a.vx, b.vy - a.vy
    reach = np.hypot(a.length, a.width) / 2 + np.hypot(b.length, b.width) / 2
    speed2, along, gap2 = vx * vx + vy * vy, x * vx + y * vy, x * x + y * y - reach * reach
    root = along * along - speed2 * gap2
    with np.errstate(invalid="ignore", divide="ignore"):
        time_left = (-along - np.sqrt(root)) / speed2
    return np.where(gap2 <= 0, 0.0, np.where((root >= 0) & (along < 0), time_left, np.inf))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    random = np.random.default_rng(1)
    low, high = (-40, -40, -15, -15, -3.1, 0.5, 0.5), (40, 40, 15, 15, 3.1, 12, 3)
    a, b = (
        Boxes(*(random.uniform(x, y, arguments.pairs) for x, y in zip(low, high, strict=True)))
        for _ in range(2)
    )
    rates: dict[str, list[float]] = {"box": [], "circle": []}
    for _ in range(arguments.rounds):
        for name, kernel in (("box", time_to_collision), ("circle", circle_ttc)):
            begin = time.process_time()
            kernel(a, b)
            rates[name].append(arguments.pairs / (time.process_time() - begin))
    box, circle = (statistics.median(rates[name]) for name in ("box", "circle"))
    figures = {
        "name": "kernels",
        "ratio": round(box / circle, 3),
        "goal": GOAL,
        "holds": box / circle >= GOAL,
        "box_ttc_mega_pair_steps_per_s": round(box / 1e6, 2),
        "baseline_circle_ttc_mega_pair_steps_per_s": round(circle / 1e6, 2),
        "pairs": arguments.pairs,
        "machine": machine(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
