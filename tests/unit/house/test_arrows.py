import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]
NAMES = {contract["id"]: contract["name"] for contract in CONFIG["contracts"]}
PLANTED = [
    ("arrows", "contracts", "import storage"),
    ("arrows", "storage", "import ingest"),
    ("arrows", "edge", "import simulators"),
    ("arrows", "analytics", "import api"),
    ("arrows", "analytics", "import edge"),
    ("arrows", "api", "import simulators"),
    ("arrows", "simulators", "import tepna"),
    ("measuring-apart", "ingest", "import analytics"),
    ("measuring-apart", "simulators", "import analytics"),
    ("edge-alone", "edge", "import storage"),
    ("simulators-at-the-edge", "simulators", "import storage"),
    ("server-without-edge", "ingest", "import edge"),
    ("server-without-edge", "api", "import edge"),
    ("one-database-driver", "ingest", "import psycopg"),
    ("one-database-driver", "tepna", "import psycopg_pool"),
    ("pure-kernels", "analytics/kernels", "import msgspec"),
    ("light-edge", "edge", "import fastapi"),
    ("light-edge", "contracts", "import starlette"),
]
ALLOWED = [
    ("tepna", "import api, simulators, ingest, analytics, edge, storage, contracts"),
    ("api", "import analytics, storage, contracts, fastapi"),
    ("simulators", "import edge, contracts"),
    ("ingest", "import storage, contracts"),
    ("analytics", "import storage, contracts"),
    ("analytics/kernels", "import numpy, scipy"),
    ("edge", "import contracts"),
    ("storage", "import contracts, psycopg"),
]


def lint(folder: Path) -> tuple[int, dict[str, str]]:
    """Exit code of the linter there, and what it says of each contract."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    answer = subprocess.run(  # noqa: S603  # the project's own linter
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    verdicts = re.findall(r"^(.+) (KEPT|BROKEN)$", answer.stdout, re.MULTILINE)
    assert len(verdicts) == len(NAMES), answer.stdout + answer.stderr
    return answer.returncode, dict(verdicts)


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The rooms, empty, under the project's own rules."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for room in CONFIG["root_packages"]:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    for folder in ("jobs", "indicators", "kernels"):
        (tmp_path / "analytics" / folder).mkdir()
        (tmp_path / "analytics" / folder / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(("broken", "room", "line"), PLANTED)
def test_each_contract_catches_its_violation(
    broken: str, room: str, line: str, skeleton: Path
) -> None:
    (skeleton / room / "planted.py").write_text(line + "\n")
    code, verdicts = lint(skeleton)
    assert code == 1
    assert [name for name, verdict in verdicts.items() if verdict == "BROKEN"] == [NAMES[broken]]


def test_every_contract_is_proved() -> None:
    assert {broken for broken, _, _ in PLANTED} == NAMES.keys()


def test_what_the_design_allows_is_allowed(skeleton: Path) -> None:
    for room, line in ALLOWED:
        (skeleton / room / "planted.py").write_text(line + "\n")
    code, verdicts = lint(skeleton)
    assert code == 0, verdicts


def test_the_project_keeps_all_contracts() -> None:
    code, verdicts = lint(ROOT)
    assert code == 0, verdicts


def test_kernels_import_numpy_and_scipy_only() -> None:
    allowed = {"numpy", "scipy", *sys.stdlib_module_names}
    foreign = [
        f"{path.name} imports {name}"
        for path in (ROOT / "analytics" / "kernels").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported(node)
        if name.split(".")[0] not in allowed and not name.startswith("analytics.kernels")
    ]
    assert foreign == []


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or "."]
    return []
