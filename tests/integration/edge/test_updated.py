"""`tepna device ask ... update` and a real agent with a program of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Eventually = Callable[..., Any]


def test_a_version_is_installed_and_not_believed_before_it_runs(
    platform: Any, run_agent: Any, config: Path, ask: Any, tmp_path: Path, eventually: Eventually
) -> None:
    program, notes = tmp_path / "update.sh", tmp_path / "notes"
    program.write_text(f'#!/bin/sh\necho "$@" >> {notes}\ntest "$2" != 6.6.6\n')
    program.chmod(0o700)
    config.write_text(config.read_text() + f"update:\n  command: [{program}]\n")
    agent = run_agent()
    eventually("a birth", lambda: platform.states)
    code, result = ask("update", "version=1.0; reboot")
    assert (code, result["state"]) == (1, "refused")
    assert ask("update", "version=6.6.6")[1]["answer"]["installing"] == "6.6.6"
    eventually("a failure", lambda: platform.events("update.failed"))
    assert ask("update", "version=9.9.9")[0] == 0
    assert agent.wait() == 0, agent.log
    assert notes.read_text() == "install 6.6.6\ninstall 9.9.9\n"
    run_agent()
    eventually("the verdict", lambda: len(platform.events("update.failed")) == 2)
    names = {name for batch in platform.batches.values() for name in batch.names}
    assert any(name.startswith("9.9.9: ") and "instead" in name for name in names)


def test_without_a_program_nothing_is_installed(
    platform: Any, run_agent: Any, ask: Any, eventually: Eventually
) -> None:
    run_agent()
    eventually("a birth", lambda: platform.states)
    code, result = ask("update", "version=9.9.9")
    assert (code, result["state"]) == (1, "refused")
    assert "no `update`" in result["reason"]
