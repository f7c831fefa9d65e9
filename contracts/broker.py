"""Where the broker is and as whom to connect, from one address."""

from typing import Annotated, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, SecretStr


class Broker(NamedTuple):
    """Where and as whom to connect."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None


def read_broker(url: SecretStr) -> Broker:
    """Take an address apart.

    >>> read_broker(SecretStr("mqtts://box:p%40ss@broker.example"))
    Broker(host='broker.example', port=8883, tls=True, user='box', password='p@ss')

    Raises
    ------
    ValueError
        If it is no address of a broker; the text does not quote it.
    """
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        msg = "not mqtt://host:port or mqtts://host:port"
        raise ValueError(msg)
    tls = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=parts.port or (8883 if tls else 1883),
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _check(url: SecretStr) -> SecretStr:
    read_broker(url)
    return url


BrokerUrl = Annotated[SecretStr, AfterValidator(_check)]
"""A setting that holds such an address."""
