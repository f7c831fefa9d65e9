"""ONNX Runtime keeps no diary of the box, and tells nobody."""

import os
import subprocess
import sys
from pathlib import Path


def test_loading_a_detector_leaves_no_trace_in_the_users_home(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    subprocess.run(
        [sys.executable, "-c", "import edge.models.network"],
        env=environment | {"HOME": str(tmp_path)}, check=True,
    )  # fmt: skip
    assert [path.name for path in tmp_path.rglob("*") if "onnx" in path.name.lower()] == []
