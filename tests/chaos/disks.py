"""Disks that get full.

Root mounts small ones in memory, and a ballast takes what room they have: whoever writes gets the
operating system's own ENOSPC. Elsewhere a process is forbidden to let its files grow (EFBIG, which
SQLite reports as a failing disk), and a database is made read-only, as hosted databases make
themselves before their disk is full.
"""

import os
import resource
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 16


class SmallDisk:
    """A file system in memory, with a bound; needs root."""

    def __init__(self, folder: Path, size: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(  # noqa: S603
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tepna-chaos", str(folder)],  # noqa: S607
            check=True,
            capture_output=True,
        )
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as ballast, suppress(OSError):
            size = CHUNK
            while size:
                try:
                    while ballast.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass
                size //= 16

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; what is on it is gone."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)  # noqa: S603, S607


def may_mount() -> bool:
    """Whether this process may mount file systems."""
    if os.geteuid() != 0:
        return False
    probe = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tepna-probe", "/mnt"],  # noqa: S607
        check=False,
        capture_output=True,
    )
    return probe.returncode == 0


def forbid_growth(pid: int, files: list[Path]) -> None:
    """Let no file of a process grow beyond the largest of these."""
    largest = max(file.stat().st_size for file in files if file.exists())
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, hard))


def allow_growth(pid: int) -> None:
    """Let files grow again."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
