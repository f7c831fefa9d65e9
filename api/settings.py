"""Settings of the API and the console."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field, SecretStr

from contracts.broker import BrokerUrl
from storage.pool import StorageSettings

Network = IPv4Network | IPv6Network


class ApiSettings(StorageSettings):
    """What `tepna api run` needs to know."""

    mqtt_url: BrokerUrl = Field(description="mqtt:// or mqtts://user:password@host:port")
    mqtt_ca: Path | None = Field(None, description="PEM of the authority, for mqtts only")
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)

    picture_token: SecretStr | None = Field(None, description="what agents want to see")
    picture_networks: tuple[Network, ...] = (
        IPv4Network("127.0.0.0/8"),
        IPv4Network("10.0.0.0/8"),
        IPv4Network("172.16.0.0/12"),
        IPv4Network("192.168.0.0/16"),
        IPv6Network("::1/128"),
        IPv6Network("fc00::/7"),
    )
    """Where agents may stand: pictures are fetched from nowhere else."""

    live_clients: int = Field(200, ge=1, description="live streams at a time, then 503")
    live_queue: int = Field(256, ge=8, description="frames that wait for one client, then a gap")
