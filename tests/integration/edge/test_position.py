"""Places and speeds of real pedestrians against what was measured of them.

The ground is fitted from a few of the annotated feet; all others are judged by it.
"""

import json
from typing import NamedTuple

import av
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from typer.testing import CliRunner

from edge.calibration.fit import Pairs, calibrate
from edge.cli import app
from edge.vision.boxes import iou
from edge.vision.frames import Frame
from edge.vision.ground import away_from_camera
from edge.vision.pipeline import Pipeline, ground_of
from edge.vision.settings import VisionSettings

RATE = 7  # frames a second, truly
FITTED = 14
DEPTH = 0.5  # of a pedestrian [m]: the agent says where the middle is
WINDOW = 0.45  # to each side, over which a true speed is the slope [s]


class Matched(NamedTuple):
    """Boxes that are the annotated ones, n of them."""

    error: np.ndarray  # (n,) [m]
    velocity: np.ndarray  # (n, 2) measured minus true [m/s]
    speed_sd: np.ndarray  # (n,)


def truth(data):
    rows = np.loadtxt(data / "tracks" / "pets09" / "gt.txt", delimiter=",")
    foot = np.column_stack((rows[:, 2] + rows[:, 4] / 2, rows[:, 3] + rows[:, 5])) - 1
    return rows, foot


def spread(points, n):
    """Rows of n points as far from each other as can be."""
    chosen = [0]
    while len(chosen) < n:
        away = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1)
        chosen.append(int(away.argmax()))
    return np.array(chosen)


def marks(data):
    """Pairs from frames that are spread over the picture; whole feet only."""
    rows, foot = truth(data)
    whole = np.flatnonzero((foot[:, 0] > 20) & (foot[:, 0] < 748) & (foot[:, 1] < 570))
    rows, foot = rows[whole], foot[whole]
    use = spread(foot, FITTED)
    return Pairs(foot[use], rows[use, 7:9])


def matched(data, detector):
    pairs = marks(data)
    settings = VisionSettings(
        ground=[
            {"image": u, "ground": x} for u, x in zip(*map(np.ndarray.tolist, pairs), strict=True)
        ],
        detector=data / "models" / "yolox_nano_coco.onnx" if detector else None,
        detector_every=2,
    )
    ground = ground_of(settings, 768, 576)
    pipeline, rows = Pipeline(settings), truth(data)[0]
    speed = true_velocities(rows)
    found = []
    with av.open(str(data / "video" / "pets09_s2l1.avi")) as container:
        for number, picture in enumerate(container.decode(video=0)):
            image = picture.to_ndarray(format="bgr24")
            seen = pipeline.step(Frame(image, number * 1_000_000 // RATE, number))
            here = np.flatnonzero(rows[:, 0] == number + 1)
            corner = rows[here, 2:4] - 1
            alike = iou(seen.box.astype(float), np.hstack((corner, corner + rows[here, 4:6])))
            mine, theirs = linear_sum_assignment(-alike)
            good = alike[mine, theirs] >= 0.5
            mine, theirs = mine[good], here[theirs[good]]
            true = rows[theirs, 7:9]
            true = true + DEPTH / 2 * away_from_camera(ground, true)
            place = np.column_stack((seen.x, seen.y))[mine]
            velocity = np.column_stack((seen.vx, seen.vy))[mine]
            found.append(
                Matched(
                    np.hypot(*(place - true).T), velocity - speed[theirs],
                    seen.speed_sd[mine],
                )
            )  # fmt: skip
    return Matched(*(np.concatenate(column) for column in zip(*found, strict=True)))


def true_velocities(rows):
    """Velocities (n, 2) [m/s] of the annotated, nan where too few frames tell."""
    velocity = np.full((len(rows), 2), np.nan)
    for who in np.unique(rows[:, 1]):
        own = np.flatnonzero(rows[:, 1] == who)
        t = rows[own, 0] / RATE
        for row, now in zip(own, t, strict=True):
            near = own[np.abs(t - now) <= WINDOW]
            if len(near) >= 5:
                velocity[row] = np.polyfit(rows[near, 0] / RATE - now, rows[near, 7:9], 1)[0]
    return velocity


@pytest.mark.parametrize("detector", [False, True], ids=["motion", "fused"])
def test_places_of_pedestrians_and_the_standard_errors_of_their_speeds(shared_data, detector):
    """68 % of the errors of a normal distribution are smaller than its standard deviation."""
    found = matched(shared_data, detector)
    assert len(found.error) > 1200
    assert np.median(found.error) < 0.25
    assert np.percentile(found.error, 95) < 0.8
    ratio = np.abs(found.velocity / found.speed_sd[:, None])
    ratio = ratio[np.isfinite(ratio)]
    assert len(ratio) > 2000
    assert 0.58 < np.mean(ratio < 1) < 0.80
    assert np.mean(ratio < 2) > 0.85


def test_feet_make_a_ground_and_verify_says_how_good_it_is(shared_data, tmp_path):
    pairs = marks(shared_data)
    found = calibrate(pairs, (768, 576))
    assert np.nanmedian(found.left_out) < 0.1
    config = tmp_path / "cam-1.yaml"
    rows = np.hstack((pairs.image / (768, 576), pairs.ground)).tolist()
    config.write_text(
        "device: usti-belehradska/cam-1\nuplink: {url: mqtt://broker}\n"
        f"camera:\n  source: a.avi\n  calibration: {json.dumps(rows)}\n"
    )
    clip = shared_data / "video" / "pets09_s2l1.avi"
    result = CliRunner().invoke(
        app,
        [
            "verify", str(clip), str(shared_data / "tracks" / "pets09" / "gt.txt"),
            "--config", str(config), "--json",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    places = json.loads(result.stdout)["places"]
    assert places["pairs"] > 3000
    assert 0.05 < places["median_error_m"] < 0.3
    assert places["median_error_m"] < places["p95_error_m"] < 0.9
