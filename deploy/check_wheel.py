"""Checks what would be published: builds it, installs it elsewhere and imports every room there.

``make wheel``. An editable install hides what a wheel lacks: a package that the build forgot, a
data file that was left behind, a dependency that an extra does not name.
"""

import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
ROOMS: list[str] = BUILD["packages"]
ADDED: dict[str, str] = BUILD["force-include"]
EDGE = ["contracts", "edge", "tepna"]
SERVERS_OWN = ["psycopg", "psycopg_pool", "fastapi", "nicegui", "uvicorn", "libsumo"]

WHOLE = f"""
import importlib, importlib.metadata, pkgutil, sys, threading
from contracts.version import __version__

def fail(module):
    raise SystemExit(f"{{module}} cannot be imported: {{sys.exc_info()[1]!r}}")

for room in {ROOMS}:
    package = importlib.import_module(room)
    assert "site-packages" in package.__file__, package.__file__
    for module in pkgutil.walk_packages(package.__path__, room + ".", onerror=fail):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
started = threading.enumerate()[1:]
assert not started, f"importing started {{started}}"
owners = importlib.metadata.packages_distributions()
assert all(owners[room] == ["tepna"] for room in {ROOMS}), owners
assert importlib.metadata.version("tepna") == __version__
"""
EDGE_ALONE = f"""
import importlib, importlib.util, pkgutil
for name in {SERVERS_OWN}:
    assert importlib.util.find_spec(name) is None, f"an edge install brought {{name}}"
for room in ("contracts", "edge"):
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""


class WheelError(Exception):
    """What would be published is not what the project is."""


def build(folder: Path) -> Path:
    """Source archive, and from it the wheel: so both are whole.

    Raises
    ------
    WheelError
        If either cannot be built.
    """
    command = ["-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run(Path(sys.executable), ROOT, *command)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_content(wheel: Path) -> int:
    """Compare the wheel's files with the project's; answer how many there are.

    Raises
    ------
    WheelError
        If a file is missing, or a top-level name is not ours.
    """
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    foreign = {name.split("/")[0] for name in packed} - set(ROOMS)
    if foreign:
        msg = f"the wheel would install {sorted(foreign)} at the top"
        raise WheelError(msg)
    wanted = {f"{room}/py.typed" for room in ROOMS}
    for source, target in {room: room for room in ROOMS}.items() | ADDED.items():
        wanted |= {f"{target}/{path.relative_to(ROOT / source)}" for path in files(ROOT / source)}
    if missing := sorted(wanted - packed):
        msg = f"the wheel lacks {', '.join(missing)}"
        raise WheelError(msg)
    return len(packed)


def files(folder: Path) -> list[Path]:
    """Every file below a folder but what Python caches there."""
    return [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


def install(wheel: Path, extras: str, venv: Path) -> Path:
    """Empty environment with the wheel and these extras; answers its Python."""
    tool = [str(Path(sys.executable).with_name("uv"))]
    quiet = {**os.environ, "UV_NO_PROGRESS": "1"}
    what = ["--quiet", "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[{extras}]"]
    python = venv / "bin" / "python"
    subprocess.run([*tool, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)  # noqa: S603
    fast = [*tool, "pip", "install", "--python", str(python), *what]
    if subprocess.run(fast, check=False, env=quiet).returncode:  # noqa: S603
        slow = [sys.executable, "-m", "pip", "--python", str(python), "install", *what]
        subprocess.run(slow, check=True)  # noqa: S603
    return python


def run(python: Path, elsewhere: Path, *arguments: str) -> None:
    """Run this Python from another folder, away from the sources and from the user's settings.

    Raises
    ------
    WheelError
        If it fails.
    """
    command = [str(python), "-I", *arguments]
    answer = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode:
        raise WheelError(answer.stdout + answer.stderr)


def main() -> None:
    """Check the wheel, and say how it goes."""
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"wheel: {text} ({time.monotonic() - began:.0f} s)\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="tepna-wheel-") as name:
        folder = Path(name)
        say("building")
        wheel = build(folder / "dist")
        say(f"{wheel.name} holds {check_content(wheel)} files, all that it should")
        say("installing all of it into an empty environment")
        python = install(wheel, "edge,server,sim", folder / "whole")
        run(python, folder, "-W", "error", "-c", WHOLE)
        run(python, folder, "-m", "tepna", "--help")
        say("every module of every room was imported; installing the edge alone")
        python = install(wheel, "edge", folder / "edge")
        run(python, folder, "-c", EDGE_ALONE)
        run(python, folder, "-m", "tepna", "edge", "--help")
        say("the edge runs without database and web server")


if __name__ == "__main__":
    try:
        main()
    except (WheelError, subprocess.CalledProcessError) as fault:
        sys.exit(f"wheel: {fault}")
