"""What an ONVIF camera offers (Profile S: device and media service, version 1)."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit
from xml.sax.saxutils import quoteattr

from edge.errors import SourceError
from edge.onvif.soap import SPACES, Service, ask

PATH: Final = "/onvif/device_service"
"""Where every device has its first service."""
_OF_ADDRESS: Final = "!$%&'()*+,/:;=?@~"
"""What stays as it is in a path and a query."""
_WANTED: Final = "<tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol>"


class Profile(NamedTuple):
    """A stream as the camera makes it."""

    token: str
    name: str
    codec: str  # empty: not told
    width: int  # [px], 0 unknown
    height: int  # [px]
    rate: float  # at most [1/s], 0 unknown

    def __str__(self) -> str:
        rate = f" at {self.rate:g}/s" if self.rate else ""
        return f"{self.name}: {self.width}x{self.height}{rate}, {self.codec or 'unknown codec'}"


class Device:
    """A camera that is asked.

    Its other services are looked for on the host that it was reached by: a camera behind a router
    does not know its own address, and the account is for this host only.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ahead = self._clock_ahead()

    def profiles(self) -> list[Profile]:
        """List the streams that have pictures, in the camera's order."""
        answer = self.ask(self.service_address("Media"), "<trt:GetProfiles/>")
        found = [_profile(each) for each in answer.iterfind(".//trt:Profiles", SPACES)]
        return [profile for profile in found if profile is not None]

    def stream_address(self, profile: Profile) -> str:
        """Address of a profile's stream by RTSP, on the host that the camera was reached by."""
        body = (
            f"<trt:GetStreamUri><trt:StreamSetup>{_WANTED}</tt:Transport></trt:StreamSetup>"
            f"<trt:ProfileToken>{_text(profile.token)}</trt:ProfileToken></trt:GetStreamUri>"
        )
        address = _found(self.ask(self.service_address("Media"), body), ".//tt:Uri")
        parts = urlsplit(address)
        if parts.scheme not in {"rtsp", "rtsps"} or not parts.hostname:
            msg = (
                f"{self._service.address} gives {address!r} for {profile.name}, which is no stream"
            )
            raise SourceError(msg)
        return _on_host(address, self._service.address)

    def service_address(self, category: str) -> str:
        """Address of its service of this name, such as Media or Events."""
        answer = self.ask(
            self._service.address,
            f"<tds:GetCapabilities><tds:Category>{category}</tds:Category></tds:GetCapabilities>",
        )
        return self.reached(_found(answer, f".//tt:{category}/tt:XAddr"))

    def reached(self, told: str) -> str:
        """Where an address that the device gives is reached: on the host that it was reached by."""
        try:
            parts = urlsplit(told)
        except ValueError as fault:
            msg = f"{self._service.address} gives {told[:200]!r}, which is no address"
            raise SourceError(msg) from fault
        own = urlsplit(self._service.address)
        path, query = (quote(each, safe=_OF_ADDRESS) for each in (parts.path, parts.query))
        return urlunsplit((own.scheme, own.netloc, path, query, ""))

    def ask(
        self, address: str, body: str, *, header: str = "", patience: float = 0.0
    ) -> ET.Element:
        """Send a request to one of its services; the answer may take so much longer [s]."""
        timeout = self._service.timeout + patience
        service = self._service._replace(address=address, timeout=timeout)
        return ask(service, body, created=datetime.now(UTC) + self._ahead, header=header)

    def _clock_ahead(self) -> timedelta:
        """How far the device's clock is ahead; anybody may ask, so no account is sent."""
        try:
            answer = ask(self._service, "<tds:GetSystemDateAndTime/>")
        except SourceError:  # some want an account here, too; whatever it is, the next one says it
            return timedelta(0)
        told = answer.find(".//tt:UTCDateTime", SPACES)
        if told is None:
            return timedelta(0)
        try:
            fields = [
                int(_found(told, f"tt:{part}"))
                for part in (
                    "Date/tt:Year", "Date/tt:Month", "Date/tt:Day",
                    "Time/tt:Hour", "Time/tt:Minute", "Time/tt:Second",
                )
            ]  # fmt: skip
            return datetime(*fields, tzinfo=UTC) - datetime.now(UTC)  # type: ignore[arg-type,misc]
        except (SourceError, ValueError):  # a clock that was never set says 0000-00-00
            return timedelta(0)


def _profile(found: ET.Element) -> Profile | None:
    token = found.get("token", "")
    encoder = found.find("tt:VideoEncoderConfiguration", SPACES)
    if encoder is None or not token:  # sound or metadata only
        return None
    name = found.findtext("tt:Name", token, SPACES).strip()
    return Profile(
        token,
        name or token,
        encoder.findtext("tt:Encoding", "", SPACES).strip(),
        int(_number(encoder, "tt:Resolution/tt:Width")),
        int(_number(encoder, "tt:Resolution/tt:Height")),
        _number(encoder, "tt:RateControl/tt:FrameRateLimit"),
    )


def _number(found: ET.Element, path: str) -> float:
    try:
        return float(found.findtext(path, "0", SPACES))
    except ValueError:
        return 0.0


def _found(answer: ET.Element, path: str) -> str:
    text = answer.findtext(path, "", SPACES).strip()
    if not text:
        msg = f"the ONVIF device leaves out {path.rpartition(':')[2]} in its answer"
        raise SourceError(msg)
    return text


def _on_host(address: str, reached: str) -> str:
    """Put the host by which the device was reached into an address that it gave."""
    parts, host = urlsplit(address), urlsplit(reached).hostname or ""
    place = f"[{host}]" if ":" in host else host
    netloc = place if parts.port is None else f"{place}:{parts.port}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def _text(value: str) -> str:
    return quoteattr(value)[1:-1]
