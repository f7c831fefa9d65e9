"""How the packages are found, taken apart and checked."""

import json
from pathlib import Path

import pytest

from tepna.stack.apt import dependencies, mirrors
from tepna.stack.errors import DamagedPackagesError, NoPackagesError
from tepna.stack.local import no_progress
from tepna.stack.packages import (
    Servers,
    check_digests,
    check_sizes,
    obtain,
    write_manifest,
)

LISTING = """\
postgresql-17
 |Depends: locales
  Depends: <locales-all>
  PreDepends: libc6
  Depends: libicu76
libicu76
  Depends: libc6
  Depends: libstdc++6
libc6
"""
APT_GET = """#!/bin/sh
case "$*" in
  indextargets*) cat {folder}/targets ;;
  *--print-uris*) cat {folder}/uris ;;
esac
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder whose files `targets` and `uris` are what APT answers on this Debian."""
    for name in ("apt-get", "dpkg"):
        (tmp_path / name).write_text(APT_GET.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    for name in ("targets", "uris"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    release = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: release)
    return tmp_path


def test_of_alternatives_the_first_counts() -> None:
    assert dict(dependencies(LISTING)) == {
        "postgresql-17": ["locales", "libc6", "libicu76"],
        "libicu76": ["libc6", "libstdc++6"],
        "libc6": [],
    }


def test_the_mirror_is_the_machines_own(apt: Path) -> None:
    (apt / "targets").write_text(
        "Other|Other|main|http://other.example/debian\n"
        "Debian|Debian|contrib|http://elsewhere.example/debian\n"
        "Debian|Debian|main|http://mirror.example/debian\n"
        "Debian|Debian|main|http://mirror.example/debian\n"
        "Debian|Debian-Security|main|http://mirror.example/security\n"
    )
    assert mirrors() == ["http://mirror.example/debian"]


def test_without_package_lists_the_mirror_is_where_they_would_come_from(apt: Path) -> None:
    (apt / "uris").write_text(
        "'http://other.example/apt/dists/tool-bookworm/InRelease' other 0\n"
        "'http://mirror.example/debian/dists/bookworm/InRelease' mirror 0\n"
        "'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror 0\n"
        "'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror 0\n"
    )
    assert mirrors() == ["http://mirror.example/debian"]


def test_an_apt_without_an_archive_is_said(apt: Path) -> None:
    (apt / "targets").write_text("Other|Other|main|http://other.example/debian\n")
    with pytest.raises(NoPackagesError, match="no debian archive"):
        mirrors()


@pytest.mark.usefixtures("apt")
def test_another_system_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "fedora"})
    with pytest.raises(NoPackagesError, match=r"not fedora[\s\S]*Docker Compose"):
        mirrors()


def test_a_failed_first_start_leaves_nothing(apt: Path) -> None:
    (apt / "targets").write_text("Debian|Debian|main|http://mirror.example/debian\n")
    cache = apt / "cache"
    with pytest.raises(NoPackagesError, match="No packages found"):
        obtain(cache, no_progress)
    assert [path.name for path in cache.iterdir()] == ["servers.lock"]


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    for name in ("usr/bin/program", "usr/lib/library"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"this is {name}")
    (tmp_path / "usr/lib/link").symlink_to("library")
    write_manifest(tmp_path)
    return Servers(tmp_path)


def test_what_is_whole_passes(servers: Servers) -> None:
    check_sizes(servers)
    assert check_digests(servers) == 2
    assert set(json.loads((servers.root / "manifest.json").read_text())) == {
        "usr/bin/program",
        "usr/lib/library",
    }


def test_a_missing_or_shorter_file_is_seen_at_each_start(servers: Servers) -> None:
    (servers.root / "usr/lib/library").write_text("short")
    with pytest.raises(DamagedPackagesError) as caught:
        check_sizes(servers)
    assert caught.value.names == ["usr/lib/library"]
    (servers.root / "usr/bin/program").unlink()
    with pytest.raises(DamagedPackagesError) as caught:
        check_sizes(servers)
    assert caught.value.names == ["usr/bin/program", "usr/lib/library"]


def test_a_changed_file_of_the_same_size_is_seen_by_the_doctor(servers: Servers) -> None:
    path = servers.root / "usr/bin/program"
    path.write_text(path.read_text().upper())
    check_sizes(servers)
    with pytest.raises(DamagedPackagesError, match="usr/bin/program"):
        check_digests(servers)


def test_a_manifest_that_is_gone_is_damage(servers: Servers) -> None:
    (servers.root / "manifest.json").unlink()
    with pytest.raises(DamagedPackagesError, match=r"manifest\.json"):
        check_sizes(servers)
