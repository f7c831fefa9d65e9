"""ONVIF cameras: IPyCam, a virtual one that others made, with GStreamer's RTSP server behind it."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.clock import utc_now
from edge.cli import app
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.onvif.device import Device
from edge.onvif.discovery import discover
from edge.onvif.resolve import service
from edge.sources import open_video
from tests.integration.edge.sources.pictures import read_picture

Start = Callable[..., Any]
ACCOUNT = {"user": "admin", "password": "p@ss:w/d"}


@pytest.fixture
def device(onvif_camera: Start, rtsp_server: Start) -> Any:
    server = rtsp_server(**ACCOUNT)
    return onvif_camera(name="Hala_1", rtsp_port=server.port, **ACCOUNT)


def camera(device: Any, **keys: Any) -> Camera:
    return Camera.model_validate({"source": f"onvif://127.0.0.1:{device.port}", **ACCOUNT, **keys})


def test_its_stream_is_watched(device: Any) -> None:
    with open_video(camera(device, profile="SubStream"), utc_now) as video:
        frame = next(video.frames)
    assert frame.captured > read_picture(frame.image).at


def test_its_profiles_are_told(device: Any) -> None:
    profiles = Device(service(camera(device), 5.0)).profiles()
    assert [str(profile) for profile in profiles] == [
        "MainStream: 1920x1080 at 30/s, H264",
        "SubStream: 640x360 at 30/s, H264",
    ]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"profile": "Third"}, "no profile 'Third', but MainStream, SubStream"),
        ({"password": "wrong"}, "not authorized; check camera.user and camera.password"),
        ({"user": None, "password": None}, "not authorized; check camera.user"),
    ],
)
def test_what_is_wrong_is_told(device: Any, keys: dict[str, Any], reason: str) -> None:
    with (
        pytest.raises(SourceError, match=reason) as fault,
        open_video(camera(device, **keys), utc_now),
    ):
        pass
    assert "wrong" not in str(fault.value)


def test_it_is_found_and_its_lines_can_be_pasted(device: Any, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{device.port}/onvif/device_service"
    devices = discover(["127.0.0.1"], 1.0)  # and those of other tests that run meanwhile
    assert [f.name for f in devices if f.address == address] == ["Hala_1"]
    secret = tmp_path / "camera.password"
    secret.write_text(ACCOUNT["password"] + "\n")
    arguments = ["cameras", "find", "--interface", "127.0.0.1", "--seconds", "1"]
    found = CliRunner().invoke(app, [*arguments, "--user", "admin", "--password-file", str(secret)])
    assert found.exit_code == 0
    assert "SubStream: 640x360 at 30/s, H264" in found.output
    assert ACCOUNT["password"] not in found.output
    ours = found.output[found.output.index(f"127.0.0.1:{device.port}  Hala_1") :]
    lines = [line.removeprefix("    ") for line in ours.splitlines()]
    begin = lines.index("camera:")
    pasted = tmp_path / "agent.yaml"
    pasted.write_text(
        "device: a/b\nuplink:\n  url: mqtt://127.0.0.1:1\n" + "\n".join(lines[begin : begin + 5])
    )
    checked = CliRunner().invoke(app, ["check", str(pasted)])
    assert checked.exit_code == 0, checked.output
    assert "320x240" in checked.output


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr("edge.onvif.discovery.GROUP", silent.getsockname())
        arguments = ["cameras", "find", "--interface", "127.0.0.1", "--seconds", "0.2"]
        found = CliRunner().invoke(app, arguments)
        assert b"NetworkVideoTransmitter" in silent.recv(1 << 16), "it asked"
    assert (found.exit_code, "no ONVIF camera answers" in found.output) == (1, True)
