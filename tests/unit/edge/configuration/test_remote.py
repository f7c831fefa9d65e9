"""Configuration from afar: whole or not at all, and back when it fails; with real files."""

import re
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from contracts.messages import ENCODER, REPORTED, Desired, Reported
from edge.config import AgentConfig, read_config
from edge.configuration.remote import Health, Remote, check_overlay

OWN = """
device: a/b
uplink: {url: mqtt://x}
camera:
  source: a.avi
  lines: [{id: own, a: [0, 0.5], b: [1, 0.5]}]
"""
LINES = {"camera": {"lines": [{"id": "far", "a": [0, 0.4], "b": [1, 0.4]}]}}
WELL = Health(camera=True, losses=0, connected=True)


class Box:
    """An agent's configuration, and what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "a.yaml"
        self.kept = folder / "outbox.sqlite.desired"
        self.file.write_text(OWN)
        self.now = 0.0
        self.start()

    def start(self) -> None:
        self.remote = Remote(
            self.kept,
            lambda overlay: read_config(self.file, (), {}, overlay=overlay),
            clock=lambda: 7,
            monotonic=lambda: self.now,
        )
        self.config = self.remote.begin()

    def look(self, health: Health = WELL) -> AgentConfig | None:
        new = self.remote.look(health)
        self.config = new or self.config
        return new

    def desire(self, version: int, config: dict[str, Any], health: Health = WELL) -> Any:
        desired = Desired(version=version, config=config, sent_at=1, watch_s=10)
        self.remote.hear(ENCODER.encode(desired))
        return self.look(health)

    @property
    def line(self) -> str:
        assert self.config.camera is not None
        return self.config.camera.lines[0].id

    def told(self) -> Reported | None:
        said = self.remote.report()
        return None if said is None else REPORTED.decode(said)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_what_works_is_accepted_after_a_while_and_outlives_a_restart(box: Box) -> None:
    assert box.told() is None
    assert box.desire(5, LINES) is not None
    assert box.line == "far"
    assert box.config.camera is not None
    assert box.config.camera.source.endswith("a.avi"), "the box's own"
    trying = box.told()
    assert trying is not None
    assert (trying.version, trying.state, trying.applied, trying.at) == (5, "trying", 5, 7)
    box.now = 9.9
    assert box.look() is None
    assert box.told() is None
    box.now = 10
    assert box.look() is None
    accepted = box.told()
    assert accepted is not None
    assert (accepted.version, accepted.state, accepted.applied) == (5, "accepted", 5)
    assert accepted.config_hash == trying.config_hash
    box.start()
    assert box.line == "far"
    assert box.told() == accepted
    assert box.desire(5, LINES) is None, "it is retained, and comes at each connection"
    assert box.told() == accepted
    assert box.desire(4, {}) is None, "an older one changes nothing"
    assert box.line == "far"


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (Health(camera=False, losses=0, connected=True), "no picture came within 10 s"),
        (Health(camera=True, losses=0, connected=False), "the uplink was down after 10 s"),
    ],
)
def test_what_does_not_work_is_taken_back(box: Box, health: Health, reason: str) -> None:
    own = box.config
    box.desire(5, LINES)
    box.now = 9
    assert box.look(health) is None, "it has time"
    box.now = 11
    assert box.look(health) == own
    told = box.told()
    assert told is not None
    assert (told.version, told.state, told.applied, told.reason) == (5, "rolled-back", 0, reason)
    assert box.desire(5, LINES) is None, "it is not tried again"
    box.start()
    assert box.config == own


def test_a_camera_that_is_lost_again_and_again_is_enough(box: Box) -> None:
    box.desire(5, LINES, Health(camera=True, losses=3, connected=True))
    assert box.look(Health(camera=False, losses=4, connected=True)) is None
    assert box.look(Health(camera=True, losses=5, connected=True)) is not None
    assert box.line == "own"


def test_a_camera_that_was_not_seen_before_need_not_be(box: Box) -> None:
    blind = Health(camera=False, losses=0, connected=True)
    box.desire(5, LINES, blind)
    box.now = 11
    assert box.look(blind) is None
    assert box.line == "far"


def test_what_was_accepted_last_is_what_is_returned_to(box: Box) -> None:
    box.desire(5, LINES)
    box.now = 10
    box.look()
    box.desire(6, {"batches": {"max_age_s": 2}})
    assert box.line == "own", "what is desired is the whole of it"
    box.desire(7, {"camera": {"lines": []}})
    box.now = 30
    assert box.look(Health(camera=False, losses=0, connected=True)) is not None
    assert box.line == "far", "5, not 6, that was never accepted"
    told = box.told()
    assert told is not None
    assert (told.version, told.applied) == (7, 5)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"uplink": {"url": "mqtt://evil"}}, "uplink is not set from afar, only batches, camera"),
        ({"outbox": {}}, "outbox is not set from afar"),
        ({"camera": {"clock": "sundial"}}, "what is desired: camera.clock is 'sundial'"),
        ({"camera": {"lines": [{"id": "x", "a": [384, 0], "b": [0, 0]}]}}, "x is 384: coordinates"),
        ({"camera": {"source": "rtsp://u:s3cret@x"}}, r"camera.source is \*\*\*: no password"),
        ({"camera": {"password": "s3cret"}}, r"camera.password is \*\*\*: no secret is sent"),
        ({"sensors": [{"kind": "http", "token": "s3cret"}]}, r"token is \*\*\*: no secret is sent"),
        ({"sensors": [{"kind": "http", "token": "file:/etc/s3cret"}]}, "no secret is sent"),
        ({"camera": {"drawn_on": [768, 576]}}, "say the same, or give all of its coordinates"),
        ({"camera": 5}, "what is desired: camera is 5"),
        ({"camera": {"drawn_on": [768, 576], "masks": []}}, "is None on the box"),
    ],
)
def test_what_may_not_be_is_rejected_with_its_reason(
    box: Box, config: dict[str, Any], reason: str
) -> None:
    own = box.config
    assert box.desire(5, config) is None
    told = box.told()
    assert told is not None
    assert (told.version, told.state, told.applied) == (5, "rejected", 0)
    assert re.search(reason, told.reason)
    assert "s3cret" not in told.reason
    assert box.config == own
    box.start()
    assert box.config == own
    assert box.desire(6, LINES) is not None


WITH_SECRETS = """
device: a/b
uplink: {url: mqtt://x}
camera: {source: "rtsps://10.0.0.7/1", user: admin, password: file:camera.pw}
sensors:
  - {kind: http, url: "https://meter.example/a", values: [VALUE], token: file:meter.token}
secrets_to: ["https://other.example:8443", "rtsp://10.0.0.9"]
""".replace("VALUE", "{path: $.a, metric: air.temperature}")
VALUES = [{"path": "$.a", "metric": "air.temperature"}]


@pytest.fixture
def rich(tmp_path: Path) -> Box:
    for name in ("camera.pw", "meter.token", "outbox.key"):
        (tmp_path / name).write_text("s3cret")
    box = Box(tmp_path)
    box.file.write_text(WITH_SECRETS)
    box.start()
    return box


def http(url: str, *, bearer: str | None = None, account: bool = False) -> dict[str, Any]:
    sensor: dict[str, Any] = {"kind": "http", "url": url, "values": VALUES}
    if bearer is not None:
        sensor["token"] = f"file:{bearer}"
    return sensor | ({"user": "a", "password": "file:camera.pw"} if account else {})


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"camera": {"source": "rtsps://evil.example/1?a=b"}},
            "own file does not go; add rtsps://evil.example to secrets_to in that file",
        ),
        ({"camera": {"source": "rtsp://10.0.0.7/1"}}, "add rtsp://10.0.0.7 to secrets_to"),
        ({"camera": {"source": "rtsps://10.0.0.7:8554/1"}}, "add rtsps://10.0.0.7:8554 to"),
        ({"camera": {"source": "async:rtsps://10.0.0.7/1"}}, "camera.source is 'async:rtsps"),
        ({"camera": {"source": "rtsps://10.0.0.7\\.evil.example/1"}}, "camera.source is"),
        ({"camera": {"source": "rtsps://10.0.0.7\t.evil.example/"}}, "camera.source is"),
        (
            {"sensors": [http("https://evil.example/x?key=1", bearer="outbox.key")]},
            "sensors.0.url is 'https://evil.example/x': from afar no secret",
        ),
        ({"sensors": [http("http://meter.example", bearer="meter.token")]}, "add http://meter.example"),
        ({"sensors": [http("https://other.example/", account=True)]}, "sensors.0.url is"),
        (
            {"sensors": [{"kind": "lines", "source": "a"}, http("https://e.x/", account=True)]},
            "sensors.1.url is",
        ),
        ({"modem": http("https://e.x/", bearer="meter.token")}, "modem.url is"),
    ],
)  # fmt: skip
def test_no_secret_of_the_box_is_sent_elsewhere(
    rich: Box, config: dict[str, Any], reason: str
) -> None:
    own = rich.config
    assert rich.desire(5, config) is None
    told = rich.told()
    assert told is not None
    assert (told.state, told.applied) == ("rejected", 0)
    assert reason in told.reason
    assert "s3cret" not in told.reason
    assert rich.config == own


@pytest.mark.parametrize(
    "config",
    [
        {"camera": {"source": "rtsps://10.0.0.7:322/other"}},
        {"camera": {"source": "rtsp://10.0.0.9:554/1"}},
        {"camera": {"source": "rtsp://evil.example/1", "user": None, "password": None}},
        {"sensors": [http("https://meter.example/b", bearer="outbox.key")]},
        {"sensors": [http("https://other.example:8443/b", account=True)]},
        {"sensors": [http("http://anybody.example/b")]},
    ],
)  # fmt: skip
def test_secrets_go_where_the_box_itself_goes(rich: Box, config: dict[str, Any]) -> None:
    assert rich.desire(5, config) is not None


def test_what_was_accepted_is_taken_back_when_the_box_goes_there_no_more(rich: Box) -> None:
    rich.desire(5, {"camera": {"source": "rtsp://10.0.0.9/1"}})
    rich.now = 10
    rich.look()
    rich.file.write_text(WITH_SECRETS.partition("secrets_to")[0])
    rich.start()
    told = rich.told()
    assert told is not None
    assert told.state == "rolled-back"
    assert "add rtsp://10.0.0.9 to secrets_to" in told.reason


@pytest.mark.parametrize("place", ["10.0.0.7", "ftp://a", "http://a/b", "http://u@a", "http://a:b"])
def test_places_are_schemes_and_hosts(rich: Box, place: str) -> None:
    rich.file.write_text(WITH_SECRETS.replace("rtsp://10.0.0.9", place))
    with pytest.raises(SettingsError, match=r"secrets_to\.1 is .* not scheme://host"):
        rich.start()


def test_null_takes_a_key_away_and_sizes_may_be_given_with_all_coordinates(box: Box) -> None:
    box.desire(5, {"camera": {"lines": None}})
    assert box.config.camera is not None
    assert box.config.camera.lines == []
    line = {"id": "px", "a": [0, 300], "b": [768, 300]}
    box.desire(6, {"camera": {"drawn_on": [768, 576], "lines": [line]}})
    assert box.config.camera.vision(768, 576).lines[0].b == (768, 300)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"version": 0}', b"\xff", b"[" * 9999])
def test_what_is_no_message_changes_nothing(box: Box, payload: bytes) -> None:
    box.remote.hear(payload)
    assert box.look() is None
    assert box.told() is None
    assert not box.kept.exists()


def test_a_power_cut_leaves_the_old_one_or_the_new_one(box: Box, tmp_path: Path) -> None:
    """Whatever was written of the next file, before it took the old one's place."""
    box.desire(5, LINES)
    box.now = 10
    box.look()
    old = box.kept.read_bytes()
    box.desire(6, {"camera": {"lines": []}})
    new = box.kept.read_bytes()
    for length in (0, 1, len(new) // 2, len(new)):
        box.kept.write_bytes(old)
        (tmp_path / "outbox.sqlite.desired.new").write_bytes(new[:length])
        box.start()
        assert box.line == "far"
    box.kept.write_bytes(new)
    box.start()
    assert box.config.camera is not None
    assert box.config.camera.lines == []
    box.now += 10
    assert box.look(Health(camera=False, losses=0, connected=True)) is not None, "still on trial"
    assert box.line == "far"


def test_an_agent_that_ends_again_and_again_returns_by_itself(box: Box) -> None:
    box.desire(5, LINES)
    for _ in range(2):
        box.start()
        assert box.line == "far"
    box.start()
    assert box.line == "own"
    told = box.told()
    assert told is not None
    assert (told.state, told.reason) == (
        "rolled-back",
        "the agent ended 3 times while it was tried",
    )


def test_what_no_longer_fits_the_box_is_taken_back(box: Box) -> None:
    box.desire(5, {"camera": {"clock": "pts"}})
    box.now = 10
    box.look()
    box.file.write_text(OWN + "  start: 2026-05-04T07:00:00Z\n")
    with pytest.raises(SettingsError, match="start:"):
        box.remote.current()
    box.start()
    assert box.config.camera is not None
    assert box.config.camera.clock == "arrival"
    told = box.told()
    assert told is not None
    assert told.state == "rolled-back"


def test_a_file_that_became_wrong_meanwhile_stops_nobody_from_returning(box: Box) -> None:
    own = box.config
    box.desire(5, LINES)
    box.start()
    box.file.write_text("nonsense")
    box.now = 11
    assert box.look(Health(camera=False, losses=0, connected=True)) == own


def test_what_cannot_be_kept_is_not_tried(box: Box) -> None:
    box.remote._path = box.kept.parent / "gone" / "outbox.desired"
    assert box.desire(5, LINES) is None
    told = box.told()
    assert told is not None
    assert (told.state, told.applied) == ("rejected", 0)
    assert "cannot be written to" in told.reason


def test_references_to_secrets_are_let_through() -> None:
    check_overlay({"sensors": [{"kind": "http", "token": "file:station.token"}]})
    check_overlay({"camera": {"password": "file:camera.pw"}})


@pytest.mark.parametrize("name", ["secret", "secret\0"])
def test_a_secret_that_is_no_text_is_refused_and_no_byte_of_it_told(box: Box, name: str) -> None:
    (box.file.parent / "secret").write_bytes(b"\xff")
    account = {"source": "rtsp://a/1", "user": "a", "password": f"file:{name}"}
    assert box.desire(5, {"camera": account}) is None
    told = box.told()
    assert told is not None
    assert told.state == "rejected"
    assert told.reason.endswith(": no text. Name a readable file.")
