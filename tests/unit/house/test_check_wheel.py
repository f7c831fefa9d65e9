"""The check of the wheel finds what it is there to find; `make wheel` runs it on the real one."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_wheel", ROOT / "deploy/check_wheel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def whole(check: ModuleType) -> list[str]:
    """Names in a wheel that lacks nothing."""
    sources = {room: room for room in check.ROOMS} | check.ADDED
    return [
        f"{target}/{path.relative_to(ROOT / source)}"
        for source, target in sources.items()
        for path in check.files(ROOT / source)
    ]


def pack(folder: Path, names: list[str]) -> Path:
    wheel = folder / "tepna-0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for name in [*names, "tepna-0.dist-info/RECORD"]:
            archive.writestr(name, "")
    return wheel


def test_a_whole_wheel_is_whole(check: ModuleType, tmp_path: Path) -> None:
    names = whole(check)
    assert check.check_content(pack(tmp_path, names)) == len(names)


@pytest.mark.parametrize(
    "lost",
    [
        "storage/migrations/0001_registry.sql",
        "edge/py.typed",
        "tepna/pilots/usti-belehradska/site.toml",
        "tepna/deploy/mosquitto.conf",
        "contracts/version.py",
    ],
)
def test_a_file_that_is_left_behind_is_named(check: ModuleType, lost: str, tmp_path: Path) -> None:
    names = [name for name in whole(check) if name != lost]
    with pytest.raises(check.WheelError, match=f"lacks {lost}"):
        check.check_content(pack(tmp_path, names))


def test_a_stranger_at_the_top_is_named(check: ModuleType, tmp_path: Path) -> None:
    wheel = pack(tmp_path, [*whole(check), "tests/test_x.py"])
    with pytest.raises(check.WheelError, match=r"install \['tests'\] at the top"):
        check.check_content(wheel)


def test_what_an_edge_must_not_have_is_found(check: ModuleType, tmp_path: Path) -> None:
    # This environment has everything.
    with pytest.raises(check.WheelError, match="an edge install brought psycopg"):
        check.run(Path(sys.executable), tmp_path, "-c", check.EDGE_ALONE)


def test_sources_do_not_pass_for_the_wheel(check: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(check.WheelError, match="AssertionError"):
        check.run(Path(sys.executable), tmp_path, "-c", check.WHOLE)
