"""`POST /v1/enrolments`: a box with a one-time code gets a certificate for its key.

Asking again with the same key gives the same certificate: an answer may be lost on the way.
"""

from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.clock import Clock, from_micros
from contracts.enrolment import (
    PATH,
    RENEWAL_PATH,
    Enrolled,
    Enrolment,
    Renewal,
    read_code,
)
from ingest.door import reading
from ingest.door.desk import Desk
from ingest.door.problems import (
    BadEnrolmentError,
    NoCodeError,
    NoEnrolmentError,
    TooManyCertificatesError,
)
from ingest.enrolment.authority import RequestError, key_digest, read_request
from ingest.enrolment.settings import Office
from storage.enrolment import add_certificate, find_holder, spend_code
from storage.keys import write_audit

LARGEST: Final = 32_768
"""Bytes of a request."""
A_DAY: Final = 10
"""Certificates that one device gets in a day."""
STRANGERS: Final = ""
"""Whose places at the desk those have who are nobody yet."""

M = TypeVar("M", Enrolment, Renewal)


def enrolment_routes(
    office: Office | None, desk: Desk, clock: Clock, patience: float
) -> list[Route]:
    """Routes of the enrolment; without an office they say that nobody is enrolled here."""

    async def enrol(request: Request) -> Response:
        there = _there(office)
        with desk.place(STRANGERS):
            asked = await _read(request, Enrolment, patience)
            try:
                code, wanted = read_code(asked.code), read_request(asked.request)
            except (ValueError, RequestError) as fault:
                raise BadEnrolmentError(f"{fault}") from fault
            async with request.app.state.pool.connection(timeout=patience) as connection:
                spent = await spend_code(connection, code, key_digest(wanted))
                if spent is None:
                    raise NoCodeError("It was used, has run out, or was never given.")
                pem = spent.given
                if pem is None:
                    signed = there.authority.sign(wanted, spent.device, from_micros(clock()))
                    pem = signed.pem
                    await add_certificate(
                        connection, identity=spent.device, serial=signed.serial, pem=pem,
                        expires=signed.expires, enrolment=spent.enrolment,
                    )  # fmt: skip
                    await write_audit(
                        connection, actor=spent.device, action="enrol",
                        subject=signed.serial, purpose=None,
                    )  # fmt: skip
        return _answer(there, spent.device, pem)

    async def renew(request: Request) -> Response:
        there = _there(office)
        with desk.place(STRANGERS):
            asked = await _read(request, Renewal, patience)
            try:
                wanted = read_request(asked.request)
                serial = there.authority.renewable(
                    asked.certificate, asked.request, asked.signature
                )
            except RequestError as fault:
                raise BadEnrolmentError(f"{fault}") from fault
            async with request.app.state.pool.connection(timeout=patience) as connection:
                holder = await find_holder(connection, serial)
                if holder is None:
                    raise NoCodeError("The certificate was revoked, has run out, or is unknown.")
                if holder.of_today >= A_DAY:
                    raise TooManyCertificatesError(f"{A_DAY} within a day.")
                signed = there.authority.sign(wanted, holder.device, from_micros(clock()))
                await add_certificate(
                    connection, identity=holder.device, serial=signed.serial, pem=signed.pem,
                    expires=signed.expires, enrolment=None,
                )  # fmt: skip
        return _answer(there, holder.device, signed.pem)

    return [
        Route(PATH, enrol, methods=["POST"]),
        Route(RENEWAL_PATH, renew, methods=["POST"]),
    ]


def _there(office: Office | None) -> Office:
    if office is None:
        raise NoEnrolmentError("Set TEPNA_ENROLMENT_AUTHORITY and what goes with it.")
    return office


async def _read(request: Request, kind: type[M], patience: float) -> M:
    body = await reading.read(request, patience, LARGEST)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise BadEnrolmentError(f"{fault}") from fault


def _answer(office: Office, device: str, certificate: str) -> Response:
    answer = Enrolled(device, certificate, office.broker, office.broker_authority)
    return Response(
        msgspec.json.encode(answer),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
