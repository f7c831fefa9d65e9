import json

import cv2
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from edge.cli import app
from edge.models.file import checksum


def call(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["model", "check", *map(str, arguments)])


@pytest.fixture
def picture(tmp_path):
    image = np.full((108, 192, 3), 90, np.uint8)
    image[30:70, 60:120] = (0, 0, 255)
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), image)
    return path


def test_it_says_what_the_file_is_and_what_it_finds(make_model, picture):
    model = make_model("YOLOv8, v9, v11, v12", metadata={"names": str(["dog", "bike", "taxi"])})
    result = call(model, "--picture", picture)
    assert result.exit_code == 0, result.output
    for text in (
        "red.onnx: YOLOv8, v9, v11, v12", "takes pictures of 96x64, float32, in the middle",
        "taxi   car", "bike   bicycle", "unused: dog", "threads  median ms  p95 ms",
        "red.png: 1 road users", "0.75    60   30    120      70",
    ):  # fmt: skip
        assert text in result.output


def test_weights_beside_it_are_named_and_counted(make_model):
    path = make_model("YOLOX")
    size = path.stat().st_size
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w")
    said = call(path).output
    assert "weights beside it: w" in said
    assert f"sha256 {checksum(path)} of all of these files" in said
    found = json.loads(call(path, "--json").stdout)
    assert found["weights"] == [str(path.with_name("w"))]
    assert found["bytes"] > 0.9 * size > 10 * path.stat().st_size


def test_it_says_the_same_to_programs(make_model, picture):
    model = make_model("RT-DETR, D-FINE (labels, boxes, scores)")
    result = call(model, "--picture", picture, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["input"] == {"width": 96, "height": 64, "type": "float32", "fit": "stretched"}
    assert found["classes_assumed"]
    assert found["classes"]["train"] == "tram"
    assert len(found["unused"]) == 73
    (car,) = found["found"]
    assert car["class"] == "car"
    assert car["box"] == pytest.approx([60, 30, 120, 70], abs=4)
    for speed, threads in zip(found["speed"], (1, 2), strict=True):
        assert speed["threads"] == threads
        assert 0 < speed["median_ms"] <= speed["p95_ms"]
        assert speed["per_s"] == pytest.approx(1e3 / speed["median_ms"])
    assert set(found["memory_mb"]) == {"rss", "pss"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("none.onnx", "No such file or directory"), ("red.png", "not a model that ONNX Runtime")],
)
def test_what_cannot_be_used_ends_with_two(picture, name, text):
    result = call(picture.with_name(name))
    assert result.exit_code == 2
    assert text in result.output


def test_a_picture_that_is_none_ends_with_two(make_model):
    model = make_model("YOLOX")
    result = call(model, "--picture", model)
    assert result.exit_code == 2
    assert "not a picture that can be read" in result.output


def test_check_of_a_configuration_looks_at_the_detector_too(make_model, tmp_path, shared_data):
    config = tmp_path / "cam.toml"
    config.write_text('device = "pilot/cam-1"\n[uplink]\nurl = "mqtt://127.0.0.1:1"\n')
    video = shared_data / "video" / "cars_overhead.mp4"
    model = make_model("YOLOX")
    flags = [f"--set=camera.source={video}", f"--set=camera.detector={model}"]
    good = CliRunner().invoke(app, ["check", str(config), *flags])
    assert good.exit_code == 0, good.output
    assert "detector YOLOX, 96x64, sha256 " in good.output
    assert "asked as often as 0.5 of a core allows" in good.output
    wrong = [*flags, f"--set=camera.detector_sha256={'0' * 64}"]
    bad = CliRunner().invoke(app, ["check", str(config), *wrong])
    assert bad.exit_code == 1
    assert "NO DETECTOR: camera.detector_sha256 is '000" in bad.output
