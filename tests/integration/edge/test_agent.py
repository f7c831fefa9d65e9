import hashlib
import socket
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from contracts.batch import CONTENT_TYPE
from contracts.clock import utc_now
from contracts.viewing import Permit, mint
from edge.proof import read_proof

LINE = "[{id: all, a: [0, 0.625], b: [1, 0.625]}]"
NOWHERE = "mqtt://127.0.0.1:1"


Eventually = Callable[..., Any]


@pytest.fixture
def highway(shared_data: Path) -> dict[str, str]:
    return {
        "camera__source": str(shared_data / "video" / "highway_320x240.avi"),
        "camera__lines": LINE,
    }


def waiting_in(path: Path) -> int:
    with sqlite3.connect(path) as db:
        count: int = db.execute("SELECT count(*) FROM batch").fetchone()[0]
    db.close()
    return count


def test_a_recording_arrives_whole(
    platform: Any, run_agent: Any, shared_data: Path, tmp_path: Path
) -> None:
    """Cars from straight above: two go up, two go down, in 377 frames at 12.5 a second."""
    agent = run_agent(
        "--until-done",
        camera__source=str(shared_data / "video" / "cars_overhead.mp4"),
        camera__pace="fast",
        camera__start="2026-05-04T07:00:00Z",
        camera__anchor="centre",
        camera__drawn_on="[768, 432]",
        camera__lines="[{id: all, a: [0, 220], b: [768, 220], enters: in}]",
        camera__zones="[{id: band, corners: [[-9, 180], [777, 180], [777, 260], [-9, 260]]}]",
        camera__calibration="[[0, 432, 0, 0], [768, 432, 77, 0], [0, 0, 0, 43], [768, 0, 77, 43]]",
    )
    assert agent.wait() == 0, agent.log
    (boot,) = platform.boots()
    assert platform.seqs(boot) == set(range(len(platform.batches)))
    assert waiting_in(tmp_path / "outbox.sqlite") == 0
    assert sum(platform.values("camera.frames")) == 377
    assert sum(platform.values("camera.observed")) == pytest.approx(376 / 12.5, abs=0.001)
    crossings = platform.events("crossing")
    assert sorted(crossing["direction"] for crossing in crossings) == [-1, -1, 1, 1]
    assert all(crossing["value"] > 0 for crossing in crossings), "speeds on the ground"
    turned = [batch.names for batch in platform.batches.values() if "turn" in batch.names]
    assert {name for names in turned for name in names if ">" in name} == {"all>", ">all"}
    assert len(platform.events("turn")) == 4, "each was at one gate only"
    visits = platform.events("dwell")
    assert sorted(v["track"] for v in visits) == sorted(c["track"] for c in crossings)
    assert all(visit["value"] > 0 for visit in visits), "seconds in the zone"
    assert 1 <= max(platform.values("zone.occupancy.band.unknown")) <= 2
    assert all(batch.simulated for batch in platform.batches.values())
    assert [s.status for s in platform.states if s.boot == boot][-1] == "offline"
    assert "online" in [s.status for s in platform.states if s.boot == boot]
    for message in platform.messages:
        properties = dict(message.properties.UserProperty)
        assert message.properties.ContentType == CONTENT_TYPE
        assert properties["boot"] == boot.hex
        assert int(properties["seq"]) in platform.seqs(boot)
        assert properties["schema"].split("/")[0] == message.topic.rsplit("/", 1)[1]
    tracks = [b.columns for b in platform.batches.values() if b.schema == "tracks/2"]
    passed = {crossing["track"] for crossing in crossings}
    assert passed <= {int(t) for columns in tracks for t in columns["track"]}
    for columns in tracks:
        assert np.isfinite(columns["x"]).all()
        assert (np.lexsort((columns["t"], columns["track"])) == np.arange(len(columns["t"]))).all()


def test_a_killed_agent_loses_nothing(
    platform: Any, run_agent: Any, highway: dict[str, str], tmp_path: Path, eventually: Eventually
) -> None:
    platform.says_durable = False
    # so that a dozen batches are there long before the recording is over
    agent = run_agent(**highway, camera__pace="fast", batches__patient_age_s="0.5")
    eventually("a dozen batches", lambda: len(platform.batches) >= 12)
    child = agent.child()
    agent.kill()
    eventually("the end of the camera's process", lambda: not _runs(child))
    left = waiting_in(tmp_path / "outbox.sqlite")
    assert left >= 12
    (boot,) = platform.boots()
    platform.commit_all()
    again = run_agent()
    eventually("the second boot", lambda: len(platform.boots()) > 1)
    eventually("the killed boot's", lambda: len(platform.seqs(boot)) >= left)
    assert again.terminate() == 0, again.log
    assert platform.seqs(boot) == set(range(left)), "every batch of the killed boot"
    other = next(b for b in platform.boots() if b != boot)
    assert platform.seqs(other) == set(range(len(platform.seqs(other))))
    assert all(len(digests) == 1 for digests in platform.digests.values()), "same name, same batch"


def test_what_is_not_durable_is_sent_again(
    platform: Any, run_agent: Any, eventually: Eventually
) -> None:
    platform.says_durable = False
    agent = run_agent(uplink__resend_after_s="0.5")
    eventually("repetitions", lambda: platform.deliveries >= len(platform.batches) + 3 > 3)
    platform.commit_all()
    eventually("an empty outbox", lambda: _last(platform.values("agent.outbox_bytes")) < 1000)
    assert agent.terminate() == 0
    assert all(len(digests) == 1 for digests in platform.digests.values())


def test_a_full_outbox_reports_exactly_what_is_gone(
    platform: Any, run_agent: Any, tmp_path: Path, eventually: Eventually
) -> None:
    lines = tmp_path / "lines.jsonl"
    rng = np.random.default_rng(1)
    with lines.open("w") as file:
        for n in range(60_000):
            value = rng.random()
            file.write(f'{{"t": {n + 10**15}, "metric": "noise.level", "value": {value}}}\n')
            if n % 10 == 0:
                file.write(f'{{"t": {n + 10**15}, "code": {n % 100}, "parameter": 1}}\n')
    away = run_agent(
        "--until-done", "--drain=0.1", url=NOWHERE, sensors=f'[{{source = "{lines}"}}]',
        outbox__max_bytes="131072",
    )  # fmt: skip
    assert away.wait() == 3, "batches are left"
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        ((end,),) = db.execute("SELECT next FROM boot").fetchall()
        kept = {seq for (seq,) in db.execute("SELECT seq FROM batch")}
    db.close()
    assert len(kept) < end, "some had to go"
    back = run_agent(outbox__max_bytes="131072")
    boot = eventually("the first boot", lambda: next(iter(platform.boots()), None))
    first = eventually("kept batches", lambda: _boot_with(platform, kept))
    eventually("the report", lambda: len(platform.gone(first)) >= end - len(kept))
    assert boot
    assert back.terminate() == 0
    gone = platform.gone(first)
    assert sorted(gone) == sorted(set(range(end)) - kept), "each once, none that was kept"


def test_a_killed_camera_process_is_replaced(
    platform: Any, run_agent: Any, highway: dict[str, str], eventually: Eventually
) -> None:
    agent = run_agent(**highway)
    eventually("frames", lambda: platform.values("camera.frames"))
    agent.child().kill()
    eventually("a lost camera", lambda: platform.events("camera.lost"))
    (back,) = eventually("a camera that is back", lambda: platform.events("camera.back"))
    assert back["value"] > 0
    assert agent.terminate() == 0
    states = [s.camera for s in platform.states if s.status == "online"]
    assert states[-3:] == [True, False, True]
    assert agent.log.count("lost: its process ended") == 1


def test_a_camera_process_that_hangs_is_replaced(
    platform: Any, run_agent: Any, highway: dict[str, str], eventually: Eventually
) -> None:
    agent = run_agent(**highway, camera__lost_after_s="1.5")
    eventually("frames", lambda: platform.values("camera.frames"))
    agent.child().suspend()
    eventually("a camera that is back", lambda: platform.events("camera.back"))
    assert "no frame for 2.5 s" in agent.log
    assert agent.terminate() == 0


def test_a_malformed_recording_is_survived(
    platform: Any, run_agent: Any, shared_data: Path
) -> None:
    source = str(shared_data / "video" / "malformed.avi")
    agent = run_agent("--until-done", camera__source=source)
    assert agent.wait() == 0, agent.log
    assert sum(platform.values("camera.frames")) == 51


def test_no_recording_at_all_is_said(
    run_agent: Any, platform: Any, tmp_path: Path, eventually: Eventually
) -> None:
    nothing = tmp_path / "nothing.avi"
    nothing.write_bytes(b"RIFF" + bytes(5000))
    agent = run_agent(camera__source=str(nothing))
    eventually("the reason", lambda: "cannot be opened" in agent.log)
    eventually("its health", lambda: platform.values("agent.outbox_bytes"))
    assert agent.terminate() == 0
    assert not platform.values("camera.observed"), "no camera is missing, not zero"


def test_sensors_and_modem_over_tcp(platform: Any, run_agent: Any, eventually: Eventually) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        agent = run_agent(modem__source=f"tcp://127.0.0.1:{port}")
        connection, _ = server.accept()
        with connection:
            connection.sendall(b'{"t": 5, "metric": "modem.rsrp", "value": -91.5}\nno json\n')
            connection.sendall(b'{"t": 6, "code": 1, "para')
            connection.sendall(b'meter": 4}\n')
            eventually("the reading", lambda: platform.values("modem.rsrp") == [-91.5])
            eventually("the bad line", lambda: 1.0 in platform.values("agent.bad_lines"))
        signals = [b for b in platform.batches.values() if b.schema == "signal/1"]
        assert [b.columns["parameter"].tolist() for b in signals] == [[4]]
        connection, _ = server.accept()  # it comes again
        connection.close()
    assert agent.terminate() == 0


def test_a_refused_agent_keeps_measuring(
    platform: Any, run_agent: Any, mqtt_url: str, tmp_path: Path, eventually: Eventually
) -> None:
    place = urlsplit(mqtt_url)
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"t": 5, "metric": "air.temperature", "value": 21.5}')
    url = f"mqtt://stranger:wrong@{place.hostname}:{place.port}"
    agent = run_agent(url=url, sensors=f'[{{source = "{lines}"}}]')
    eventually("a refusal", lambda: "refuses stranger" in agent.log)
    assert agent.terminate() == 0
    assert waiting_in(tmp_path / "outbox.sqlite") > 0
    assert not platform.batches


def test_what_is_no_durable_message_is_passed_over(
    platform: Any, run_agent: Any, eventually: Eventually
) -> None:
    platform.says_durable = False
    agent = run_agent(uplink__resend_after_s="1")
    eventually("batches", lambda: len(platform.batches) > 2)
    for payload in (b"", b"{", b'{"boot": 1}', b'{"boot": "x", "ranges": []}'):
        platform.say_anything(payload)
    eventually("a warning", lambda: "what is no message" in agent.log)
    platform.commit_all()
    eventually("a drained outbox", lambda: _last(platform.values("agent.outbox_bytes")) < 1000)
    assert agent.terminate() == 0


def test_pictures_for_who_has_the_token(
    platform: Any, run_agent: Any, highway: dict[str, str], eventually: Eventually
) -> None:
    agent = run_agent(**highway, pictures__listen='"127.0.0.1:0"')
    eventually("frames", lambda: platform.values("camera.frames"))
    url = next(s.picture_url for s in platform.states if s.picture_url)
    parts = urlsplit(url)
    assert parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or 0
    shown = ssl.get_server_certificate((host, port))
    said = next(s.picture_certificate for s in platform.states if s.picture_certificate)
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest() == said
    context = ssl.create_default_context(cadata=shown)
    context.check_hostname = False
    with closing(HTTPSConnection(host, port, context=context)) as server:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert get(server, parts.path, headers)[0] == 401
        right = {"Authorization": "Bearer 0123456789abcdef"}
        assert get(server, "/other.jpg", right)[0] == 404
        got = eventually("a picture", lambda: _good(get(server, parts.path, right)))
        assert got[:2] == b"\xff\xd8"
    proof = read_proof(got)
    assert proof is not None
    assert proof.device == platform.identity
    assert proof.hidden == 1.0, "nothing is known of the street yet"
    until = utc_now() + 60_000_000
    token = mint("0123456789abcdef", Permit("view-7", platform.identity, until))
    with closing(HTTPSConnection(host, port, context=context)) as server:
        server.request("GET", "/live.mjpg", headers={"Authorization": f"Bearer {token}"})
        with server.getresponse() as live:
            assert live.status == 200
            assert b"\xff\xd8" in live.read(5000)
    began, ended = (
        eventually(kind, lambda kind=kind: platform.events(kind))
        for kind in ("view.began", "view.ended")
    )
    assert len(began) == len(ended) == 1
    assert ended[0]["value"] >= 5000
    eventually("its bytes", lambda: platform.values("pictures.still_bytes")[-1] == len(got))
    assert agent.terminate() == 0


@pytest.mark.parametrize(("model", "frames"), [(None, 200), ("yolox_nano_coco.onnx", 100)])
def test_one_camera_takes_at_most_250_mb(
    platform: Any,
    run_agent: Any,
    shared_data: Path,
    eventually: Eventually,
    model: str | None,
    frames: int,
) -> None:
    settings = {"camera__source": str(shared_data / "video" / "pets09_s2l1.avi")}
    if model is not None:
        settings["camera__detector"] = str(shared_data / "models" / model)
    agent = run_agent(**settings, camera__pace="fast", camera__lines=LINE)
    eventually("frames", lambda: sum(platform.values("camera.frames")) >= frames)
    pids = [agent.process.pid, agent.child().pid]
    resident = sum(_pss(pid) for pid in pids)
    assert agent.terminate() == 0
    assert resident <= 250e6, f"{resident / 1e6:.0f} MB"


def get(server: HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    server.request("GET", path, headers=headers)
    answer = server.getresponse()
    return answer.status, answer.read()


def _good(answer: tuple[int, bytes]) -> bytes | None:
    return answer[1] if answer[0] == 200 else None


def _boot_with(platform: Any, seqs: set[int]) -> Any:
    return next((b for b in platform.boots() if seqs <= platform.seqs(b)), None)


def _last(values: list[float]) -> float:
    return values[-1] if values else float("inf")


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _pss(pid: int) -> int:
    """Proportional set size: shared pages count once over all who share them. [byte]."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError
