"""Ask an ONVIF device: SOAP 1.2 over HTTP, with the account as WS-UsernameToken or HTTP digest."""

import base64
import hashlib
import secrets
import ssl
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import (
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)
from xml.sax.saxutils import escape

from edge.errors import SourceError

LARGEST: Final = 1 << 20
"""Bytes of an answer; no device says more. What does is no device."""
SPACES: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wstop": "http://docs.oasis-open.org/wsn/t-1",
}
_SECURITY: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"


class Account(NamedTuple):
    """Who asks."""

    user: str
    password: str


class Service(NamedTuple):
    """A service of a device, and how it is reached."""

    address: str
    account: Account | None
    timeout: float  # [s]
    ca: Path | None = None


def ask(
    service: Service, body: str, *, created: datetime | None = None, header: str = ""
) -> ET.Element:
    """Send a request; give the body of the answer.

    Parameters
    ----------
    service
        Whom to ask.
    body
        Element of the request, with the prefixes of `SPACES`.
    created
        Now, by the device's clock: one that checks it refuses what is minutes away. Without it the
        account is not sent.
    header
        What goes before the account, with the same prefixes.

    Raises
    ------
    SourceError
        If there is no answer, or none that can be used.
    """
    if service.account is not None and created is not None:
        header += token(service.account, created)
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in SPACES.items())
    text = f"<s:Envelope {spaces}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    try:
        answer = _post(service, text.encode())
    except HTTPError as fault:
        with fault:
            # no body where urllib itself gives up: some releases then read text, empty
            reason = _reason(fault.read(LARGEST) or b"")
        msg = f"{service.address} refuses: {reason or f'HTTP {fault.code}'}"
        if fault.code == HTTPStatus.UNAUTHORIZED or "auth" in reason.lower():
            msg += "; check camera.user and camera.password, and that ONVIF has this account, too"
        raise SourceError(msg) from fault
    except (OSError, HTTPException) as fault:  # TimeoutError and URLError are OSErrors
        msg = f"{service.address} does not answer: {getattr(fault, 'reason', fault)}"
        raise SourceError(msg) from fault
    found = read(answer)
    part = None if found is None else found.find("s:Body", SPACES)
    if part is None:
        msg = f"{service.address} answers, but not as an ONVIF device; is its address right?"
        raise SourceError(msg)
    if part.find("s:Fault", SPACES) is not None:
        msg = f"{service.address} refuses: {_reason(answer)}"
        raise SourceError(msg)
    return part


def token(account: Account, created: datetime) -> str:
    """Security header with the digest of a password (WS-Security UsernameToken Profile 1.0)."""
    nonce, stamp = secrets.token_bytes(16), created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(  # noqa: S324  # the profile has no other
        nonce + stamp.encode() + account.password.encode()
    ).digest()
    return (
        f'<w:Security xmlns:w="{_SECURITY}-wssecurity-secext-1.0.xsd" s:mustUnderstand="1">'
        f"<w:UsernameToken><w:Username>{escape(account.user)}</w:Username>"
        f'<w:Password Type="{_SECURITY}-username-token-profile-1.0#PasswordDigest">'
        f"{base64.b64encode(digest).decode()}</w:Password>"
        f'<w:Nonce EncodingType="{_SECURITY}-soap-message-security-1.0#Base64Binary">'
        f"{base64.b64encode(nonce).decode()}</w:Nonce>"
        f'<u:Created xmlns:u="{_SECURITY}-wssecurity-utility-1.0.xsd">{stamp}</u:Created>'
        "</w:UsernameToken></w:Security>"
    )


def read(answer: bytes) -> ET.Element | None:
    """Read an envelope; None if that is none."""
    # SOAP has no document type, and devices speak UTF-8: somebody is up to no good.
    if b"<!DOCTYPE" in answer or b"<!ENTITY" in answer or b"\0" in answer:
        return None
    try:
        return ET.fromstring(answer)  # noqa: S314  # without entities there is nothing to expand
    except (ET.ParseError, LookupError, ValueError):  # or in an encoding that nobody knows
        return None


def _post(service: Service, body: bytes) -> bytes:
    request = Request(  # noqa: S310  # http and https alone: see `edge.onvif.device`
        service.address, body, {"Content-Type": "application/soap+xml; charset=utf-8"}
    )
    # Reading the system's certificates costs more than all else that a request does.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if service.address.startswith("https:"):
        context = ssl.create_default_context(cafile=service.ca)
    handlers = [ProxyHandler({}), HTTPSHandler(context=context)]  # a camera is near: no proxy
    try:
        with build_opener(*handlers).open(request, timeout=service.timeout) as answer:
            return _body(answer, service.timeout)
    except HTTPError as fault:
        digest = fault.headers.get("WWW-Authenticate", "").startswith("Digest")
        if fault.code != HTTPStatus.UNAUTHORIZED or not (service.account and digest):
            raise
        fault.close()
    known = HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, service.address, *service.account)
    opener = build_opener(*handlers, HTTPDigestAuthHandler(known))
    with opener.open(request, timeout=service.timeout) as answer:
        return _body(answer, service.timeout)


def _body(answer: HTTPResponse, seconds: float) -> bytes:
    """Read an answer up to `LARGEST`; one that comes byte by byte takes no longer than others."""
    deadline, pieces, size = time.monotonic() + seconds, [], 0
    while size < LARGEST and (piece := answer.read1(LARGEST - size)):
        if time.monotonic() > deadline:
            msg = f"its answer is not over after {seconds:g} s"
            raise TimeoutError(msg)
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _reason(answer: bytes) -> str:
    found = read(answer)
    text = None if found is None else found.find(".//s:Reason/s:Text", SPACES)
    return "" if text is None or text.text is None else text.text.strip()
