"""The `tepna` command imports a room only when it is asked for."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from contracts.version import __version__
from tepna.cli import ROOMS, Room, app, mount

RUNNER = CliRunner()
LOOK = """
import sys
from tepna.cli import app
app(["--help"], standalone_mode=False)
rooms = {"storage", "edge", "simulators", "ingest", "analytics", "api", "psycopg", "fastapi", "cv2"}
print(sorted(rooms & {name.split(".")[0] for name in sys.modules}))
"""


def test_help_names_every_room_and_imports_none() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")
    for name in ROOMS:
        assert f" {name} " in done.stdout


def test_version() -> None:
    assert RUNNER.invoke(app, ["--version"]).stdout == f"tepna {__version__}\n"


@pytest.mark.parametrize("name", ROOMS)
def test_help_of_a_room_is_the_rooms_own(name: str) -> None:
    result = RUNNER.invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"Usage: tepna {name}" in result.stdout


def test_a_room_that_is_not_installed_is_said_with_the_extra_that_brings_it() -> None:
    mount("absent", Room("no_such_package.cli:app", "server", "Not here."))
    result = RUNNER.invoke(app, ["absent", "run", "--fast"])
    assert result.exit_code == 1
    assert "needs no_such_package" in result.stderr
    assert "pip install 'tepna[server]'" in result.stderr
    app.registered_commands.pop()


@pytest.mark.parametrize("name", ["edge", "nonsense"])
def test_a_wrong_option_is_an_error(name: str) -> None:
    assert RUNNER.invoke(app, [name, "--no-such-option"]).exit_code != 0
