"""`tepna device configure` and a real agent, over a real broker with its access list."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Eventually = Callable[..., Any]


@pytest.fixture
def configure(broker: Any, mqtt_url: str, identity: str, tmp_path: Path) -> Callable[..., Any]:
    """Run the command as the operator."""
    accounts = {"api": broker.mqtt_url("api"), "ingest": mqtt_url}

    def run(
        text: str, *, watch: int = 2, account: str = "api"
    ) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "desired.yaml"
        file.write_text(text)
        tepna = Path(sys.executable).with_name("tepna")
        command = [str(tepna), "device", "configure", identity, str(file), f"--watch={watch}"]
        return subprocess.run(  # noqa: S603  # our own command
            command,
            env={"TEPNA_MQTT_URL": accounts[account]},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_configuration_from_afar_is_accepted_rejected_or_taken_back(
    platform: Any,
    run_agent: Any,
    config: Path,
    configure: Any,
    shared_data: Path,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    video = shared_data / "video" / "pets09_s2l1.avi"
    config.write_text(config.read_text() + f"camera:\n  source: {video}\n")
    agent = run_agent()
    eventually("frames", lambda: platform.values("camera.frames"))
    child = agent.child().pid

    done = configure("batches: {max_age_s: 0.25}\n")
    assert done.returncode == 0, done.stderr + agent.log
    assert done.stdout.endswith(" accepted\n")
    assert agent.child().pid == child, "the camera was not touched"
    kept = tmp_path / "outbox.sqlite.desired"
    assert json.loads(kept.read_bytes())["overlay"] == {"batches": {"max_age_s": 0.25}}

    done = configure("uplink:\n  url: mqtt://elsewhere\n")
    assert done.returncode == 1
    assert "rejected: uplink is not set from afar, only batches, camera" in done.stdout

    done = configure("camera:\n  source: none.avi\n")
    assert done.returncode == 1, done.stderr + agent.log
    assert "rolled-back: no picture came within 2 s" in done.stdout
    frames = len(platform.values("camera.frames"))
    eventually("frames again", lambda: len(platform.values("camera.frames")) > frames)
    assert agent.terminate() == 0

    again = run_agent()
    eventually("the second start", lambda: len(platform.boots()) > 1)
    assert again.terminate() == 0
    assert "is tried" not in again.log, "what was taken back is retained, and not tried again"
    assert json.loads(kept.read_bytes())["overlay"] == {"batches": {"max_age_s": 0.25}}


def test_what_cannot_be_used_ends_with_two(configure: Any, identity: str) -> None:
    done = configure("camera: [\n")
    assert done.returncode == 2
    assert "desired.yaml:2: no YAML" in done.stderr
    done = configure("batches: {max_age_s: 1}\n", account="ingest")
    assert done.returncode == 2
    assert "from this account: Not authorized" in done.stderr
    tepna = Path(sys.executable).with_name("tepna")
    for arguments, said in (
        (("Nobody", "desired.yaml"), "is not tepna/1/"),
        ((identity, "desired.yaml"), "desired.yaml: cannot be read"),
    ):
        done = subprocess.run(  # noqa: S603  # our own command
            [str(tepna), "device", "configure", *arguments],
            env={}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr
