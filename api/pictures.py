"""Pixelated pictures, fetched from the agent that announced where it serves them."""

import asyncio
import hashlib
import hmac
import socket
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from time import monotonic
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx

from api.errors import NoPictureError
from api.settings import ApiSettings

TIMEOUT: Final = httpx.Timeout(2.0, connect=1.0)
LIVE_TIMEOUT: Final = httpx.Timeout(10.0, connect=1.0)
LARGEST: Final = 2 << 20  # bytes
LOOK_S: Final = 60.0
LOOKS: Final = 10_000  # full: the oldest is forgotten and put down anew
AT_A_TIME: Final = 16  # pictures under way; more wait
PINNED: Final = 1000  # devices with a certificate of their own; full: the first is asked for anew


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
        self._pinned: OrderedDict[str, httpx.AsyncClient] = OrderedDict()  # by fingerprint
        self._places = asyncio.Semaphore(AT_A_TIME)

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._client, *self._pinned.values()):
            await client.aclose()

    async def fetch(
        self,
        device: str,
        online: bool | None,
        state: dict[str, Any] | None,
        path: str | None = None,
    ) -> bytes:
        """JPEG of a device, at the path announced or at another one of the same server's.

        Raises
        ------
        NoPictureError
            If it is off line, announced no address or one that may not be asked, or does not
            answer with a picture.
        """
        url = _announced(device, online, state)
        address = await self._check(device, url)
        if path is not None:
            address = urlsplit(address)._replace(path=path).geturl()
        try:
            async with self._places:
                client = await self._client_for(device, address, state or {})
                return await self._get(client, device, address, urlsplit(url))
        except httpx.HTTPError as fault:
            raise NoPictureError(f"{device}: {type(fault).__name__}") from fault

    @asynccontextmanager
    async def live(
        self, device: str, online: bool | None, state: dict[str, Any] | None, token: str
    ) -> AsyncIterator[httpx.Response]:
        """Open the live view of a device with a permit.

        Raises
        ------
        NoPictureError
            As with `fetch`, and while all of its places are taken.
        """
        url = _announced(device, online, state)
        parts = urlsplit(await self._check(device, url))
        address = parts._replace(path="/live.mjpg").geturl()
        announced = urlsplit(url)
        headers = {"Authorization": f"Bearer {token}", "Host": announced.netloc.rpartition("@")[2]}
        try:
            client = await self._client_for(device, address, state or {})
            async with client.stream(
                "GET", address, headers=headers, timeout=LIVE_TIMEOUT,
                extensions={"sni_hostname": announced.hostname},
            ) as response:  # fmt: skip
                if response.status_code != httpx.codes.OK:
                    raise NoPictureError(f"{device} answered {response.status_code}")
                yield response
        except httpx.HTTPError as fault:
            raise NoPictureError(f"{device}: {type(fault).__name__}") from fault

    async def _client_for(
        self, device: str, address: str, state: dict[str, Any]
    ) -> httpx.AsyncClient:
        """Client that trusts the one certificate whose fingerprint the device announced."""
        fingerprint = str(state.get("picture_certificate", ""))
        parts = urlsplit(address)
        if not fingerprint or parts.scheme != "https":
            return self._client
        if fingerprint not in self._pinned:
            context = await _trusting(device, parts.hostname or "", parts.port or 443, fingerprint)
            self._pinned[fingerprint] = httpx.AsyncClient(
                timeout=TIMEOUT, trust_env=False, follow_redirects=False, verify=context
            )
            if len(self._pinned) > PINNED:
                _, oldest = self._pinned.popitem(last=False)
                await oldest.aclose()
        return self._pinned[fingerprint]

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

    async def _get(
        self, client: httpx.AsyncClient, device: str, address: str, announced: SplitResult
    ) -> bytes:
        headers = self._headers | {"Host": announced.netloc.rpartition("@")[2]}
        async with client.stream(
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


def _announced(device: str, online: bool | None, state: dict[str, Any] | None) -> str:
    url = str((state or {}).get("picture_url", ""))
    if not online or not url:
        raise NoPictureError(f"{device} is off line or serves no pictures")
    return url


async def _trusting(device: str, host: str, port: int, fingerprint: str) -> ssl.SSLContext:
    """Context that trusts only the certificate with this fingerprint.

    The certificate is fetched first, by a connection over which nothing is said; whoever shows
    another one is refused, and who shows this one must prove in the next that the key is his.
    """
    curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curious.check_hostname = False
    curious.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(2.0):
            _, writer = await asyncio.open_connection(host, port, ssl=curious)
    except (OSError, TimeoutError) as fault:
        raise NoPictureError(f"{device}: {type(fault).__name__}") from fault
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), fingerprint):
        raise NoPictureError(f"{device} shows another certificate than it announced")
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False  # it is known by itself, not by a name
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(cadata=shown)
    return trusting
