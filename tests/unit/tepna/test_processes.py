"""Programs end with their parent, and their last words are heard."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tepna.processes import NotReadyError, ProcessEndedError, Processes

DEADLINE = 20.0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as programs:
        programs.start("odd", ["no-such-command"], {})
        with pytest.raises(ProcessEndedError, match="no-such-command"):
            programs.wait_for("it", lambda: False, DEADLINE)


def test_who_is_never_ready_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with Processes(tmp_path) as programs, pytest.raises(NotReadyError, match="the moon"):
        programs.wait_for("the moon", lambda: False, 0.1)


def test_killing_the_parent_ends_its_programs(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tepna.processes import Processes\n"
        "import tepna.processes as p\n"
        "with Processes(Path(sys.argv[1])) as programs:\n"
        "    programs.start('street', ['sim', 'run', sys.argv[2], '--port', '0'], {})\n"
        "    print(programs._running['street'].pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    pilot = Path(__file__).parents[3] / "pilots" / "usti-belehradska"
    parent = subprocess.Popen(  # noqa: S603  # our own
        [sys.executable, "-c", code, str(tmp_path), str(pilot)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + DEADLINE
    while alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(child)
