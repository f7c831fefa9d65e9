"""IPyCam (MIT) as its wheel, unpacked: installed, it would bring a second OpenCV."""

import fcntl
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = (
    "ipycam==1.3.0 --hash=sha256:3f12b70ed4e9717508fc387874a0c9fddf94a2a193dc88c2340efb867ff5d745"
)
SCRIPT = Path(__file__).with_name("onvif_camera.py")


def obtain(cache: Path) -> Path:
    """Find the unpacked wheel in the cache, or fetch and unpack it there."""
    root = cache / "ipycam-1.3.0"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "ipycam.lock").open("w") as lock:  # of two workers one does the work
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            with tempfile.TemporaryDirectory(prefix="ipycam-building-", dir=cache) as folder:
                _build(Path(folder), root)
    return root


def _build(work: Path, root: Path) -> None:
    requirements = work / "requirements.txt"
    requirements.write_text(REQUIREMENT + "\n")
    subprocess.run(  # noqa: S603  # our own command
        [
            *(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
            ),
            *("--require-hashes", "--dest", str(work), "--requirement", str(requirements)),
        ],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        wheel.extractall(work / "tree")
    (work / "tree").rename(root)
