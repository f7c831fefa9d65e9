import os
import socket
from pathlib import Path

import pytest

from edge.service.notify import Supervisor


@pytest.mark.parametrize("abstract", [False, True])
def test_a_socket_hears_what_is_said_and_a_status_once(tmp_path: Path, abstract: bool) -> None:
    name = f"@tepna-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind("\0" + name[1:] if abstract else name)
        ears.settimeout(5)
        us = Supervisor({"NOTIFY_SOCKET": name})
        us.tell(READY="1")
        us.alive("camera sees")
        us.alive("camera sees")
        us.alive("NO PICTURE\nREADY=1")
        heard = [ears.recv(1000).decode() for _ in range(4)]
    assert heard == [
        "READY=1", "WATCHDOG=1\nSTATUS=camera sees", "WATCHDOG=1",
        "WATCHDOG=1\nSTATUS=NO PICTURE READY=1",
    ]  # fmt: skip


def test_nobody_listens(tmp_path: Path) -> None:
    Supervisor({}).alive("fine")
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("fine")
