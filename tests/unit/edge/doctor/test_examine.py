import json
import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from contracts.clock import utc_now
from edge.cli import app
from edge.config import AgentConfig, read_config
from edge.doctor import box, link, senses
from edge.doctor.finding import Finding, Verdict
from edge.outbox import Outbox


def config(folder: Path, more: str = "", url: str = "mqtt://127.0.0.1:1") -> AgentConfig:
    file = folder / "box.toml"
    file.write_text(f'device = "town/box"\n[uplink]\nurl = "{url}"\n{more}')
    return read_config(file, environment={})


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def make_outbox(folder: Path, device: str) -> Outbox:
    return Outbox(
        folder / "outbox.sqlite", device=device, boot=uuid4(), max_bytes=1 << 20, clock=utc_now
    )


def greet(server: socket.socket) -> None:
    caller, _ = server.accept()
    with caller:
        caller.recv(1000)
        caller.sendall(b"SSH-2.0\r\n")


def test_an_outbox_in_use_is_no_fault_and_anothers_is(tmp_path: Path) -> None:
    settings = config(tmp_path)
    assert "made at the first start" in only([*box.outbox(settings)]).detail
    with make_outbox(tmp_path, "town/box"):
        assert "an agent runs" in only([*box.outbox(settings)]).detail
    assert "nothing waits" in only([*box.outbox(settings)]).detail
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as db, db:
        db.execute("UPDATE owner SET device = 'town/other'")
    assert only([*box.outbox(settings)]).verdict is Verdict.BAD
    (tmp_path / "outbox.sqlite").write_bytes(b"broken" * 1000)
    assert "is broken" in only([*box.outbox(settings)]).detail


def test_a_full_outbox_must_have_room(tmp_path: Path) -> None:
    assert only([*box.disk(config(tmp_path))]).verdict is Verdict.GOOD
    settings = config(tmp_path, f"[outbox]\nmax_bytes = {1 << 60}\n")
    assert "lower outbox.max_bytes" in only([*box.disk(settings)]).fix


def test_a_broker_that_is_not_there_and_one_that_is_none(tmp_path: Path) -> None:
    assert "Connection refused" in only([*link.broker(config(tmp_path))]).detail
    url = "mqtt://nowhere.invalid"
    assert "DNS" in only([*link.broker(config(tmp_path, url=url))]).fix
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=[server]).start()
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        found = only([*link.broker(config(tmp_path, url=url))])
    assert found.verdict is Verdict.BAD


def test_what_is_not_plugged_in(tmp_path: Path, shared_data: Path) -> None:
    more = '[[sensors]]\nkind = "nmea"\nport = "/dev/serial/by-id/gone"\nbaud = 9600\n'
    assert "is not there" in only([*senses.sensors(config(tmp_path, more))]).detail
    more = '[camera]\nsource = "gone.mp4"\ndetector = "gone.onnx"\n'
    settings = config(tmp_path, more)
    assert only([*senses.camera(settings)]).verdict is Verdict.BAD
    assert only([*senses.detector(settings)]).verdict is Verdict.BAD
    video = shared_data / "video" / "highway_320x240.avi"
    found = [*senses.camera(config(tmp_path, f'[camera]\nsource = "{video}"\n'))]
    assert [one.name for one in found] == ["camera", "ground", "lines"]
    assert found[0].detail.endswith("320x240, 60/s")


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_the_command_ends_with_1_if_something_is_bad(tmp_path: Path, flag: list[str]) -> None:
    config(tmp_path)
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "box.toml"), *flag])
    assert result.exit_code == 1
    if flag:
        found = {one["name"]: one for one in map(json.loads, result.stdout.splitlines())}
        assert found["broker"]["verdict"] == "bad"
    else:
        assert "BAD   broker" in result.stdout
