"""`tepna edge verify` on rendered clips, and on the beginnings of real ones."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edge.cli import app

TRUTHS = Path(__file__).parents[2] / "data"
WIDTH, HEIGHT, RATE = 320, 192, 10
SETTLE = 20  # frames of an empty road, for the background
STEP = 8  # px a frame; 10 px are 1 m, so 8 m/s
CROSSES = [SETTLE + 10, SETTLE + 55]  # when the front passes x = 160
CONFIG = """
device: usti-belehradska/cam-1
uplink:
  url: mqtt://broker
camera:
  source: elsewhere.avi
  anchor: centre
  calibration: [[0, 0, 0, 0], [1, 0, 32, 0], [0, 1, 0, -19.2], [1, 1, 32, -19.2]]
"""


def verify(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)], env={"COLUMNS": "200"})


def document(*arguments: Any) -> dict[str, Any]:
    result = verify(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seen from above, two cars drive to the right, one after the other."""
    path = tmp_path_factory.mktemp("clip") / "street.nut"
    rng = np.random.default_rng(1)
    road = rng.integers(90, 130, (HEIGHT, WIDTH, 1)).repeat(3, 2).astype(float)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(SETTLE + 90):
            picture = road + rng.normal(0, 3, road.shape)
            for crosses in CROSSES:
                front = 160 + 22 + STEP * (number - crosses)
                picture[80:98, max(front - 45, 0) : max(front, 0)] = (30, 40, 200)
            image = picture.clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cam-1.yaml"
    path.write_text(CONFIG)
    return path


def write(folder: Path, **rows: list[dict[str, Any]]) -> Path:
    path = folder / "truth.json"
    line = {"id": "gate", "a": [0.5, 1], "b": [0.5, 0]}
    path.write_text(json.dumps({"lines": [line], **rows}))
    return path


def passage(frame: float, **keys: Any) -> dict[str, Any]:
    return {"line": "gate", "direction": "in", "frame": frame, **keys}


def test_counts_classes_and_speeds_of_a_rendered_street(
    clip: Path, config: Path, tmp_path: Path
) -> None:
    rows = [passage(frame, speed_km_h=28.8, **{"class": "car"}) for frame in CROSSES]
    found = document(clip, write(tmp_path, passages=rows), "--config", config)
    assert (found["count_error"], found["matched"]) == (0, 2)
    assert (found["precision"], found["recall"]) == (1.0, 1.0)
    assert found["speed"]["pairs"] == 2
    assert found["speed"]["mean_absolute_error_km_h"] < 2
    assert found["gates"][0]["true_by_class"] == {"car": 2}
    out = found["gates"][1]
    assert (out["true"], out["counted"], out["precision"]) == (0, 0, None)


def test_right_totals_of_wrong_passages(clip: Path, tmp_path: Path) -> None:
    by_time = {"line": "gate", "direction": "in", "time_s": CROSSES[1] / RATE + 3}
    truth = write(tmp_path, passages=[passage(CROSSES[0]), by_time])
    found = document(clip, truth)
    assert (found["count_error"], found["matched"]) == (0, 1)
    assert (found["precision"], found["recall"]) == (0.5, 0.5)
    assert document(clip, truth, "--tolerance", 5)["matched"] == 2


def test_too_many_and_too_few_and_the_exit_code(clip: Path, tmp_path: Path) -> None:
    totals = [
        {"line": "gate", "direction": way, "count": count} for way, count in (("in", 1), ("out", 1))
    ]
    truth = write(tmp_path, totals=totals)
    result = verify(clip, truth, "--max-count-error", 2)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    unknown = ["unknown"] * 4
    assert ["gate", "in", "1", "2", "+1", *unknown] in rows
    assert ["gate", "out", "1", "0", "-1", *unknown] in rows
    assert ["all", "2", "2", "2", *unknown] in rows
    assert "speed error is unknown: the truth has no speeds" in result.stdout
    result = verify(clip, truth, "--max-count-error", 1)
    assert result.exit_code == 1
    assert "count error 2: at most 1 are allowed" in result.stderr


def test_boxes_without_a_line_have_no_count_error(clip: Path, tmp_path: Path) -> None:
    truth = tmp_path / "gt.txt"
    truth.write_text("1,1,1,1,10,10,1,-1,-1,-1\n")
    result = verify(clip, truth, "--max-count-error", 1)
    assert result.exit_code == 2
    assert "passages are unknown: there is no line; give --config" in result.stdout
    assert "--max-count-error: the count error is unknown" in result.stderr


def test_what_cannot_be_used_ends_with_two(clip: Path, config: Path, tmp_path: Path) -> None:
    truth = write(tmp_path, passages=[passage(5), passage(4000)])
    late = tmp_path / "gt.txt"
    late.write_text("1,1,1,1,10,10,1\n4000,1,1,1,10,10,1\n")
    (tmp_path / "blind.yaml").write_text(CONFIG.partition("camera:")[0])
    for arguments, said in [
        ((clip, truth), "truth.json: passages.1.frame is 4000: the clip's last is 109"),
        ((clip, late), "gt.txt:2: frame 4000: the clip has 110"),
        ((clip, tmp_path / "none.toml"), "none.toml: cannot be read"),
        ((tmp_path / "none.avi", truth), "none.avi: no such file"),
        ((config, truth), "cam-1.yaml cannot be opened"),
        ((clip, truth, "--model", config), "cam-1.yaml': not a model"),
        ((clip, truth, "--config", tmp_path / "none.yaml"), "none.yaml: cannot be read"),
        ((clip, truth, "--config", tmp_path / "blind.yaml"), "blind.yaml: camera is not set"),
    ]:
        result = verify(*arguments)
        assert result.exit_code == 2, arguments
        assert said in result.stderr
        assert result.stdout == ""


def beginning(source: Path, target: Path, frames: int) -> Path:
    """Copy the first frames of a recording, as they are."""
    with av.open(str(source)) as given, av.open(str(target), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(given.streams.video[0])):
            if number == frames or packet.dts is None:
                break
            packet.stream = stream
            taken.mux(packet)
    return target


def test_the_first_vehicles_on_a_highway(shared_data: Path, tmp_path: Path) -> None:
    """Front edges pass the line in the frames that were noted by eye."""
    clip = beginning(shared_data / "video" / "highway_320x240.avi", tmp_path / "a.avi", 400)
    lines = (TRUTHS / "highway_320x240.toml").read_text().splitlines()
    truth = tmp_path / "truth.toml"
    kept = [line for line in lines if "frame =" not in line or int(line.split()[-2]) < 390]
    truth.write_text("\n".join(kept))
    found = document(clip, truth)
    assert found["true"] == 4
    assert found["count_error"] <= 1
    assert found["recall"] >= 0.75


def test_the_first_pedestrians_as_boxes(shared_data: Path, config: Path, tmp_path: Path) -> None:
    clip = beginning(shared_data / "video" / "pets09_s2l1.avi", tmp_path / "a.avi", 200)
    boxes = (shared_data / "tracks" / "pets09" / "gt.txt").read_text().splitlines(keepends=True)
    truth = tmp_path / "gt.txt"
    truth.write_text("".join(row for row in boxes if int(row.partition(",")[0]) <= 200))
    config.write_text(
        CONFIG.partition("anchor")[0] + "lines: [{id: x, a: [0.5, 1], b: [0.5, 0]}]\n"
    )
    found = document(clip, truth, "--config", config)
    assert found["true"] == 5
    assert found["count_error"] <= 1
    assert found["recall"] >= 0.75
    boxes = found["boxes"]
    # a floor: motion alone boxes the shadow, too, and two who walk together at once
    assert min(boxes["precision"], boxes["recall"]) > 0.5
    assert 0.4 < boxes["track_recall"] <= boxes["recall"]


def test_a_clip_that_breaks_off_says_so(clip: Path, tmp_path: Path) -> None:
    """What comes after its last picture is not seen, which is not nobody."""
    whole, half = beginning(clip, tmp_path / "whole.mkv", 200), tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    truth = write(tmp_path, totals=[{"line": "gate", "direction": "in", "count": 1}])
    assert not any("whole" in note for note in document(whole, truth)["notes"])
    notes = document(half, truth)["notes"]
    assert any("lasts 11.0 s, its last picture is at 4." in note for note in notes), notes


def test_vehicles_that_are_annotated_are_judged(clip: Path, config: Path, tmp_path: Path) -> None:
    """Sizes on the ground tell that they are cars; half of the clip is annotated."""
    truth = tmp_path / "gt.txt"
    rows = [(n, 160 + 22 + STEP * (n - CROSSES[0])) for n in range(SETTLE, SETTLE + 30)]
    boxes = [f"{n + 1},1,{max(right - 45, 0) + 1},81,{min(right, 45)},18,1" for n, right in rows]
    found = {}
    for kind in ("3", "1"):
        truth.write_text("".join(f"{box},{kind},1\n" for box in boxes))
        found[kind] = document(clip, truth, "--config", config)
    assert found["3"]["boxes"]["recall"] > 0.6
    assert found["1"]["boxes"]["recall"] < 0.5
    assert any("annotated are pedestrian" in note for note in found["1"]["notes"])
    for one in found.values():
        assert any("annotated are frames up to 50 of 110" in note for note in one["notes"])


def test_a_folder_of_pictures_is_a_clip(clip: Path, config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "img1"
    folder.mkdir()
    with av.open(str(clip)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size:
                (folder / f"{number + 1:06d}.jpg").write_bytes(bytes(packet))
    config.write_text(f"{CONFIG}  pictures_per_s: {RATE}\n")
    truth = write(tmp_path, passages=[passage(frame) for frame in CROSSES])
    found = document(folder, truth, "--config", config)
    assert (found["frames"], found["count_error"], found["matched"]) == (110, 0, 2)
