"""What stands in a request: who sends it, what it is, and its bytes."""

import asyncio
import re
from typing import Final, NamedTuple

from starlette.requests import Request

from contracts.batch import CONTENT_TYPE, MAX_BYTES, STREAMS
from contracts.topics import topic
from ingest.door.problems import (
    BadIdempotencyKeyError,
    NoIdempotencyKeyError,
    NoKeyError,
    OtherDeviceError,
    SlowBodyError,
    TooLargeError,
    UnknownStreamError,
    UnsupportedTypeError,
)
from ingest.foreign import posted
from ingest.foreign.senml import CBOR_TYPE, JSON_TYPE
from ingest.inbox import Delivery
from storage.keys import KeyRing

TYPES: Final = (CONTENT_TYPE, JSON_TYPE, CBOR_TYPE)
KEY: Final = re.compile(r'[!#-~]{1,200}|"[ !#-~]{1,198}"')


class Kind(NamedTuple):
    """What a message is, before its bytes are there."""

    topic: str
    content_type: str
    key: str | None  # that the sender has given


async def authenticate(request: Request, keys: KeyRing[str]) -> str:
    """Identity of the device that the path names, if the key is its own.

    Raises
    ------
    NoKeyError
        If the key opens nothing.
    OtherDeviceError
        If it is another device's.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise NoKeyError("Send the device's key as `Authorization: Bearer ...`.")
    owner = await keys.find(key.strip())
    if owner is None:
        raise NoKeyError("It opens nothing, or was revoked.")
    asked = f"{request.path_params['pilot']}/{request.path_params['device']}"
    if owner != asked:
        raise OtherDeviceError(f"It is not the key of {asked}.")
    return owner


def kind(request: Request, identity: str) -> Kind:
    """Tell what is sent, by path and headers.

    Raises
    ------
    UnknownStreamError
        If the path names no stream, or one that the content does not belong to.
    UnsupportedTypeError
        If it is neither a batch nor SenML, or encoded.
    """
    stream = request.path_params["stream"]
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in TYPES:
        raise UnsupportedTypeError(f"{content_type!r}; taken are {', '.join(TYPES)}.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedTypeError("Send it without Content-Encoding: a batch packs its columns.")
    if stream not in STREAMS:
        raise UnknownStreamError(f"{stream!r}; known are {', '.join(sorted(STREAMS))}.")
    if content_type == CONTENT_TYPE:
        return Kind(topic(identity, "up", stream), content_type, None)
    if stream != "obs":
        raise UnknownStreamError("SenML is of the stream obs.")
    return Kind(posted.topic(identity), content_type, _key(request))


async def read(request: Request, patience: float, most: int = MAX_BYTES) -> bytes:
    """Read the body, no further than what can be taken [bytes].

    Raises
    ------
    TooLargeError
        If it is larger.
    SlowBodyError
        If it is not there in time.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for part in request.stream():
                if len(body) + len(part) > most:
                    raise _too_large(most)
                body += part
    except TimeoutError:
        raise SlowBodyError(f"{len(body)} bytes after {patience:g} s.") from None
    return bytes(body)


def delivery(kind: Kind, body: bytes, received: int) -> Delivery:
    """Make what the pipeline takes of it.

    Raises
    ------
    NoIdempotencyKeyError
        If neither its sender nor anything in it names it.
    """
    properties = {"via": "http", "content-type": kind.content_type}
    if kind.key is not None:
        properties[posted.KEY] = kind.key
    elif kind.content_type != CONTENT_TYPE and not posted.is_named(body, kind.content_type):
        msg = "A pack without absolute times needs the header Idempotency-Key."
        raise NoIdempotencyKeyError(msg)
    return Delivery(
        connection=0,
        packet=0,
        topic=kind.topic,
        payload=body,
        properties=properties,
        received=received,
    )


def _key(request: Request) -> str | None:
    """Read the key; a string of RFC 9651, or without its quotes."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if KEY.fullmatch(key) is None:
        raise BadIdempotencyKeyError("At most 200 printable ASCII characters.")
    return key.strip('"')


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"At most {most} bytes are taken.")
