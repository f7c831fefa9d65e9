"""Agent and camera process load only what every one of them needs: modules are memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

AGENT = """
import sys
from pathlib import Path
import edge.cli
from contracts.clock import utc_now
from edge.agent import Agent
from edge.config import read_config
Agent(read_config(Path(sys.argv[1])), clock=utc_now)
"""
CAMERA = "import edge.capture"
SAY = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
UNLOADED = {
    # it decodes nothing; few have an identity, a sealed outbox, pictures or ONVIF events
    AGENT: "av cryptography cv2 html http.server onnxruntime rich scipy xml",
    # few cameras are asked over TLS, and it sends nothing itself
    CAMERA: "cryptography http.client onnxruntime paho rich scipy sqlite3 ssl typer yaml",
}
CONFIG = """
device: pilot/cam-1
uplink: {url: "mqtt://127.0.0.1"}
camera: {source: street.mp4, lines: [{id: line, a: [0, 0.5], b: [1, 0.5]}]}
"""


@pytest.mark.parametrize("process", UNLOADED, ids=["agent", "camera"])
def test_what_few_need_is_not_loaded(process: str, tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", process + SAY, config], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "edge.wire" in loaded
    assert sorted(loaded & set(UNLOADED[process].split())) == []
