"""APT with a state of its own: what this machine's APT can fetch, without touching its own.

The mirror is the one that the machine is configured for; APT verifies signatures and hashes as
ever.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tepna.stack.errors import NoPackagesError

LIBRARIES = ("lib", "zlib")
LEFT_OUT = ("libllvm",)  # for just-in-time compilation only, and three times the rest
DEADLINE = 600  # [s]

Step = Callable[[str, float], None]  # (what is being done, share done in [0, 1])


class Archive(NamedTuple):
    """A distribution's archive and the suites of it that have the packages."""

    suites: tuple[str, ...]
    components: str
    keyring: Path


# On Ubuntu the mirror may have them or not: it depends on the release, and the answer says so.
ARCHIVES = {
    "debian": Archive(("trixie",), "main", Path("/usr/share/keyrings/debian-archive-keyring.gpg")),
    "ubuntu": Archive(
        ("plucky", "questing"),
        "main universe",
        Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
    ),
}


class Found(NamedTuple):
    """Packages that can be fetched: their names, and the arguments of APT that reach them."""

    names: list[str]
    arguments: list[str]


def mirrors() -> list[str]:
    """Addresses of the distribution's own archive, as this machine's APT is configured."""
    distribution = _distribution()
    rows = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)"])
    found = [row.split("|") for row in rows.splitlines()]
    sites = [
        site
        for origin, label, component, site in found
        if origin.lower() == label.lower() == distribution and component == "main"
    ]
    if not sites:  # no lists were ever fetched, as in a container's image: ask what would be
        code_name = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
        uris = run(["apt-get", "update", "--print-uris"])
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


def find(work: Path, roots: Sequence[str], step: Step) -> Found:
    """Find the packages and the libraries they need, with lists fetched into the folder ``work``.

    Raises
    ------
    NoPackagesError
        If no mirror and suite has them all; the reason of each is in it.
    """
    archive, sources = ARCHIVES[_distribution()], work / "sources.list"
    arguments = _own_state(work, sources)
    options = f"target=Packages signed-by={archive.keyring}"
    reasons = []
    for site in mirrors():
        for suite in archive.suites:
            step(f"Reading the package lists of {suite}", 0.0)
            sources.write_text(f"deb [{options}] {site} {suite} {archive.components}\n")
            try:
                run(["apt-get", *arguments, "-qq", "update"])
                return Found(_closure(arguments, roots), arguments)
            except NoPackagesError as error:
                reasons.append(f"{suite} at {site}: {error.reason}")
    raise NoPackagesError("\n".join(reasons))


def _own_state(work: Path, sources: Path) -> list[str]:
    """Write APT's settings for a state of our own; return the arguments that name them."""
    settings = work / "apt.conf"
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    settings.write_text(
        "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
        f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n'
        f'Dir::State::Lists "{work}/lists";\nDir::State::status "{work}/status";\n'
        f'Dir::Cache "{work}/cache";\nAPT::Sandbox::User "";\nAPT::Update::Error-Mode "any";\n'
    )
    return ["-c", str(settings)]


def _closure(arguments: list[str], roots: Sequence[str]) -> list[str]:
    """Find the roots and every library they need: what scripts and tools want is left out."""
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    options = [f"--no-{kind}" for kind in kinds]
    listing = run(["apt-cache", *arguments, "depends", "--recurse", *options, *roots])
    needs = dict(dependencies(listing))
    missing = [name for name in roots if name not in needs]
    if missing:
        raise NoPackagesError(f"The archive has no {', '.join(missing)}.")
    found: dict[str, None] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += [
                n for n in needs[name] if n.startswith(LIBRARIES) and not n.startswith(LEFT_OUT)
            ]
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


def download(found: Found, folder: Path, step: Step) -> list[Path]:
    """Fetch the packages into the folder, telling how far that is."""
    sizes = run(["apt-cache", *found.arguments, "show", "--no-all-versions", *found.names])
    total = sum(int(size) for size in re.findall(r"^Size: (\d+)", sizes, re.MULTILINE))
    command = ["apt-get", *found.arguments, "-qq", "download", *found.names]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)  # noqa: S603
        for _ in range(DEADLINE * 5):
            done = sum(path.stat().st_size for path in folder.glob("*.deb"))
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
    return sorted(folder.glob("*.deb"))


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def run(command: list[str]) -> str:
    """Run a command of the packaging system and return what it prints."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=DEADLINE, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise NoPackagesError(f"{' '.join(command[:2])} took too long.") from error
    if done.returncode != 0:
        raise NoPackagesError(f"{' '.join(command[:2])} failed: {done.stderr.strip()}")
    return done.stdout
