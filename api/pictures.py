"""Pixelated pictures, fetched from the agent that announced where it serves them."""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address
from time import monotonic
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx

from api.errors import NoPictureError
from api.settings import ApiSettings

TIMEOUT: Final = httpx.Timeout(2.0, connect=1.0)
LARGEST: Final = 2 << 20  # bytes
LOOK_S: Final = 60.0
LOOKS: Final = 10_000  # full: the oldest is forgotten and put down anew
AT_A_TIME: Final = 16  # pictures under way; more wait


class Looks:
    """Tells a new look at a camera from one that goes on, so that the audit can be read."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def is_new(self, actor: str, device: str, purpose: str) -> bool:
        """Say whether this look is to be put down: the first of its minute."""
        look, now = (actor, device, purpose), self._clock()
        if now < self._until.get(look, 0.0):
            return False
        self._until[look] = now + LOOK_S
        self._until.move_to_end(look)
        if len(self._until) > LOOKS:
            self._until.popitem(last=False)
        return True


class Pictures:
    """Fetches pictures; goes to no address but one that lies in the configured networks."""

    def __init__(self, settings: ApiSettings) -> None:
        token = settings.picture_token
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._networks = settings.picture_networks
        # No proxy of the environment and no redirect: what was checked is what is asked.
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, follow_redirects=False)
        self._places = asyncio.Semaphore(AT_A_TIME)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fetch(self, device: str, online: bool | None, state: dict[str, Any] | None) -> bytes:
        """JPEG of a device.

        Raises
        ------
        NoPictureError
            If it is off line, announced no address or one that may not be asked, or does not
            answer with a picture.
        """
        url = str((state or {}).get("picture_url", ""))
        if not online or not url:
            raise NoPictureError(f"{device} is off line or serves no pictures")
        address = await self._check(device, url)
        try:
            async with self._places:
                return await self._get(device, address, urlsplit(url))
        except httpx.HTTPError as fault:
            raise NoPictureError(f"{device}: {type(fault).__name__}") from fault

    async def _check(self, device: str, url: str) -> str:
        """Address with the host's number in it, so that no second look-up says something else."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError as fault:
            raise NoPictureError(f"{device} announced {url!r}") from fault
        if parts.scheme not in {"http", "https"} or not host:
            raise NoPictureError(f"{device} announced {url!r}, which is no web address")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port or parts.scheme, type=socket.SOCK_STREAM
            )
        except OSError as fault:
            raise NoPictureError(f"{device}: {host} is not to be found") from fault
        number = ip_address(found[0][4][0])
        if not any(number in network for network in self._networks):
            raise NoPictureError(f"{device} announced {host}, outside the picture networks")
        literal = f"[{number}]" if number.version == 6 else str(number)  # noqa: PLR2004
        netloc = f"{literal}:{port}" if port else literal
        return parts._replace(netloc=netloc).geturl()

    async def _get(self, device: str, address: str, announced: SplitResult) -> bytes:
        headers = self._headers | {"Host": announced.netloc.rpartition("@")[2]}
        async with self._client.stream(
            "GET", address, headers=headers, extensions={"sni_hostname": announced.hostname}
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise NoPictureError(f"{device} answered {response.status_code}")
            picture = bytearray()
            async for part in response.aiter_bytes():
                picture += part
                if len(picture) > LARGEST:
                    raise NoPictureError(f"{device} sent more than {LARGEST} bytes")
        if not picture.startswith(b"\xff\xd8"):
            raise NoPictureError(f"{device} sent something that is no JPEG")
        return bytes(picture)
