"""A camera of the network: GStreamer's RTSP server, as a process that can be killed and stopped."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tepna.stack import StackError
from tepna.stack.places import cache_folder
from tests.integration.edge.sources import gstreamer, ipycam_wheel

collect_ignore = ["rtsp_server.py", "onvif_camera.py"]  # their libraries are not installed
PATIENCE = 20.0
"""How long a server may take to listen. [s]"""


class Server:
    """A process that says when it listens."""

    process: "subprocess.Popen[bytes]"

    def await_listening(self, what: str, log: Path) -> None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready or self.process.stdout.readline() != b"listening\n":
            self.kill()
            pytest.fail(f"no {what}: {log.read_text()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class RtspServer(Server):
    """A camera in a process of its own."""

    def __init__(self, root: Path, folder: Path, settings: dict[str, object]) -> None:
        self._root, self._folder = root, folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._settings = {"port": self.port, **settings}
        scheme = "rtsps" if "certificate" in settings else "rtsp"
        self.url = f"{scheme}://127.0.0.1:{self.port}/camera"
        self.log = folder / f"rtsp-{self.port}.log"
        self.start()

    def start(self) -> None:
        """Begin, or begin anew after `kill`."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                gstreamer.command(self._root, self._settings),
                env=gstreamer.environment(self._root, self._root / "registry.bin"),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.await_listening("RTSP server", self.log)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


class OnvifCamera(Server):
    """An ONVIF camera in a process of its own, whose stream an RTSP server has."""

    def __init__(self, root: Path, folder: Path, **settings: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        text = json.dumps({"port": self.port, **settings})
        with (folder / "onvif.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, str(ipycam_wheel.SCRIPT), text],
                env=os.environ | {"PYTHONPATH": str(root)},
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.await_listening("ONVIF camera", folder / "onvif.log")


@pytest.fixture
def onvif_camera(tmp_path: Path) -> Iterator[Callable[..., OnvifCamera]]:
    """Start an ONVIF camera; it does not outlive the test."""
    try:
        root = ipycam_wheel.obtain(cache_folder(None))
    except (subprocess.CalledProcessError, OSError) as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    cameras: list[OnvifCamera] = []

    def start(**settings: object) -> OnvifCamera:
        cameras.append(OnvifCamera(root, tmp_path, **settings))
        return cameras[-1]

    yield start
    for camera in cameras:
        camera.kill()


@pytest.fixture(scope="session")
def gstreamer_root() -> Path:
    try:
        return Path(gstreamer.obtain(cache_folder(None)))
    except (StackError, OSError) as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def rtsp_server(gstreamer_root: Path, tmp_path: Path) -> Iterator[Callable[..., RtspServer]]:
    """Start a camera; it does not outlive the test."""
    servers: list[RtspServer] = []

    def start(**settings: Any) -> RtspServer:
        servers.append(RtspServer(gstreamer_root, tmp_path, settings))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.signal(signal.SIGCONT)
            server.kill()
