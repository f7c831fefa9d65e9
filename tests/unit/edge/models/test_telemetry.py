"""ONNX Runtime keeps no diary of the box, and tells nobody."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def test_loading_a_detector_leaves_no_trace_in_the_users_home(
    tmp_path: Path, make_model: Callable[..., Path]
) -> None:
    model = make_model("YOLOX")
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    load = "import sys, pathlib; from edge.models.network import Network as N; "
    load += "N(pathlib.Path(sys.argv[1])); assert 'onnxruntime' in sys.modules"
    subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", load, str(model)],
        env=environment | {"HOME": str(home)}, check=True,
    )  # fmt: skip
    assert [path.name for path in home.rglob("*") if "onnx" in path.name.lower()] == []
