"""Tracker: processor time for a frame with 100 road users, and how well it follows real ones.

Ours gets the boxes of 100 road users on a street; the baseline overlaps the same boxes with those
of the frame before and assigns them at the least cost, which no tracker of boxes can leave out.
Both alternate; medians of processor time are compared.

Beside it both ours and, where the packages `trackers` and `motmetrics` are installed, ByteTrack
follow the annotated pedestrians of PETS09-S2L1, their boxes made as bad as a detector's by a fixed
seed: jitter, misses, false boxes and scores. What each *shows* is scored: ours shows somebody who
is hidden for half a second more, as the agent does; ByteTrack shows who was detected. `seen_only`
scores ours without those. Neither package is a dependency: install both into an environment of
their own.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.machine import machine
from contracts.classes import RoadUser
from edge.verify.scoring import LEAST_IOU, Boxed, best_pairs, score_boxes
from edge.vision.boxes import iou
from edge.vision.detections import Detections
from edge.vision.frames import Boxes, Floats
from edge.vision.pipeline import shown
from edge.vision.tracker import Tracker

GOAL = 1.5  # [ms]
TRUTH = Path(__file__).parents[2] / "shared" / "data" / "tracks" / "pets09" / "gt.txt"
WIDTH, HEIGHT, RATE = 768, 576, 7.0
MISSED: Final = 0.1
FALSE: Final = 0.5  # boxes in a frame
JITTER: Final = 0.05  # of the box's own sides
SEEDS: Final = (1, 2, 3, 4, 5)


class Scores(NamedTuple):
    """Multi-object tracking accuracy, identity F1 and how often a road user changed its number."""

    mota: float
    idf1: float
    switches: int


def annotated(path: Path) -> Boxed:
    """Boxes of a file of MOTChallenge."""
    rows = np.loadtxt(path, delimiter=",")
    boxes = np.hstack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
    return Boxed(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), boxes).ordered()


def degraded(true: Boxed, seed: int) -> list[Detections]:
    """Make them what a middling detector would have seen, frame by frame."""
    random = np.random.default_rng(seed)
    sides = true.box[:, 2:] - true.box[:, :2]
    frames = []
    for frame in range(1, int(true.frame.max()) + 1):
        rows = np.flatnonzero(true.frame == frame)
        rows = rows[random.random(len(rows)) >= MISSED]
        middle = (true.box[rows, :2] + true.box[rows, 2:]) / 2
        middle += random.normal(0, JITTER, middle.shape) * sides[rows]
        side = sides[rows] * np.exp(random.normal(0, JITTER, middle.shape))
        invented = random.poisson(FALSE)
        middle = np.vstack((middle, random.random((invented, 2)) * [WIDTH, HEIGHT]))
        side = np.vstack((side, sides[random.integers(0, len(sides), invented)]))
        score = np.r_[random.normal(0.75, 0.15, len(rows)), random.normal(0.4, 0.2, invented)]
        kind = np.full(len(side), RoadUser.PEDESTRIAN, np.uint8)
        boxes = np.hstack((middle - side / 2, middle + side / 2))
        frames.append(Detections.of(boxes, score.clip(0.1, 1.0), kind))
    return frames


def ours(frames: Iterable[Detections], *, seen_only: bool = False) -> Boxed:
    """Whom our tracker shows."""
    tracker = Tracker(WIDTH, HEIGHT)
    found = []
    for number, detections in enumerate(frames, 1):
        captured = round(number / RATE * 1e6)
        tracker.predict(captured)
        tracks = tracker.update(detections)
        rows = shown(tracks, captured, WIDTH, HEIGHT)
        if seen_only:
            rows = rows[tracks.seen[rows] == captured]
        found.append((number, tracks.id[rows], tracks.boxes[rows]))
    return _boxed(found)


def byte_track(frames: Iterable[Detections]) -> Boxed:
    """Whom ByteTrack shows, as its authors set it up."""
    tracker = importlib.import_module("trackers").ByteTrackTracker(frame_rate=RATE)
    make = importlib.import_module("supervision").Detections
    found = []
    for number, detections in enumerate(frames, 1):
        seen = make(xyxy=detections.boxes.astype(np.float32), confidence=detections.score)
        tracks = tracker.update(seen)
        sure = tracks.tracker_id >= 0
        found.append((number, tracks.tracker_id[sure], tracks.xyxy[sure].astype(float)))
    return _boxed(found)


def _boxed(found: Sequence[tuple[int, Any, Boxes]]) -> Boxed:
    frames, ids, boxes = zip(*found, strict=True)
    frame = np.repeat(frames, [len(one) for one in ids])
    return Boxed(frame, np.concatenate(ids).astype(np.int64), np.concatenate(boxes))


def score(true: Boxed, found: Boxed) -> Scores:
    """MOTA by the CLEAR definitions [1]_ and IDF1.

    References
    ----------
    .. [1] K. Bernardin, R. Stiefelhagen, "Evaluating multiple object tracking performance: the
       CLEAR MOT metrics," EURASIP Journal on Image and Video Processing, 2008.
    """
    last: dict[int, int] = {}  # track that each annotated road user was last
    matched = switches = 0
    for frame in np.unique(true.frame):
        t, f = true.pick(true.frame == frame), found.pick(found.frame == frame)
        alike = iou(t.box, f.box)
        cost = np.where(alike >= LEAST_IOU, 1 - alike, np.inf)
        before = np.array([last.get(who, -1) for who in t.id.tolist()])
        goes_on = (before[:, None] == f.id[None, :]) & np.isfinite(cost)
        kept_row, kept_column = np.nonzero(goes_on)  # whoever still fits its track keeps it
        cost[kept_row], cost[:, kept_column] = np.inf, np.inf
        cost[kept_row, kept_column] = 0.0
        pairs = best_pairs(cost)
        matched += len(pairs.true)
        was = before[pairs.true]
        switches += int(np.count_nonzero((was >= 0) & (was != f.id[pairs.found])))
        last |= dict(zip(t.id[pairs.true].tolist(), f.id[pairs.found].tolist(), strict=True))
    n, m = len(true.frame), len(found.frame)
    boxes = score_boxes(true, found, true.pick(np.zeros(0, np.int64)))
    idf1 = 2 * boxes.track_recall * n / (n + m)
    return Scores(1 - ((n - matched) + (m - matched) + switches) / n, idf1, switches)


def score_by_motmetrics(true: Boxed, found: Boxed) -> Scores:
    """Score the same by the package that others score by."""
    motmetrics = importlib.import_module("motmetrics")
    accumulated = motmetrics.MOTAccumulator(auto_id=True)
    for frame in np.unique(true.frame):
        t, f = true.pick(true.frame == frame), found.pick(found.frame == frame)
        alike = iou(t.box, f.box)
        apart = np.where(alike >= LEAST_IOU, 1 - alike, np.nan)
        accumulated.update(t.id.tolist(), f.id.tolist(), apart)
    names = ["mota", "idf1", "num_switches"]
    (row,) = motmetrics.metrics.create().compute(accumulated, metrics=names).to_numpy()
    return Scores(float(row[0]), float(row[1]), int(row[2]))


def street(objects: int, frames: int) -> list[Detections]:
    """Road users of a street, each on a lane of its own, as a detector sees them."""
    random = np.random.default_rng(1)
    start = random.uniform([0, 0], [1700, 1000], (objects, 2))
    speed = random.normal(0, 6, (objects, 2))
    side = random.uniform(20, 60, (objects, 2))
    kind = np.full(objects, RoadUser.CAR, np.uint8)
    found = []
    for number in range(frames):
        low = start + number * speed + random.normal(0, 1, start.shape)
        low %= [1800, 1020]
        found.append(Detections.of(np.hstack((low, low + side)), np.full(objects, 0.9), kind))
    return found


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


def cost(objects: int, frames: int) -> tuple[Floats, Floats]:
    """Milliseconds of each frame: ours, and the assignment that no tracker can leave out."""
    tracker, spent = Tracker(1920, 1080), []
    seen = street(objects, frames)
    for number, (before, now) in enumerate(pairwise(seen), 1):

        def follow(number: int = number, now: Detections = now) -> None:
            tracker.predict(number * 100_000)
            tracker.update(now)

        def assign(before: Detections = before, now: Detections = now) -> None:
            linear_sum_assignment(-iou(before.boxes, now.boxes))

        spent.append((milliseconds(follow), milliseconds(assign)))
    return np.array(spent[frames // 5 :]).T[0], np.array(spent[frames // 5 :]).T[1]


def comparison(truth: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Scores of each tracker, a list over the seeds."""
    followers: dict[str, Callable[[list[Detections]], Boxed]] = {
        "ours": ours,
        "ours_seen_only": lambda frames: ours(frames, seen_only=True),
    }
    installed = all(map(find_spec, ("trackers", "motmetrics")))
    if installed:
        followers["byte_track"] = byte_track
    judge = score_by_motmetrics if installed else score
    true = annotated(truth)
    scores = {
        name: [judge(true, follow(degraded(true, seed))) for seed in seeds]
        for name, follow in followers.items()
    }
    table: dict[str, Any] = {
        f"{name}_{field}": [round(getattr(one, field), 4) for one in of_seeds]
        for name, of_seeds in scores.items()
        for field in Scores._fields
    }
    return table | {"scored_by": "motmetrics" if installed else "this benchmark"}


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, default=TRUTH)
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()
    tracker, baseline = map(statistics.median, cost(arguments.objects, arguments.frames))
    result = {
        "name": "tracker",
        "ratio": round(baseline / tracker, 4),
        "goal_ms_per_frame": GOAL,
        "holds": bool(tracker <= GOAL),
        "ms_per_frame": round(tracker, 3),
        "baseline": "overlap and assignment of the same boxes alone",
        "baseline_ms_per_frame": round(baseline, 3),
        "objects": arguments.objects,
        "frames": arguments.frames,
        "machine": machine(),
    }
    if arguments.truth.exists():
        result |= {"seeds": list(SEEDS)} | comparison(arguments.truth, SEEDS)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
