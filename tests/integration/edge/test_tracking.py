"""Tracks of annotated pedestrians against ByteTrack's on the same, badly detected, boxes."""

import numpy as np

from benchmarks.tracker import SEEDS, annotated, degraded, ours, score
from edge.verify.scoring import Boxed

# What `trackers` 2.6.1 reaches for each seed, scored by motmetrics 1.4.0: `benchmarks.tracker`.
BYTE_TRACK_MOTA = (0.8933, 0.8841, 0.8903, 0.8839, 0.8815)
BYTE_TRACK_IDF1 = (0.9437, 0.9385, 0.8917, 0.9384, 0.9264)


def test_what_is_shown_is_at_least_as_right_as_by_byte_track(shared_data):
    true = annotated(shared_data / "tracks" / "pets09" / "gt.txt")
    scores = [score(true, ours(degraded(true, seed))) for seed in SEEDS]
    assert all(one.mota >= mota for one, mota in zip(scores, BYTE_TRACK_MOTA, strict=True))
    assert np.mean([one.idf1 for one in scores]) >= np.mean(BYTE_TRACK_IDF1)


def test_truth_is_its_own_best_answer_and_a_swap_of_numbers_is_two_switches():
    frame, who = np.repeat(np.arange(1, 11), 2), np.tile([1, 2], 10)
    box = np.array([[0.0, 0, 10, 20], [50, 0, 60, 20]])[who - 1]
    true = Boxed(frame, who, box)
    assert score(true, true) == (1.0, 1.0, 0)
    swapped = true._replace(id=np.where(frame > 5, 3 - who, who))
    assert score(true, swapped) == (1 - 2 / 20, 0.5, 2)
