from pathlib import Path

import pytest

from contracts.errors import SettingsError
from edge.config import AgentConfig, read_config
from edge.configuration.camera import Camera

LEAST = "device: usti-belehradska/cam-1\nuplink:\n  url: mqtt://broker:1884\n"
CAMERA = LEAST + "camera:\n  source: a.avi\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cam-1.yaml"


def read(path: Path, text: str, *flags: str, **environment: str) -> AgentConfig:
    path.write_text(text)
    return read_config(path, flags, environment)


def test_the_least_that_works(path: Path) -> None:
    config = read(path, LEAST)
    assert config.outbox.path == path.with_name("outbox.sqlite")
    assert config.uplink.broker(config.device) == (
        "broker", 1884, False, "usti-belehradska/cam-1", None,
    )  # fmt: skip
    assert not config.simulated
    assert config.camera is None


def test_flags_win_over_the_environment_and_that_over_the_file(path: Path) -> None:
    assert read(path, LEAST, TEPNA_MQTT_URL="mqtts://x").uplink.broker("d")[:3] == ("x", 8883, True)
    config = read(path, LEAST, "uplink.url=mqtt://flag", TEPNA_MQTT_URL="mqtts://x")
    assert config.uplink.broker("d").host == "flag"


def test_who_connects(path: Path) -> None:
    url = "mqtt://usti%2Fcam-9:pass%3Aword@broker"
    assert read(path, LEAST, f"uplink.url={url}").uplink.broker("d")[3:] == (
        "usti/cam-9", "pass:word",
    )  # fmt: skip
    config = read(path, LEAST, f"uplink.url={url}", TEPNA_MQTT_PASSWORD="100% x")  # noqa: S106
    assert config.uplink.broker("d")[4] == "100% x"


def test_paths_of_the_file_start_at_its_folder_those_of_flags_here(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = CAMERA + "sensors:\n  - source: lines.jsonl\n"
    config = read(path, text)
    assert config.camera is not None
    assert config.camera.source == str(path.with_name("a.avi"))
    assert config.sensors[0].place == str(path.with_name("lines.jsonl"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = read(path, text, "camera.source=b.avi")
    assert config.camera is not None
    assert config.camera.source == str(tmp_path / "elsewhere" / "b.avi")
    for url in ("rtsp://h/1", "tcp://h:1", "usb:0"):
        config = read(path, text, f"camera.source={url}")
        assert config.camera is not None
        assert config.camera.source == url
        assert not config.camera.is_file


def test_a_secret_may_stand_in_a_file_of_its_own(path: Path) -> None:
    path.with_name("pw").write_text("s3cret\n")
    config = read(path, LEAST + "  password: file:pw\n")
    assert config.uplink.broker("d")[4] == "s3cret"
    assert "s3cret" not in repr(config)
    with pytest.raises(SettingsError, match=r"uplink.password is 'file:.*none'.*readable file"):
        read(path, LEAST + "  password: file:none\n")
    camera = "camera:\n  source: rtsp://h/1\n  user: a\n  password: file:pw\n"
    watched = read(path, LEAST + camera).camera
    assert watched is not None
    assert watched.password is not None
    assert watched.password.get_secret_value() == "s3cret"


def test_so_may_a_cameras(path: Path) -> None:
    path.with_name("pw").write_text("s3cret\n")
    text = CAMERA.replace("a.avi", "rtsp://cam/") + "  user: tepna\n  password: file:pw\n"
    camera = read(path, text).camera
    assert camera is not None
    assert camera.password is not None
    assert camera.password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(camera) + camera.model_dump_json()
    assert Camera.model_validate_json(camera.for_child()) == camera
    with pytest.raises(SettingsError, match=r"camera.password is 'file:.*none'.*readable file"):
        read(path, text.replace("file:pw", "file:none"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (CAMERA + "  user: x\n  password: [s3cret]\n", "camera.password"),
        (LEAST + "outbox:\n  key: [s3cret]\n", "outbox.key"),
        (LEAST + "outbox:\n  former_key: s3cret\n", "outbox.former_key"),
    ],
)
def test_no_error_shows_a_secret_of_camera_or_outbox(path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(path, text)
    assert f"{key} is ***: " in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_token_comes_from_the_environment_where_pictures_are_wanted(path: Path) -> None:
    assert read(path, LEAST, TEPNA_PICTURE_TOKEN="x" * 16).pictures is None
    text = LEAST + "pictures:\n  listen: 127.0.0.1:8080\n"
    pictures = read(path, text, TEPNA_PICTURE_TOKEN="x" * 16).pictures
    assert pictures is not None
    assert pictures.address == ("127.0.0.1", 8080)
    with pytest.raises(SettingsError, match=r"pictures\.token is not set: set TEPNA_PICTURE_TOKEN"):
        read(path, text)


STATION = """
sensors:
  - kind: http
    url: http://192.168.1.30/
    token: file:token
    values: [{ path: $.t, metric: air.temperature }]
"""


def test_so_may_a_sensors(path: Path) -> None:
    path.with_name("token").write_text("s3cret\n")
    (sensor,) = read(path, LEAST + STATION).sensors
    assert sensor.model_dump()["token"].get_secret_value() == "s3cret"
    assert "s3cret" not in repr(sensor)
    with pytest.raises(SettingsError, match=r"sensors.0.token is 'file:.*none'.*readable file"):
        read(path, LEAST + STATION.replace("file:token", "file:none"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("token: [s3cret]", r"sensors\.0\.token is \*\*\*: "),
        ("token: x\n    user: s3cret", r"sensors\.0 is a table: user and password belong"),
        ("token: x\n    password: s3cret", r"sensors\.0 is a table: user and password belong"),
    ],
)
def test_a_sensors_secret_that_is_wrong_is_not_shown(path: Path, wrong: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        read(path, LEAST + STATION.replace("token: file:token", wrong))
    assert "s3cret" not in str(refused.value)


def test_a_password_in_an_address_is_not_shown(path: Path) -> None:
    url = "http://jan:s3cret@192.168.1.30/"
    with pytest.raises(
        SettingsError, match=r"'http://\*\*\*@192.168.1.30/': it must not"
    ) as refused:
        read(path, LEAST + STATION.replace("http://192.168.1.30/", url).replace("file:token", "x"))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "flag", "said"),
    [
        (LEAST, "device=cam-1", r"device is 'cam-1': .*--set device="),
        ("device: a/b\n", "simulated=true", "uplink.url is not set: set TEPNA_MQTT_URL"),
        (LEAST, "uplink.url=http://x", "uplink.url is .*: not mqtt://host:port"),
        (LEAST, "uplink.url=mqtt://x:port", "uplink.url is .*: "),
        (LEAST, "outbox.max_bytes=12", "outbox.max_bytes is 12: "),
        (LEAST, "camara.source=x", "camara is .*no such key"),
        (CAMERA, "camera.clock=sundial", "camera.clock is 'sundial': "),
        (CAMERA, "camera.calibration=[[0.1, 0.2, 3, 4]]", "ground has 1 pairs; give at least four"),
        (
            CAMERA,
            'camera.lines=[{id="a", a=[0, 0], b=[1, 1]}, {id="a", a=[0, 0], b=[1, 0]}]',
            "used twice",
        ),
        (CAMERA, 'camera.lines=[{id="a", a=[0, 0], b=[0, 0]}]', "two different points"),
        (CAMERA, 'camera.lines=[{id="Most", a=[0, 0], b=[0, 1]}]', "lower-case letters a to z"),
        (
            LEAST + "sensors:\n- kind: modbus\n  source: tcp://x\n  registers:\n"
            "  - address: 5\n    metric: meter.power\n    unit: W\n",
            "simulated=true",
            "sensors.0.registers.0.unit is 'W': meter.power is kept in 'kW'; .*; correct it$",
        ),
        (LEAST, "sensors=5", "sensors is 5: "),
        (LEAST, "sensors=[5]", "sensors.0 is 5: not a table; write"),
        (LEAST, "modem.kind=telepathy", "modem.kind is 'telepathy': no such kind .* known are at,"),
        (CAMERA, 'camera.zones=[{id="a", corners=[[0, 0], [1, 1]]}]', "at least 3 items"),
        (
            CAMERA,
            'camera.zones=[{id="a", corners=[[0, 0], [0.5, 0.5], [1, 1]]}]',
            "enclose nothing",
        ),
        (LEAST, "nonsense", "not key.path=value"),
        (LEAST, "device.pilot=x", "device is no table"),
    ],
)
def test_what_is_wrong_is_said_with_key_value_and_fix(
    path: Path, text: str, flag: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        read(path, text, flag)


def test_a_secret_that_is_wrong_is_not_shown(path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        read(path, LEAST, "uplink.url=http://user:s3cret@x")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("content", [b"device: [", b"\xff\xfe", None])
def test_a_file_that_is_no_configuration(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"cam-1\.yaml"):
        read_config(path, (), {})


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:se:cret@10.0.0.1:554/a", "rtsp://admin:***@10.0.0.1:554/a"),
        ("rtsp://admin:sec/r@et@cam/a", "rtsp://admin:***@cam/a"),
        ("http://cam/a.mjpg?user=a&pwd=secret", "http://cam/a.mjpg?***"),
        ("https://token@cam/a", "https://token@cam/a"),
        ("rtsp://cam/a", "rtsp://cam/a"),
        ("/videos/a@b:c?.avi", "/videos/a@b:c?.avi"),
    ],
)
def test_what_is_shown_of_a_source_has_no_password(source: str, shown: str) -> None:
    assert Camera(source=source).shown == shown


def test_no_error_shows_the_password_of_a_camera(tmp_path: Path) -> None:
    text = CAMERA.replace("a.avi", "rtsp://admin:secret@cam/") + "  clock: pts\n"
    with pytest.raises(SettingsError) as fault:
        read(tmp_path / "a.yaml", text + "  start: 2026-05-04T07:00:00Z\n")
    assert "start:" in str(fault.value)
    assert "secret" not in str(fault.value)


def test_each_error_names_the_line_the_key_the_value_and_the_fix(path: Path) -> None:
    text = (
        CAMERA + "  clock: sundial\n  lines:\n    - {id: Main, a: [0, 0], b: [0, 1]}\n  colour: 1\n"
    )
    with pytest.raises(SettingsError) as fault:
        read(path, text, "batches.max_age_s=-1", TEPNA_OUTBOX="x")
    said = {line.partition(" is ")[0] for line in str(fault.value).splitlines()}
    assert said == {
        "--set batches.max_age_s: batches.max_age_s",
        f"{path}:6: camera.clock",
        f"{path}:8: camera.lines.0.id",
        f"{path}:9: camera.colour",
    }
    with pytest.raises(SettingsError, match=r"^TEPNA_MQTT_URL: uplink.url is \*\*\*"):
        read(path, LEAST, TEPNA_MQTT_URL="ftp://x")
    with pytest.raises(SettingsError, match=r"yaml:4: camera.source is not set: write it"):
        read(path, LEAST + "camera:\n  clock: pts\n")
    with pytest.raises(SettingsError, match=r"yaml:1: device is not set: write it"):
        read(path, LEAST.replace("usti-belehradska/cam-1", ""))
    with pytest.raises(SettingsError, match=r"yaml:4: batches is empty: "):
        read(path, LEAST + "batches: null\n")


@pytest.mark.parametrize(
    ("drawn", "key", "said"),
    [
        (
            "[[384, 0.2], [1, 0], [1, 1]]",
            "masks.0.0.0",
            "x is 384: coordinates are shares of the picture",
        ),
        ("[[1, 0], [0.2, -1], [1, 1]]", "masks.0.1.1", r"y is -1: .* drawn_on: \[768, 576\]$"),
    ],
)
def test_pixels_without_a_size_are_refused(path: Path, drawn: str, key: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"yaml:6: camera\.{key}: {said}"):
        read(path, CAMERA + f"  masks: [{drawn}]\n")


def test_coordinates_are_shares_of_whatever_size_comes(path: Path) -> None:
    drawn = """
  lines: [{id: a, a: [0, 0.5], b: [1, 0.5], enters: in}]
  zones: [{id: z, corners: [[0, 0], [1, 0], [0.5, 1]]}]
  masks: [[[0, 0], [0.25, 0], [0.25, 0.25]]]
  calibration: [[0, 0, 1, 2], [1, 0, 3, 4], [0, 1, 5, 6], [1, 1, 7, 8]]
"""
    shares = read(path, CAMERA + drawn).camera
    assert shares is not None
    seen = shares.vision(640, 360)
    assert (seen.lines[0].a, seen.lines[0].b, seen.lines[0].enters) == ((0, 180), (640, 180), "in")
    assert seen.zones[0].corners == [(0, 0), (640, 0), (320, 360)]
    assert seen.masks == [[(0, 0), (160, 0), (160, 90)]]
    assert [pair.image for pair in seen.ground] == [(0, 0), (640, 0), (0, 360), (640, 360)]
    assert [pair.ground for pair in seen.ground] == [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert shares.vision(1280, 720).lines[0].b == (1280, 360)


def test_coordinates_may_be_pixels_of_a_stated_size(path: Path) -> None:
    line = "  lines: [{id: a, a: [0, 288], b: [768, 288]}]\n"
    camera = read(path, CAMERA + "  drawn_on: [768, 576]\n" + line).camera
    assert camera is not None
    assert camera.vision(768, 576).lines[0].b == (768, 288)
    assert camera.vision(1920, 1080).lines[0].b == (1920, 540)
    assert camera.opened(640, 480) is camera
    with pytest.raises(SettingsError, match=r"b\.0: x is 768: far beyond the picture of 320x240"):
        read(path, CAMERA + "  drawn_on: [320, 240]\n" + line)
    with pytest.raises(SettingsError, match=r"drawn_on.*greater than or equal to 1"):
        read(path, CAMERA + "  drawn_on: [0, 240]\n" + line)


def test_toml_of_older_agents_means_pixels_of_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "cam-1.toml"
    path.write_text(
        'device = "a/b"\n[uplink]\nurl = "mqtt://x"\n[camera]\nsource = "a.avi"\n'
        '[[camera.lines]]\nid = "a"\na = [0, 288]\nb = [768, 288]\n'
    )
    camera = read_config(path, (), {}).camera
    assert camera is not None
    opened = camera.opened(768, 576)
    assert opened.vision(768, 576).lines[0].b == (768, 288)
    assert opened.vision(384, 288).lines[0].b == (384, 144), "after a change of its size"
    camera = read_config(path, ["camera.drawn_on=[1536, 576]"], {}).camera
    assert camera is not None
    assert camera.vision(768, 576).lines[0].b == (384, 288)
    path.write_text("device = ")
    with pytest.raises(SettingsError, match=r"cam-1\.toml: no TOML"):
        read_config(path, (), {})


def test_the_camera_process_is_told_the_same(path: Path) -> None:
    camera = read(path, CAMERA + "  drawn_on: [320, 240]\n").camera
    assert camera is not None
    assert Camera.model_validate_json(camera.model_dump_json()) == camera


@pytest.mark.parametrize("value", ["0", "often", "1.5", "101"])
def test_how_often_the_detector_is_asked_is_explained_in_one_line(
    tmp_path: Path, value: str
) -> None:
    path = tmp_path / "cam.toml"
    path.write_text('device = "p/c"\n[uplink]\nurl = "mqtt://h:1"\n[camera]\nsource = "a.avi"\n')
    with pytest.raises(SettingsError) as fault:
        read_config(path, [f"camera.detector_every={value}"], {})
    (line,) = str(fault.value).splitlines()
    assert "camera.detector_every is " in line
    assert 'not "auto", and no number of frames from 1 to 100' in line


def test_the_detectors_settings_reach_the_vision(tmp_path: Path) -> None:
    path = tmp_path / "cam.toml"
    path.write_text('device = "p/c"\n[uplink]\nurl = "mqtt://h:1"\n[camera]\nsource = "a.avi"\n')
    flags = ["camera.detector_every=3", "camera.detector_share=0.2", "camera.detector=m.onnx"]
    camera = read_config(path, [*flags, f"camera.detector_sha256={'a' * 64}"], {}).camera
    assert camera is not None
    again = Camera.model_validate_json(camera.model_dump_json())  # as its process is told
    vision = again.vision(768, 576)
    assert (vision.detector_every, vision.detector_share) == (3, 0.2)
    assert vision.detector_sha256 == "a" * 64
    assert vision.live, "a recording in real time must be kept up with"
    fast = camera.model_copy(update={"pace": "fast", "detector_every": "auto"})
    assert (
        Camera.model_validate_json(fast.model_dump_json()).vision(768, 576).detector_every == "auto"
    )
    assert not fast.vision(768, 576).live


def test_the_key_of_the_outbox_comes_from_a_file_or_the_environment(path: Path) -> None:
    old, new = "ab" * 32, "CD" * 32
    (path.parent / "old.key").write_text(f"{old}\n")
    text = LEAST + "outbox:\n  former_key: file:old.key\n"
    assert read(path, text, TEPNA_OUTBOX_KEY=new).outbox.keys == [b"\xcd" * 32, b"\xab" * 32]
    assert read(path, LEAST).outbox.keys == []
    with pytest.raises(SettingsError, match=r"former_key: nothing is sealed.*set outbox\.key"):
        read(path, text)


def test_what_is_no_key_is_refused_and_not_shown(path: Path) -> None:
    with pytest.raises(SettingsError, match="openssl rand -hex 32") as caught:
        read(path, LEAST, TEPNA_OUTBOX_KEY="hunter2")
    assert "hunter2" not in str(caught.value)
    assert "set TEPNA_OUTBOX_KEY" in str(caught.value)
