"""Events of ONVIF cameras: asked for as the WSDL wants it, and told as the platform knows them."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from contracts.clock import MICROSECONDS, to_micros, utc_now
from contracts.events import (
    CAMERA_COVERED,
    CAMERA_DARK,
    CAMERA_INSIDE,
    CAMERA_LINE,
    CAMERA_MOTION,
    CAMERA_MOVED,
    INCIDENTS,
    OVER,
)
from contracts.incidents import from_text
from contracts.metrics import CAMERA_UNMAPPED
from contracts.settings import SettingsError
from edge.agent import Agent
from edge.batches import Event, Scalar
from edge.cli import app
from edge.config import Camera, read_config
from edge.errors import SourceError
from edge.onvif import events, listen
from edge.onvif.device import Device
from edge.onvif.events import DEEPEST, Notification, PullPoint, notifications, offered
from edge.onvif.listen import Listener, captured
from edge.onvif.resolve import service
from edge.onvif.said import MOST, Said
from edge.onvif.soap import read
from tests.unit.edge.onvif import event_camera
from tests.unit.edge.onvif.event_camera import EventCamera, envelope
from tests.unit.edge.test_going_on import told as kept

NOW = to_micros(datetime(2026, 5, 4, 7, 0, tzinfo=UTC))
DARK = "tns1:VideoSource/ImageTooDark/ImagingService"
SOURCE = {"Source": "VideoSourceToken"}
S, R = {"Source": "1"}, {"VideoSourceConfigurationToken": "v", "Rule": "r"}
PATIENCE = 15.0

KINDS: list[dict[str, Any]] = [
    {},
    {"axis": True},
    {"hostless": True, "extends": True},
    {"ahead": timedelta(days=-2190), "axis": True, "renews": False, "limit": 1},
]
"""What cameras differ in."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing as long as for a real camera."""
    monkeypatch.setattr(events, "PULL", 0.05)
    monkeypatch.setattr(listen, "LEAST", 0.02)
    monkeypatch.setattr("edge.backoff.random.uniform", lambda *_: 0.05)


def settings(device: EventCamera, **keys: Any) -> Camera:
    user, password = device.account
    account = {"user": user, "password": password}
    source = f"onvif://127.0.0.1:{device.port}"
    return Camera.model_validate({"source": source, "events": True, **account, **keys})


def device_of(device: EventCamera) -> Device:
    return Device(service(settings(device), 5.0))


class Told:
    """What a listener tells."""

    def __init__(self) -> None:
        self.rows: list[Event | Scalar] = []
        self._change = threading.Condition()

    def __call__(self, rows: Any) -> None:
        with self._change:
            self.rows += rows
            self._change.notify_all()

    def wait(self, holds: Callable[[list[str]], bool]) -> list[str]:
        with self._change:
            assert self._change.wait_for(lambda: holds(self.kinds), PATIENCE), self.rows
            return self.kinds

    @property
    def kinds(self) -> list[str]:
        return [row.kind for row in self.rows if isinstance(row, Event)]


@contextmanager
def listening(device: EventCamera) -> Iterator[tuple[Listener, Told]]:
    told = Told()
    listener = Listener(settings(device), told, utc_now)
    thread = threading.Thread(target=listener.run, kwargs={"until_done": False})
    thread.start()
    try:
        yield listener, told
    finally:
        listener.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def said(topic: str, source: dict[str, str], data: dict[str, str], **more: Any) -> Notification:
    return Notification(topic, None, more.get("operation", "Changed"), source, data)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.usefixtures("hasty")
def test_a_subscription_is_kept_and_given_back(
    kind: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr(events, "time", clock)
    with EventCamera(**kind) as device:
        with PullPoint(device_of(device)) as point:
            assert [each.topic for each in point.pull()][:2] == [
                "VideoSource/MotionAlarm",
                "RuleEngine/CellMotionDetector/Motion",
            ]
            for _ in range(6):  # two of its lives
                passed += 20
                device.ahead += timedelta(seconds=20)
                device.say(event_camera.Said(DARK, SOURCE, {"State": "true"}))
                assert "Changed" in [each.operation for each in point.pull()], "none is lost"
            assert point.ahead == pytest.approx(device.ahead, abs=timedelta(seconds=2))
            assert len(device.points) == 1
        assert device.points == {}
        assert device.violations == []
        assert ("Renew" in device.asked) is not kind.get("extends", False)


@pytest.mark.usefixtures("hasty")
def test_a_camera_that_forgets_is_asked_anew_and_nothing_begins_twice() -> None:
    with EventCamera() as device, listening(device) as (listener, told):
        device.await_asked("PullMessages", 1)
        device.say(event_camera.Said(DARK, SOURCE, {"State": "true"}))
        told.wait(lambda kinds: kinds == [CAMERA_DARK])
        device.forget()
        device.await_asked("CreatePullPointSubscription", 2)
        device.say(event_camera.Said(DARK, SOURCE, {"State": "false"}))
        told.wait(lambda kinds: kinds == [CAMERA_DARK, CAMERA_DARK + OVER])
        assert listener.unmapped == 2  # LastReboot, twice
        assert device.violations == []


@pytest.mark.usefixtures("hasty")
def test_what_ended_while_nobody_listened_ends() -> None:
    with EventCamera() as device, listening(device) as (_, told):
        device.await_asked("PullMessages", 1)
        device.say(event_camera.Said(DARK, SOURCE, {"State": "true"}))
        told.wait(lambda kinds: kinds == [CAMERA_DARK])
        device.forget()
        device.say(event_camera.Said(DARK, SOURCE, {"State": "false"}))
        told.wait(lambda kinds: kinds == [CAMERA_DARK, CAMERA_DARK + OVER])


HOSTILE = {
    "no XML": b"<html>busy",
    "nothing": b"",
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + envelope("&b;"),
    "huge": envelope("<a/>" * 270_000),
    "fault": envelope("<env:Fault/>"),
}
ODD = {
    "deep": envelope("<a>" * 100_000 + "</a>" * 100_000),
    "nothing in it": envelope("<tev:PullMessagesResponse/>"),
    "wrong times": envelope(
        "<tev:PullMessagesResponse><tev:CurrentTime>0001-01-01T00:00:00+14:00</tev:CurrentTime>"
        "<tev:TerminationTime>9999-12-31T23:59:59-14:00</tev:TerminationTime>"
        "<wsnt:NotificationMessage><wsnt:Topic>tns1:VideoSource/MotionAlarm</wsnt:Topic>"
        '<wsnt:Message><tt:Message UtcTime="9999-99-99"><tt:Source/><tt:Data/></tt:Message>'
        "</wsnt:Message></wsnt:NotificationMessage></tev:PullMessagesResponse>"
    ),
    "no message": envelope(
        "<tev:PullMessagesResponse><tev:CurrentTime>yesterday</tev:CurrentTime>"
        "<wsnt:NotificationMessage/></tev:PullMessagesResponse>"
    ),
}


@pytest.mark.parametrize(("answers", "unusable"), [(HOSTILE, True), (ODD, False)])
@pytest.mark.usefixtures("hasty")
def test_what_a_camera_says_wrongly_hurts_nobody(
    answers: dict[str, bytes], unusable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with EventCamera() as device, listening(device) as (_, told):
        device.await_asked("PullMessages", 1)
        for k, answer in enumerate(answers.values()):
            device.instead = answer
            device.await_asked("PullMessages", device.asked.count("PullMessages") + 2)
            device.instead = None
            device.say(event_camera.Said(DARK, SOURCE, {"State": str(k % 2 == 0).lower()}))
            told.wait(lambda kinds, heard=k + 1: len(kinds) == heard)  # type: ignore[misc]
    assert told.kinds == ([CAMERA_DARK, CAMERA_DARK + OVER] * len(answers))[: len(told.kinds)]
    assert told.kinds[-1] == CAMERA_DARK + OVER, "at the latest when nobody listens any more"
    lost = [r for r in caplog.messages if " lost: " in r]
    assert len(lost) == (len(answers) if unusable else 0)
    assert "p@ss" not in caplog.text


@pytest.mark.usefixtures("hasty")
def test_a_camera_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "TIMEOUT", 0.3)
    with EventCamera() as device:
        with listening(device) as (listener, told):
            device.await_asked("PullMessages", 1)
            device.say(event_camera.Said(DARK, SOURCE, {"State": "true"}))
            told.wait(lambda kinds: kinds == [CAMERA_DARK])
            device.hangs.set()
            device.await_asked("PullMessages", device.asked.count("PullMessages") + 1)
            listener.stop()
            assert told.kinds == [CAMERA_DARK, CAMERA_DARK + OVER], "said at once"
        detail = from_text(told.rows[-1].detail)  # type: ignore[union-attr]
        assert detail.why[0].name == "listened"


@pytest.mark.usefixtures("hasty")
def test_an_agent_listens_and_says_what_it_cannot_use(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with EventCamera() as device:
        camera = json.loads(settings(device).for_child())
        keys = {k: camera[k] for k in ("source", "user", "password", "events")}
        file.write_text(
            f"device: town/cam\nuplink:\n  url: mqtt://127.0.0.1:1\ncamera: {json.dumps(keys)}\n"
        )
        agent = Agent(read_config(file, environment={}), clock=utc_now)
        agent._parts.start(agent._config, until_done=False)
        device.await_asked("PullMessages", 1)
        device.say(event_camera.Said(DARK, SOURCE, {"State": "true"}))
        until = time.monotonic() + PATIENCE
        while kept(agent) != [CAMERA_DARK] and time.monotonic() < until:
            time.sleep(0.01)
        health = {scalar.metric: scalar.value for scalar in agent._health()}
        agent._parts.stop()
    assert health[CAMERA_UNMAPPED] == 1  # LastReboot
    assert kept(agent) == [CAMERA_DARK, CAMERA_DARK + OVER]
    agent._batcher.close()
    agent._outbox.close()


@pytest.mark.parametrize("keys", [{"password": "wrong"}, {"user": None, "password": None}])
def test_an_account_that_is_not_taken_is_told(keys: dict[str, Any]) -> None:
    with EventCamera() as device:
        asked = Device(service(settings(device, **keys), 5.0))
        with pytest.raises(SourceError, match=r"check camera\.user and camera\.password"):
            PullPoint(asked)


def test_a_camera_without_room_says_so() -> None:
    with EventCamera(limit=0) as device, pytest.raises(SourceError, match="Too many pull points"):
        PullPoint(device_of(device))


def test_topics_are_listed_however_deep_somebody_nests_them() -> None:
    with EventCamera() as device:
        assert offered(device_of(device)) == [
            "Device/HardwareFailure/HardDiskFull",
            "Device/Trigger/DigitalInput",
            "RuleEngine/TamperDetector/Tamper",
            "VideoSource/ImageTooDark/ImagingService",
            "VideoSource/MotionAlarm",
        ]
        assert device.violations == []
    deep = read(envelope('<a wstop:topic="1">' * 20_000 + "</a>" * 20_000))
    assert deep is not None
    assert len(list(events._topics(deep))) == DEEPEST - 1  # below the envelope's body


@pytest.mark.parametrize(
    ("topic", "source", "item", "kind", "place"),
    [
        ("VideoSource/ImageTooDark/ImagingService", S, "State", CAMERA_DARK, "1"),
        ("VideoSource/ImageTooBlurry/AnalyticsService", S, "State", CAMERA_COVERED, "1"),
        ("VideoSource/GlobalSceneChange/ImagingService", S, "State", CAMERA_MOVED, "1"),
        ("RuleEngine/TamperDetector/Tamper", R, "IsTamper", CAMERA_COVERED, "r"),
        ("VideoSource/MotionAlarm", {}, "State", CAMERA_MOTION, "camera itself"),
        ("RuleEngine/CellMotionDetector/Motion", {"Rule": "r"}, "IsMotion", CAMERA_MOTION, "r"),
        ("RuleEngine/MotionRegionDetector/Motion", {"V": "0"}, "State", CAMERA_MOTION, "0"),
        ("RuleEngine/FieldDetector/ObjectsInside", {"Rule": "r"}, "IsInside", CAMERA_INSIDE, "r"),
    ],
)  # fmt: skip
def test_what_goes_on_begins_and_ends(
    topic: str, source: dict[str, str], item: str, kind: str, place: str
) -> None:
    camera = Said()
    assert camera.take(said(topic, source, {item: "false"}, operation="Initialized"), NOW) == []
    [begins] = camera.take(said(topic, source, {item: "true"}), NOW)
    assert camera.take(said(topic, source, {item: "1"}), NOW + 1) == []
    [ends] = camera.take(said(topic, source, {item: "0"}), NOW + 2_500_000)
    assert isinstance(begins, Event)
    assert isinstance(ends, Event)
    assert (begins.kind, begins.object, begins.t) == (kind, place, NOW)
    assert (ends.kind, ends.object, ends.value) == (kind + OVER, place, 2.5)
    details = from_text(begins.detail), from_text(ends.detail)
    assert details[0].incident == details[1].incident
    assert [(d.phase, d.began) for d in details] == [("begins", NOW), ("ends", NOW)]
    assert (kind in INCIDENTS) is topic.startswith(
        ("VideoSource/I", "VideoSource/G", "RuleEngine/T")
    )


def test_a_line_that_was_crossed_before_is_not_crossed() -> None:
    camera, source = Said(), {"VideoSourceConfigurationToken": "v", "Rule": "MyLine"}
    topic, data = "RuleEngine/LineDetector/Crossed", {"ObjectId": "7"}
    assert camera.take(said(topic, source, data, operation="Initialized"), NOW) == []
    [event] = camera.take(said(topic, source, data), NOW)
    assert isinstance(event, Event)
    assert (event.kind, event.object, event.detail) == (CAMERA_LINE, "MyLine", "")


def test_inputs_are_scalars() -> None:
    camera, topic = Said(), "Device/Trigger/DigitalInput"
    rows = [
        camera.take(said(topic, {"InputToken": "Input 1/A"}, {"LogicalState": state}), NOW)
        for state in ("true", "false")
    ]
    assert rows == [[Scalar(NOW, "camera.input.input-1-a", on)] for on in (1.0, 0.0)]


def test_what_means_nothing_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    camera = Said()
    unknown = [
        said("Monitoring/ProcessorUsage", {}, {"Value": "0.3"}),
        said("VideoSource/MotionAlarm", {}, {"State": "perhaps"}),
        said("VideoSource/MotionAlarm", {}, {}),
        said("\x1b[2J", {}, {}),
        said("", {}, {}),
    ]
    for each in (*unknown, *unknown):
        assert camera.take(each, NOW) == []
    assert camera.unmapped == 10
    assert len(caplog.messages) == 4
    assert "\x1b" not in caplog.text
    for k in range(3 * MOST):
        camera.take(said(f"Vendor/{k}", {}, {}), NOW)
        camera.take(said("VideoSource/MotionAlarm", {"Source": str(k)}, {"State": "true"}), NOW)
    assert len(camera._begun) == MOST
    assert len(caplog.messages) == MOST
    assert camera.unmapped == 10 + 3 * MOST + 2 * MOST
    assert len(camera.abandon(NOW)) == MOST
    assert camera.abandon(NOW) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(-5, 5), st.booleans()),
        max_size=40,
    )
)
def test_whatever_comes_each_begin_has_one_end_after_it(
    heard: list[tuple[str, bool, int, bool]],
) -> None:
    camera, told, now = Said(), [], NOW
    for source, on, step, again in heard:
        now += step * MICROSECONDS  # the camera's clock may go back
        operation = "Initialized" if again else "Changed"
        data = {"IsMotion": str(on).lower()}
        one = said(
            "RuleEngine/CellMotionDetector/Motion", {"Rule": source}, data, operation=operation
        )
        told += camera.take(one, now)
    told += camera.abandon(now)
    for source in "ab":
        own = [e for e in told if isinstance(e, Event) and e.object == source]
        assert [e.kind for e in own] == [CAMERA_MOTION, CAMERA_MOTION + OVER] * (len(own) // 2)
        for begins, ends in zip(own[::2], own[1::2], strict=True):
            assert from_text(begins.detail).incident == from_text(ends.detail).incident
            assert ends.t >= begins.t
            assert ends.value == (ends.t - begins.t) / MICROSECONDS


@given(
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    ahead=st.none() | st.timedeltas(timedelta(days=-30_000), timedelta(days=30_000)),
)
def test_no_camera_says_that_something_happened_when_it_cannot_have(
    at: datetime | None, ahead: timedelta | None
) -> None:
    assert NOW - 60 * MICROSECONDS <= captured(at, ahead, NOW) <= NOW


@given(
    before=st.integers(0, 60 * MICROSECONDS),
    ahead=st.timedeltas(timedelta(days=-9000), timedelta(days=9000)),
)
def test_the_cameras_clock_makes_no_difference(before: int, ahead: timedelta) -> None:
    happened = datetime(2026, 5, 4, 7, 0, tzinfo=UTC) - timedelta(microseconds=before)
    assert captured(happened + ahead, ahead, NOW) == NOW - before


def test_prefixes_and_white_space_of_topics_do_not_matter() -> None:
    topic = "\n tns1:Device/tns1:Trigger/tnssamsung:DigitalInput \n"
    answer = read(
        envelope(
            f"<wsnt:NotificationMessage><wsnt:Topic>{topic}</wsnt:Topic><wsnt:Message>"
            '<tt:Message UtcTime="2019-03-12T23:48:28.371215Z"/></wsnt:Message>'
            "</wsnt:NotificationMessage>"
        )
    )
    assert answer is not None
    [found] = notifications(answer)
    at = datetime(2019, 3, 12, 23, 48, 28, 371215, tzinfo=UTC)
    assert found == Notification("Device/Trigger/DigitalInput", at, "", {}, {})


def test_events_are_of_onvif_cameras_only(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    text = "device: a/b\nuplink:\n  url: mqtt://x\ncamera:\n  events: true\n  source: "
    path.write_text(text + "onvif://cam")
    assert read_config(path, environment={}).camera == Camera(source="onvif://cam", events=True)
    path.write_text(text + "rtsp://cam/1")
    with pytest.raises(SettingsError, match=r"events: only a camera with onvif://"):
        read_config(path, environment={})


@pytest.mark.usefixtures("hasty")
def test_the_installer_is_shown_what_comes(tmp_path: Path) -> None:
    path, secret = tmp_path / "a.yaml", tmp_path / "camera.password"
    with EventCamera(ahead=timedelta(minutes=-5)) as device:
        secret.write_text(device.account[1] + "\n")
        camera = {
            "source": f"onvif://127.0.0.1:{device.port}",
            "user": "admin",
            "password": "file:camera.password",
        }
        path.write_text(f"device: a/b\nuplink:\n  url: mqtt://x\ncamera: {json.dumps(camera)}\n")
        shown = CliRunner().invoke(app, ["cameras", "events", str(path), "--seconds", "0.1"])
        assert shown.exit_code == 0, shown.output
        assert device.points == {}
    lines = shown.output.splitlines()
    assert f"onvif://127.0.0.1:{device.port} offers 5 events" in lines
    assert "    Device/HardwareFailure/HardDiskFull: not used" in lines
    assert "    VideoSource/ImageTooDark/ImagingService: camera.dark" in lines
    assert any(line.startswith("its clock is -") for line in lines)
    heard = "Device/Trigger/DigitalInput  Initialized  InputToken=0  LogicalState=false"
    assert any(line.endswith(f"{heard}: camera.input") for line in lines)
    assert device.account[1] not in shown.output
    gone = CliRunner().invoke(app, ["cameras", "events", str(path)])
    assert (gone.exit_code, "does not answer" in gone.output) == (1, True)
    path.write_text("device: a/b\nuplink:\n  url: mqtt://x\n")
    assert CliRunner().invoke(app, ["cameras", "events", str(path)]).exit_code == 2
