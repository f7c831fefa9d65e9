"""Cameras that send their viewers elsewhere: FFmpeg would go there with the account.

Of HTTP it leaves the account behind; of RTSP it does not, and has no option for that. So a camera
with an account is asked before, as FFmpeg is about to ask it.
"""

import base64
import hashlib
import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from edge.configuration.secrets import PORTS
from edge.errors import SourceError

FEW: Final = 5
"""Redirections on one host that are followed."""
MOST: Final = 1 << 16
"""Bytes of a line, and of a body that is skipped."""
LINES: Final = 100
# What urllib.request has for this brings HTTP and TLS along: 1 MB for every camera.
_FIELD: Final = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_ESCAPED: Final = re.compile(r"\\(.)")

Headers = dict[str, list[str]]  # names in small letters


def check_redirection(address: str, ca: Path | None, timeout: float) -> None:
    """See that an RTSP camera does not send us, and so its account, to another host.

    Parameters
    ----------
    address
        With the account, if there is one.
    ca
        Certificates to verify the camera's by; those of the system by default.
    timeout
        How long it may take to answer. [s]

    Raises
    ------
    SourceError
        If it does, or speaks no RTSP, or the address is none.
    OSError
        If it does not answer.
    """
    try:
        _follow(urlsplit(address), ca, timeout)
    except ValueError as fault:  # what an address is made of
        msg = f"it is not, or does not send us to, an address: {fault}"
        raise SourceError(msg) from fault


def _follow(parts: SplitResult, ca: Path | None, timeout: float) -> None:
    if parts.scheme not in {"rtsp", "rtsps"} or parts.username is None:
        return
    account = unquote(parts.username), unquote(parts.password or "")
    for _ in range(FEW):
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        told = _redirection(bare, account, ca, timeout)
        if told is None:
            return
        other = urlsplit(urljoin(bare.geturl(), told))
        if other.hostname != parts.hostname or other.scheme not in {parts.scheme, "rtsps"}:
            msg = (
                f"{bare.scheme}://{bare.netloc} sends its viewers to {other.scheme}://"
                f"{other.netloc.rpartition('@')[2]}: the account stays here; if that is right, "
                "write that address into camera.source"
            )
            raise SourceError(msg)
        parts = other
    msg = f"{parts.scheme}://{parts.hostname} sends its viewers to and fro"
    raise SourceError(msg)


def _redirection(
    place: SplitResult, account: tuple[str, str], ca: Path | None, timeout: float
) -> str | None:
    """Where a camera sends us, None: nowhere."""
    host = place.hostname or ""
    with ExitStack() as stack:
        port = place.port or PORTS[place.scheme]
        link = stack.enter_context(socket.create_connection((host, port), timeout))
        if place.scheme == "rtsps":
            import ssl  # noqa: PLC0415  # 1 MB that other cameras do not need

            context = ssl.create_default_context(cafile=ca)
            link = stack.enter_context(context.wrap_socket(link, server_hostname=host))
        answers = stack.enter_context(link.makefile("rb"))
        address, number = place.geturl(), 0
        authorization = ""
        for method in ("OPTIONS", "DESCRIBE"):
            for _ in range(2):  # without an account, and with it if it is wanted
                number += 1
                head = f"{method} {address} RTSP/1.0\r\nCSeq: {number}\r\n{authorization}\r\n"
                link.sendall(head.encode())
                status, headers = _answer(answers)
                if status != HTTPStatus.UNAUTHORIZED:
                    break
                authorization = _authorization(headers, method, address, account)
            if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
                return headers.get("location", [address])[0]
            authorization = ""  # it is of one request
    return None


def _answer(answers: IO[bytes]) -> tuple[int, Headers]:
    """Status and headers; what follows them is skipped."""
    status = re.match(rb"RTSP/\d\.\d (\d{3})", answers.readline(MOST))
    if status is None:
        msg = "it does not speak RTSP, or has hung up"
        raise SourceError(msg)
    headers: Headers = {}
    for _ in range(LINES):
        line = answers.readline(MOST).decode("utf-8", "replace").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    length = headers.get("content-length", ["0"])[0]
    answers.read(min(int(length), MOST) if length.isdecimal() else 0)
    return int(status[1]), headers


def _authorization(headers: Headers, method: str, address: str, account: tuple[str, str]) -> str:
    """Header that answers a challenge (RFC 2617); none if it cannot be answered."""
    challenges = {kind.lower(): rest for kind, _, rest in (
        challenge.partition(" ") for challenge in headers.get("www-authenticate", [])
    )}  # fmt: skip
    if "digest" in challenges:
        given = _FIELD.findall(challenges["digest"])
        fields = {name: _ESCAPED.sub(r"\1", quoted) or bare for name, quoted, bare in given}
        return f"Authorization: Digest {_digest(fields, method, address, account)}\r\n"
    if "basic" in challenges:
        return f"Authorization: Basic {base64.b64encode(':'.join(account).encode()).decode()}\r\n"
    return ""


def _digest(fields: Mapping[str, str], method: str, address: str, account: tuple[str, str]) -> str:
    user, password = account
    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    extent = ""
    middle = nonce
    if "auth" in fields.get("qop", "").split(","):
        client = hashlib.sha256(nonce.encode()).hexdigest()[:16]
        middle = f"{nonce}:00000001:{client}:auth"
        extent = f', qop=auth, nc=00000001, cnonce="{client}"'
    if opaque := fields.get("opaque"):
        extent += f', opaque="{opaque}"'
    secret, asked = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{address}")
    return (
        f'username="{user}", realm="{realm}", nonce="{nonce}", uri="{address}", '
        f'response="{_md5(f"{secret}:{middle}:{asked}")}"{extent}'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324  # cameras have no other
