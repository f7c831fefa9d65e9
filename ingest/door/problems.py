"""Every refusal of the door as RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ingest.errors import IngestError
from storage.errors import DatabaseLostError

PROBLEM_JSON: Final = "application/problem+json"


class DoorError(IngestError):
    """Base: the docstring is the title, the class says status and type, the text the detail."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    slug: ClassVar[str] = "internal"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.more = more  # members beside those that every problem has


class NoKeyError(DoorError):
    """A valid key of a device is needed."""

    status = HTTPStatus.UNAUTHORIZED
    slug = "no-key"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="tepna"'}


class OtherDeviceError(DoorError):
    """The key is another device's."""

    status = HTTPStatus.FORBIDDEN
    slug = "other-device"


class UnknownStreamError(DoorError):
    """There is no such stream."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-stream"


class NoIdempotencyKeyError(DoorError):
    """Without a key it could not be told from its repetition."""

    status = HTTPStatus.BAD_REQUEST
    slug = "no-idempotency-key"


class BadIdempotencyKeyError(DoorError):
    """The idempotency key cannot be used."""

    status = HTTPStatus.BAD_REQUEST
    slug = "bad-idempotency-key"


class SlowBodyError(DoorError):
    """The body did not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    slug = "slow-body"
    headers: ClassVar[Mapping[str, str]] = {"Connection": "close"}


class TooLargeError(DoorError):
    """The body is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    slug = "too-large"
    headers: ClassVar[Mapping[str, str]] = {"Connection": "close"}


class UnsupportedTypeError(DoorError):
    """The content cannot be read here."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    slug = "unsupported-type"


class DeadLetterError(DoorError):
    """Nothing of it could be used; it is a dead letter."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "dead-letter"


class NoEnrolmentError(DoorError):
    """Nobody is enrolled at this door."""

    status = HTTPStatus.NOT_FOUND
    slug = "no-enrolment"


class BadEnrolmentError(DoorError):
    """What is to be certified cannot be read."""

    status = HTTPStatus.BAD_REQUEST
    slug = "bad-enrolment"


class NoCodeError(DoorError):
    """The code, or the certificate, opens nothing."""

    status = HTTPStatus.FORBIDDEN
    slug = "no-code"


class TooManyCertificatesError(DoorError):
    """The device has got too many certificates."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "too-many-certificates"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "86400"}


class DeviceBusyError(DoorError):
    """The device has too many requests open."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "device-busy"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class FullError(DoorError):
    """Too many requests wait; the same may be sent again later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "full"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "2"}


class NoDatabaseError(DoorError):
    """The database does not answer; the same may be sent again later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "no-database"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


def problem(
    status: HTTPStatus,
    slug: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """Response that carries problem details."""
    body = {
        "type": f"urn:tepna:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        **(more or {}),
    }
    return Response(msgspec.json.encode(body), status, headers, PROBLEM_JSON)


def _ours(_: Request, fault: DoorError) -> Response:
    title = (type(fault).__doc__ or "").strip()
    return problem(fault.status, fault.slug, title, str(fault), fault.headers, fault.more)


def _no_database(request: Request, fault: Exception) -> Response:
    del fault  # it names hosts, which are nobody's business
    return _ours(request, NoDatabaseError("Nothing is known to be stored."))


def _of_the_framework(request: Request, fault: HTTPException) -> Response:
    status = HTTPStatus(fault.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    where = f"{request.method} {request.url.path}"
    return problem(status, slug, status.phrase, where, fault.headers)


def _gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it


def _unforeseen(request: Request, _: Exception) -> Response:
    where = f"{request.method} {request.url.path}"
    title = "Something unforeseen went wrong."  # the server logs what
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", title, where)


HANDLERS: Final[dict[Any, Any]] = {
    DoorError: _ours,
    HTTPException: _of_the_framework,
    ClientDisconnect: _gone,
    Exception: _unforeseen,
    **dict.fromkeys(DatabaseLostError, _no_database),
}
"""What each error becomes."""
