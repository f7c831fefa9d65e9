"""Secrets in a configuration: none is sent to a device, none is kept or shown by the platform."""

from typing import Any, Final

SECRETS: Final = ("password", "token", "key", "former_key")
"""Keys of a configuration whose values are secrets, or `file:NAME`, where one is."""

MASK: Final = "***"


def has_account(text: str) -> bool:
    """Whether an address carries a user, and so perhaps a password.

    >>> has_account("rtsp://admin:1234@camera/1"), has_account("rtsp://camera/@1")
    (True, False)
    """
    return "@" in text.partition("://")[2].partition("/")[0]


def masked(value: Any, name: str = "") -> Any:
    """Copy of a configuration, as JSON has it, without what somebody should not have sent.

    >>> masked({"camera": {"password": "1234", "source": "rtsp://a:b@camera"}})
    {'camera': {'password': '***', 'source': '***'}}
    >>> masked({"camera": {"password": "file:camera.password"}})
    {'camera': {'password': 'file:camera.password'}}
    """
    match value:
        case dict():
            return {key: masked(inner, key) for key, inner in value.items()}
        case list():
            return [masked(inner, name) for inner in value]
        case str() if has_account(value) or (name in SECRETS and not value.startswith("file:")):
            return MASK
    return value
