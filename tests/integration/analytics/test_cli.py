"""The commands as they are run."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from analytics.cli import app as analytics_app
from analytics.indicators.cli import app

DEADLINE = 60


def wait_for(condition: Any) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_runs_computes_and_ends(street: Any, database_url: str, how: int) -> None:
    environment = os.environ | {"TEPNA_DATABASE_URL": database_url, "TEPNA_QUIET_S": "0"}
    main = "from analytics.cli import app; app()"
    command = [sys.executable, "-c", main, "run", "--workers", "2"]

    with subprocess.Popen(command, env=environment) as process:  # noqa: S603  # our own
        street.camera_works(0, 300)
        wait_for(lambda: street.revisions() == {60 * k: 1 for k in range(5)})
        further = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(how)
        code = process.wait(DEADLINE)
    assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    assert further
    _, orphans = psutil.wait_procs(further, timeout=DEADLINE)
    assert not orphans


def test_a_database_that_is_not_named_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEPNA_DATABASE_URL", raising=False)
    for command in ((analytics_app, ["run"]), (app, ["list", "--site", "a/b"])):
        result = CliRunner().invoke(*command)
        assert result.exit_code == 2
        assert "TEPNA_DATABASE_URL" in result.output


def test_compute_show_check_recompute(
    street: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.output

    period = ("--from", "2026-05-04T07:00:00Z", "--to", "2026-05-04T08:00:00Z")
    code, text = run("compute", "--site", "test/corner", *period)
    assert code == 0
    assert text.count("missing") == 3
    code, text = run("list", "--site", "test/corner", "--definition", "5g-reliability")
    value_id = text.split()[0]
    assert "5g-reliability v1" in text
    assert run("check", "--id", value_id) == (0, "the evidence is what its digest says\n")
    code, text = run("recompute", "--id", value_id)
    assert (code, text.splitlines()[-1]) == (0, "bit-identical")
    code, text = run("show", "--id", value_id)
    assert '"reason": "nothing was observed"' in text
    street.connection.execute("UPDATE indicator_value SET evidence = evidence || '{\"x\": 1}'")
    code, text = run("check", "--id", value_id)
    assert code == 1
    assert "the evidence was changed" in text
    assert run("compute", "--site", "test/nowhere", *period)[0] == 2
    assert run("compute", "--site", "test/corner", "--from", "2026-05-04", "--to", "x")[0] == 2
