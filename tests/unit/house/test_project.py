import hashlib
import importlib
import re
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from contracts.version import __version__

ROOT = Path(__file__).parents[3]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
TEXTS = {".py", ".md", ".sql", ".toml", ".yml", ".yaml", ".sh", ".conf", ".env", ".txt", ".acl"}
# What exists only where somebody worked, and what installers take from the machine's own settings.
FOREIGN = re.compile(r"(?<![\w.])/(work|root|home/\w+)/|\b(pypi|npmjs|deb\.debian)\.(org|com)\b")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_one_place_states_the_version() -> None:
    assert version("tepna") == __version__
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    stated = [
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if re.search(rf"\b{re.escape(__version__)}\b", path.read_text(encoding="utf-8"))
    ]
    assert stated == ["contracts/version.py"]
    assert f"## [{__version__}]" in read("CHANGELOG.md")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_ours_typed_and_says_what_it_is(room: str) -> None:
    package = importlib.import_module(room)
    assert Path(str(package.__file__)) == ROOT / room / "__init__.py"
    assert package.__doc__
    assert (ROOT / room / "py.typed").is_file()
    # A dependency that ships a package of the same name would win over an editable install.
    assert packages_distributions().get(room, ["tepna"]) == ["tepna"]


def test_the_licence_is_whole() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "57fb42fbcd0b037ce528ed8f72f1ec095d67bc6825ecf1448ff39be1fe68a4b4"
    assert PYPROJECT["project"]["license"] == "EUPL-1.2"


def test_two_commands_are_enough_and_ci_calls_the_second() -> None:
    for command in ("make demo", "make test"):
        assert re.search(rf"^{command}", read("README.md"), re.MULTILINE)
        assert re.search(
            rf"^{command.removeprefix('make ')}: setup$", read("Makefile"), re.MULTILINE
        )
    assert re.search(r"^step make test\b", read(".ci/run"), re.MULTILINE)


def test_no_text_names_a_machine_or_a_registry() -> None:
    folders = [*ROOMS, "pilots", "benchmarks", "deploy", "docs", "tests", ".ci"]
    paths = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in TEXTS]
    paths += [p for p in ROOT.iterdir() if p.is_file() and p.suffix in {*TEXTS, ""}]
    named = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in paths
        if path != Path(__file__) and (found := FOREIGN.search(path.read_text(encoding="utf-8")))
    ]
    assert named == []
