from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.address import full_address, options
from edge.configuration.camera import Camera


def camera(source: str, **keys: Any) -> Camera:
    return Camera.model_validate({"source": source, **keys})


@given(user=st.text(min_size=1), password=st.text())
def test_any_account_can_be_read_back_from_the_address(user: str, password: str) -> None:
    given_ = camera("rtsp://cam:554/a?b=c", user=user, password=password)
    parts = urlsplit(full_address(given_.source, given_))
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert (parts.hostname, parts.port, parts.path, parts.query) == ("cam", 554, "/a", "b=c")


def test_only_the_cameras_own_process_is_told_the_password() -> None:
    secret = camera("rtsp://cam/a", user="admin", password="hunter2")  # noqa: S106
    assert Camera.model_validate_json(secret.for_child()) == secret
    for text in (str(secret), repr(secret), secret.model_dump_json(), secret.shown):
        assert "hunter2" not in text


def test_a_certificate_is_always_verified() -> None:
    for source in ("rtsps://cam/a", "https://cam/a.m3u8"):
        found = options(source, camera(source, ca="/x/ca.pem"))
        assert (found["tls_verify"], found["ca_file"]) == ("1", "/x/ca.pem")
    plain = camera("rtsp://cam/a", transport="udp")
    assert "ca_file" not in options(plain.source, plain)
    assert options(plain.source, plain)["rtsp_transport"] == "udp"


@pytest.mark.parametrize(
    ("source", "keys", "key"),
    [
        ("a.mp4", {"clock": "rtcp"}, "clock"),
        ("http://cam/a.mjpg", {"clock": "rtcp"}, "clock"),
        ("http://cam/a.mjpg", {"transport": "udp"}, "transport"),
        ("rtsps://cam/a", {"transport": "udp"}, "unencrypted"),
        ("rtsp://cam/a", {"ca": Path("/ca.pem")}, "ca"),
        ("usb:0", {"user": "admin"}, "user"),
        ("rtsp://cam/a", {"password": "x"}, "set user"),
        ("rtsp://me:x@cam/a", {"user": "admin"}, "already"),
        ("rtsp://cam/a", {"profile": "Main"}, "profile"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(source: str, keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        camera(source, **keys)
