from pathlib import Path

import pytest

from contracts.settings import SettingsError
from edge.config import AgentConfig, Camera, read_config

LEAST = 'device = "usti-belehradska/cam-1"\n[uplink]\nurl = "mqtt://broker:1884"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cam-1.toml"


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
    text = LEAST + '[camera]\nsource = "a.avi"\n[[sensors]]\nsource = "lines.jsonl"\n'
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
    config = read(path, LEAST + 'password = "file:pw"\n')
    assert config.uplink.broker("d")[4] == "s3cret"
    assert "s3cret" not in repr(config)
    with pytest.raises(SettingsError, match=r"uplink.password is 'file:.*none'.*readable file"):
        read(path, LEAST + 'password = "file:none"\n')


def test_the_token_comes_from_the_environment_where_pictures_are_wanted(path: Path) -> None:
    assert read(path, LEAST, TEPNA_PICTURE_TOKEN="x" * 16).pictures is None
    text = LEAST + '[pictures]\nlisten = "127.0.0.1:8080"\n'
    pictures = read(path, text, TEPNA_PICTURE_TOKEN="x" * 16).pictures
    assert pictures is not None
    assert pictures.address == ("127.0.0.1", 8080)
    with pytest.raises(SettingsError, match=r"pictures\.token is not set: set TEPNA_PICTURE_TOKEN"):
        read(path, text)


STATION = """
[[sensors]]
kind = "http"
url = "http://192.168.1.30/"
token = "file:token"
values = [{ path = "$.t", metric = "air.temperature" }]
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
        ('token = ["s3cret"]', r"sensors\.0\.token is \*\*\*: "),
        ('token = "x"\nuser = "s3cret"', r"sensors\.0 is a table: user and password belong"),
        ('token = "x"\npassword = "s3cret"', r"sensors\.0 is a table: user and password belong"),
    ],
)
def test_a_sensors_secret_that_is_wrong_is_not_shown(path: Path, wrong: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        read(path, LEAST + STATION.replace('token = "file:token"', wrong))
    assert "s3cret" not in str(refused.value)


def test_a_password_in_an_address_is_not_shown(path: Path) -> None:
    url = "http://jan:s3cret@192.168.1.30/"
    with pytest.raises(
        SettingsError, match=r"'http://\*\*\*@192.168.1.30/': it must not"
    ) as refused:
        read(path, LEAST + STATION.replace("http://192.168.1.30/", url).replace("file:token", "x"))
    assert "s3cret" not in str(refused.value)


CAMERA = LEAST + '[camera]\nsource = "a.avi"\n'


@pytest.mark.parametrize(
    ("text", "flag", "said"),
    [
        (LEAST, "device=cam-1", r"device is 'cam-1': .*--set device="),
        ('device = "a/b"\n', "simulated=true", "uplink.url is not set: set TEPNA_MQTT_URL"),
        (LEAST, "uplink.url=http://x", "uplink.url is .*: not mqtt://host:port"),
        (LEAST, "uplink.url=mqtt://x:port", "uplink.url is .*: "),
        (LEAST, "outbox.max_bytes=12", "outbox.max_bytes is 12: "),
        (LEAST, "camara.source=x", "camara is .*no such key"),
        (CAMERA, "camera.clock=sundial", "camera.clock is 'sundial': "),
        (CAMERA, "camera.calibration=[[1, 2, 3, 4]]", "ground has 1 pairs; give at least four"),
        (
            CAMERA,
            'camera.lines=[{id="a", a=[0, 0], b=[1, 1]}, {id="a", a=[0, 0], b=[2, 2]}]',
            "used twice",
        ),
        (CAMERA, 'camera.lines=[{id="a", a=[0, 0], b=[0, 0]}]', "two different points"),
        (
            LEAST + '[[sensors]]\nkind = "modbus"\nsource = "tcp://x"\n[[sensors.registers]]\n'
            'address = 5\nmetric = "meter.power"\nunit = "W"\n',
            "simulated=true",
            "sensors.0.registers.0.unit is 'W': meter.power is kept in 'kW'; .*; correct it$",
        ),
        (LEAST, "sensors=5", "sensors is 5: "),
        (LEAST, "sensors=[5]", "sensors.0 is 5: not a table; write"),
        (LEAST, "modem.kind=telepathy", "modem.kind is 'telepathy': no such kind .* known are at,"),
        (CAMERA, 'camera.zones=[{id="a", corners=[[0, 0], [1, 1]]}]', "at least 3 items"),
        (CAMERA, 'camera.zones=[{id="a", corners=[[0, 0], [1, 1], [2, 2]]}]', "enclose nothing"),
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


@pytest.mark.parametrize("content", [b"device = ", b"\xff\xfe", None])
def test_a_file_that_is_no_configuration(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"cam-1\.toml"):
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
    text = CAMERA.replace("a.avi", "rtsp://admin:secret@cam/") + 'clock = "pts"\n'
    with pytest.raises(SettingsError) as fault:
        read(tmp_path / "a.toml", text + "start = 2026-05-04T07:00:00Z\n")
    assert "start:" in str(fault.value)
    assert "secret" not in str(fault.value)


def test_the_key_of_the_outbox_comes_from_a_file_or_the_environment(path: Path) -> None:
    old, new = "ab" * 32, "CD" * 32
    (path.parent / "old.key").write_text(f"{old}\n")
    text = LEAST + '[outbox]\nformer_key = "file:old.key"\n'
    assert read(path, text, TEPNA_OUTBOX_KEY=new).outbox.keys == [b"\xcd" * 32, b"\xab" * 32]
    assert read(path, LEAST).outbox.keys == []
    with pytest.raises(SettingsError, match=r"former_key: nothing is sealed.*set outbox\.key"):
        read(path, text)


def test_what_is_no_key_is_refused_and_not_shown(path: Path) -> None:
    with pytest.raises(SettingsError, match="openssl rand -hex 32") as caught:
        read(path, LEAST, TEPNA_OUTBOX_KEY="hunter2")
    assert "hunter2" not in str(caught.value)
    assert "set TEPNA_OUTBOX_KEY" in str(caught.value)
