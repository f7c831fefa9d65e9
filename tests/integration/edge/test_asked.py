"""`tepna device ask` and a real agent, over a real broker with its access list."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.proof import read_proof

Eventually = Callable[..., Any]
PICTURES = "{listen: 127.0.0.1:0, token: 0123456789abcdef, tls: false}"


def test_what_an_agent_is_asked(
    platform: Any,
    run_agent: Any,
    config: Path,
    tmp_path: Path,
    ask: Any,
    shared_data: Path,
    eventually: Eventually,
) -> None:
    video = shared_data / "video" / "pets09_s2l1.avi"
    config.write_text(config.read_text() + f"camera:\n  source: {video}\npictures: {PICTURES}\n")
    code, said = ask("ping", "--timeout=1")
    assert (code, "has not answered" in said) == (3, True)
    agent = run_agent()
    eventually("frames", lambda: platform.values("camera.frames"))
    assert "is done" not in agent.log, "it expired"

    code, result = ask("ping", "--id=0123456789")
    assert code == 0
    assert result["answer"]["boot"] == str(platform.boots()[0])
    assert result["answer"]["camera"] is True
    assert ask("ping", "--id=0123456789") == (0, result), "the same result, not another"

    code, result = ask("doctor")
    found = {one["name"]: one for one in result["answer"]["findings"]}
    assert (code, found["outbox"]["verdict"], found["camera"]["verdict"]) == (0, "good", "good")
    assert "frames come" in found["camera"]["detail"]
    assert found["ground"]["fix"].startswith("tepna edge calibrate")

    code, result = ask("snapshot")
    assert (code, result["state"]) == (0, "done"), result
    (kept,) = tmp_path.glob("*.snapshots/*")
    assert kept.name == f"{result['answer']['captured']}_{result['answer']['snapshot']}.jpg"
    proof = read_proof(kept.read_bytes())
    assert proof is not None
    assert (proof.purpose, proof.kind) == ("snapshot", "asked")

    child = agent.child().pid
    assert ask("restart-camera")[0] == 0
    eventually("another process", lambda: agent.child().pid != child)
    assert ask("log-level", "level=debug", "minutes=1")[1]["answer"] == {"usual": "info"}
    code, result = ask("log-level", "level=loud")
    assert (code, result["state"]) == (1, "refused")
    assert "loud" in result["reason"]
    assert ask("log-level", "debug")[0] == 2
    assert agent.terminate() == 0
