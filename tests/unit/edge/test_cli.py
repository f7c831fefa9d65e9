from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge.cli import app

LEAST = "device: usti-belehradska/cam-1\nuplink:\n  url: mqtt://user:s3cret@127.0.0.1:1\n"


def call(command: str, path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [command, str(path), *arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cam-1.yaml"
    path.write_text(LEAST)
    return path


def test_check_says_what_the_camera_shows(path: Path, shared_data: Path) -> None:
    video = shared_data / "video" / "cars_overhead.mp4"
    result = call("check", path, f"--set=camera.source={video}", "--set=camera.pace=fast")
    assert result.exit_code == 0
    assert "768x432, 12.5 frames/s" in result.output
    assert "127.0.0.1:1 without TLS, as user with a password" in result.output
    assert "measured" in result.output
    assert "s3cret" not in result.output


def test_check_fails_without_a_picture(path: Path) -> None:
    result = call("check", path, "--set=camera.source=none.avi")
    assert result.exit_code == 1
    assert "NO PICTURE" in result.output


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_configuration_ends_with_two(path: Path, command: str) -> None:
    result = call(command, path, "--set=batches.max_age_s=-1")
    assert result.exit_code == 2
    assert "batches.max_age_s is -1" in result.output


def test_an_outbox_that_cannot_be_used_ends_with_two(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = call("run", path, f"--set=outbox.path={tmp_path}/file/outbox.sqlite")
    assert result.exit_code == 2
    assert "outbox" in result.output


def test_check_says_on_which_size_an_older_file_was_drawn(
    tmp_path: Path, shared_data: Path
) -> None:
    path = tmp_path / "old.toml"
    path.write_text(
        'device = "a/b"\n[uplink]\nurl = "mqtt://x"\n[camera]\n'
        f'source = "{shared_data}/video/cars_overhead.mp4"\npace = "fast"\n'
        'lines = [{ id = "all", a = [0, 220], b = [768, 220] }]\n'
    )
    result = call("check", path)
    assert result.exit_code == 0
    assert "write drawn_on = [768, 432], and it may change its resolution" in result.output
