from pathlib import Path
from typing import Self

import pytest
from pydantic import Field, SecretStr, model_validator

from contracts.errors import SettingsError
from contracts.settings import RoomSettings

SECRET = "s3cret-word"  # noqa: S105  # not one


class Sample(RoomSettings):
    broker: str = Field(description="address of the broker")
    workers: int = Field(1, ge=1, description="processes")
    password: SecretStr | None = Field(None, min_length=5)
    hosts: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _a_rule_about_two(self) -> Self:
        if self.broker == "local" and self.workers > 1:
            msg = "workers > 1 need a broker that is not local"
            raise ValueError(msg)
        return self


@pytest.fixture(autouse=True)
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTINGS", "BROKER", "WORKERS", "PASSWORD", "HOSTS"):
        monkeypatch.delenv(f"TEPNA_{name}", raising=False)


def test_flags_win_over_the_environment_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tepna.toml"
    file.write_text('broker = "file"\nworkers = 2\npassword = "from-file"\nothers = 1\n')
    monkeypatch.setenv("TEPNA_SETTINGS", str(file))
    monkeypatch.setenv("TEPNA_WORKERS", "3")
    monkeypatch.setenv("TEPNA_BROKER", "environment")
    settings = Sample.load(broker="flag", workers=None)
    assert (settings.broker, settings.workers) == ("flag", 3)
    assert settings.password is not None
    assert settings.password.get_secret_value() == "from-file"


def test_a_missing_key_is_named_with_its_fix() -> None:
    with pytest.raises(SettingsError) as caught:
        Sample.load()
    assert str(caught.value) == (
        "broker is not set: Field required. Set TEPNA_BROKER or the flag (address of the broker)."
    )


def test_a_wrong_value_is_shown_with_its_key_and_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEPNA_WORKERS", "many")
    with pytest.raises(SettingsError, match=r"workers is 'many': .*Set TEPNA_WORKERS or the flag"):
        Sample.load(broker="x")


def test_every_fault_has_its_line() -> None:
    with pytest.raises(SettingsError) as caught:
        Sample.load(workers=0)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "flags",
    [
        {"password": SECRET[:3]},
        {"password": [SECRET[:3]]},
        {"broker": "local", "workers": 2, "password": SECRET},
        {"workers": f"mqtt://user:{SECRET[:3]}@host"},
    ],
    ids=["too short", "no text", "a rule about several keys", "an address"],
)
def test_no_message_shows_a_secret(flags: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        Sample.load(**({"broker": "x"} | flags))
    assert SECRET[:3] not in str(caught.value)
    assert SECRET[:3] not in str(caught.value.__cause__)


def test_a_secret_may_stand_in_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    monkeypatch.setenv("TEPNA_PASSWORD", f"file:{tmp_path}/password")
    password = Sample.load(broker="x").password
    assert password is not None
    assert password.get_secret_value() == SECRET
    assert SECRET not in repr(password)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"password is file:.*absent.*Correct the path"):
        Sample.load(broker="x", password=f"file:{tmp_path}/absent")


@pytest.mark.parametrize("text", [None, "broker = ", b"broker = '\xff'"])
def test_a_settings_file_that_cannot_be_used_is_named(
    text: str | bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tepna.toml"
    if text is not None:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    monkeypatch.setenv("TEPNA_SETTINGS", str(file))
    with pytest.raises(SettingsError, match=r"TEPNA_SETTINGS=.*tepna\.toml"):
        Sample.load(broker="x")


def test_a_list_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEPNA_HOSTS", '["a", "b"]')
    assert Sample.load(broker="x").hosts == ["a", "b"]
    monkeypatch.setenv("TEPNA_HOSTS", "a, b")
    with pytest.raises(SettingsError, match=r"hosts.*JSON"):
        Sample.load(broker="x")
