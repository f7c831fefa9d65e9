"""Every refusal as RFC 9457 problem details."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from storage.errors import DatabaseLostError

PROBLEM_JSON: Final = "application/problem+json"


class Fault(BaseModel):
    """One thing that is wrong with the request."""

    pointer: str = Field(examples=["query/from"])
    detail: str = Field(examples=["Input should have timezone info"])


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(examples=["urn:tepna:problem:unknown-site"])
    title: str = Field(examples=["There is no such site."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["usti-belehradska/elsewhere"])
    errors: list[Fault] = []


class ApiError(Exception):
    """Base: the docstring is the title, the class says status and type, the text the detail."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    slug: ClassVar[str] = "internal"
    headers: ClassVar[Mapping[str, str]] = {}


class NoKeyError(ApiError):
    """A valid API key is needed."""

    status = HTTPStatus.UNAUTHORIZED
    slug = "no-key"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="tepna"'}


class KeyScopeError(ApiError):
    """The key does not open that."""

    status = HTTPStatus.FORBIDDEN
    slug = "key-scope"


class UnknownSiteError(ApiError):
    """There is no such site."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-site"


class UnknownDeviceError(ApiError):
    """There is no such device."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-device"


class UnknownIncidentError(ApiError):
    """There is no such incident."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-incident"


class UnknownLetterError(ApiError):
    """There is no such dead letter."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-dead-letter"


class UnknownReplayError(ApiError):
    """There is no such replay."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-replay"


class UnknownValueError(ApiError):
    """There is no such indicator value."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-indicator-value"


class UnknownCommandError(ApiError):
    """The device was not asked that."""

    status = HTTPStatus.NOT_FOUND
    slug = "unknown-command"


class BadCommandError(ApiError):
    """A device cannot be asked that."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "bad-command"


class BadCursorError(ApiError):
    """The cursor is none that this list has given out."""

    status = HTTPStatus.BAD_REQUEST
    slug = "bad-cursor"


class BadPeriodError(ApiError):
    """The period cannot be answered."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "bad-period"


class NoPictureError(ApiError):
    """The camera gives no picture now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "no-picture"


class NoDatabaseError(ApiError):
    """The database does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "no-database"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class NoBrokerError(ApiError):
    """The broker does not answer, so nobody can be asked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "no-broker"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class TooManyReplaysError(ApiError):
    """Too many replays wait for ingest."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "too-many-replays"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "10"}


class TooManyStreamsError(ApiError):
    """All live streams are taken; come again later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "too-many-streams"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "10"}


def problem(
    status: HTTPStatus,
    slug: str,
    title: str,
    detail: str,
    *,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Response that carries problem details."""
    body = Problem(
        type=f"urn:tepna:problem:{slug}",
        title=title,
        status=status,
        detail=detail,
        errors=list(errors),
    )
    return JSONResponse(
        body.model_dump(exclude_defaults=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type=PROBLEM_JSON,
    )


def answer(fault: ApiError) -> JSONResponse:
    """Problem details of one of our own errors."""
    title = (type(fault).__doc__ or "").strip()
    return problem(fault.status, fault.slug, title, str(fault), headers=fault.headers)


def install(app: FastAPI) -> None:
    """Let every error of the application leave as problem details."""

    @app.exception_handler(ApiError)
    async def ours(_request: Request, fault: ApiError) -> JSONResponse:
        return answer(fault)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, fault: RequestValidationError) -> JSONResponse:
        errors = [
            Fault(pointer="/".join(map(str, e["loc"])), detail=e["msg"]) for e in fault.errors()
        ]
        text = "; ".join(f"{e.pointer}: {e.detail}" for e in errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return problem(status, "invalid", "The request cannot be used.", text, errors=errors)

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, fault: HTTPException) -> JSONResponse:
        status = HTTPStatus(fault.status_code)
        slug = status.phrase.lower().replace(" ", "-")
        detail = f"{request.method} {request.url.path}"
        return problem(status, slug, status.phrase, detail, headers=fault.headers)

    async def no_database(_request: Request, _fault: Exception) -> JSONResponse:
        return answer(NoDatabaseError("Try again in a moment."))

    for fault in DatabaseLostError:
        app.add_exception_handler(fault, no_database)

    @app.exception_handler(Exception)  # it is logged with its traceback by the server
    async def unforeseen(request: Request, _fault: Exception) -> JSONResponse:
        title = "Something unforeseen went wrong."
        detail = f"{request.method} {request.url.path}"
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", title, detail)


def refusals(*told: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    """Describe problem details for OpenAPI: status and what it means."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {code: {"description": text, "content": content} for code, text in told}


RESPONSES: Final = refusals(
    (401, "No valid API key"),
    (404, "No such thing"),
    (422, "The request cannot be used"),
    (503, "A part that is needed does not answer"),
)
"""What every route may answer beside its own, for OpenAPI."""
