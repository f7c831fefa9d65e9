import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OLD = """#!/bin/sh
[ "$1" = -V ] && echo "Python 3.9.2" && exit 0
exit 1
"""
BARE = """#!/bin/sh
case "$*" in *version_info*) exit 0;; esac
exit 1
"""


@pytest.mark.parametrize(
    ("python", "advice"),
    [
        (None, "there is no '{python}'. Install Python 3.11 or newer, or set PYTHON="),
        (OLD, "Python 3.11 or newer is needed; '{python}' is Python 3.9.2. Set PYTHON="),
        (
            BARE,
            "Python has no ensurepip and python3-pip-whl could not be had. Install python3-venv",
        ),
    ],
    ids=["none", "too old", "no pip anywhere"],
)
def test_what_stops_the_setup_says_what_to_do(
    python: str | None, advice: str, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    if python is not None:
        fake.write_text(python)
        fake.chmod(0o755)
    # An APT that has nothing: neither the network nor this machine's packages are asked.
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\nexit 100\n")
    apt.chmod(0o755)
    answer = subprocess.run(
        ["bash", "deploy/setup.sh"],  # noqa: S607
        cwd=ROOT,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHON": str(fake),
            "VENV": str(tmp_path / "venv"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert advice.format(python=fake) in answer.stderr
    assert not (tmp_path / "venv" / ".ready").exists()
