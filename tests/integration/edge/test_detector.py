"""The detector of a real agent: its schedule and its failure, as the platform hears of them."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest

# Finds nothing, and fails in the middle of a run where a picture has a white pixel in it.
DAZZLED = """<ir_version: 8, opset_import: ["": 17]>
dazzled (float[1,3,64,96] images) => (float[1,84,126] output) {
    shape = Constant<value_ints=[1, 84, 126]>() nothing = ConstantOfShape(shape)
    brightest = ReduceMax<keepdims=0>(images)
    more = Constant<value_float=1.01>() grown = Mul(brightest, more)
    whole = Floor(grown) index = Cast<to=7>(whole)
    list = Constant<value_floats=[0.0]>() item = Gather(list, index)
    output = Add(nothing, item)
}"""
FRAMES, DAZZLING, RATE = 60, 40, 10


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Six seconds of a noisy street; after four of them a white van comes."""
    path = tmp_path / "street.nut"
    rng = np.random.default_rng(1)
    still = rng.integers(0, 200, (96, 128, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for n in range(FRAMES):
            image = still + rng.integers(0, 5, still.shape, np.uint8)
            if n >= DAZZLING:
                image[20:80, 20:100] = 255
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "dazzled.onnx"
    onnx.save(onnx.parser.parse_model(DAZZLED), path)
    return path


def test_the_schedule_is_published_and_so_is_a_failure(
    platform: Any, run_agent: Any, recording: Path, model: Path
) -> None:
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    agent = run_agent(
        "--until-done",
        camera__source=str(recording),
        camera__pace="fast",
        camera__detector=str(model),
        camera__detector_sha256=sha256,
        camera__detector_every="2",
    )
    assert agent.wait() == 0, agent.log
    assert sum(platform.values("camera.frames")) == FRAMES, "motion went on to the end"
    (ready,), (lost,) = platform.events("detector.ready"), platform.events("detector.lost")
    assert lost["t"] - ready["t"] == pytest.approx(DAZZLING * 1e6 / RATE, abs=1)
    rates = platform.values("camera.detector_rate")
    assert sum(rates) == DAZZLING / 2
    assert rates[-1] == 0, "it says every second that it does not work"
    assert all(0 < time < 1e4 for time in platform.values("camera.detector_ms"))
    assert agent.log.count("detector lost, motion goes on alone") == 1
    assert f"ready: sha256 {sha256}, asked every 2 frames" in agent.log


def test_a_file_that_is_no_model_costs_the_names_only(
    platform: Any, run_agent: Any, recording: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_text("not a model")
    agent = run_agent(
        "--until-done",
        camera__source=str(recording),
        camera__pace="fast",
        camera__detector=str(path),
    )
    assert agent.wait() == 0, agent.log
    assert sum(platform.values("camera.frames")) == FRAMES
    assert len(platform.events("detector.lost")) == 1
    assert "not a model that ONNX Runtime can load" in agent.log


def test_another_file_than_the_one_wanted_is_refused_at_the_start(
    run_agent: Any, recording: Path, model: Path
) -> None:
    agent = run_agent(
        camera__source=str(recording), camera__detector=str(model), camera__detector_sha256="0" * 64
    )
    assert agent.wait() == 2
    found = hashlib.sha256(model.read_bytes()).hexdigest()
    assert f"camera.detector_sha256 is '{'0' * 64}': '{model}' has {found}; put the" in agent.log
