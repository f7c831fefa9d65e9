"""What /v1 does not have; without this the console would answer for it."""

from http import HTTPStatus
from typing import Final, Never

from fastapi import APIRouter, HTTPException

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]

router = APIRouter(include_in_schema=False)


@router.api_route("/v1/{path:path}", methods=METHODS, response_model=None)
async def unknown(path: str) -> Never:
    """Say that there is no such thing."""
    raise HTTPException(HTTPStatus.NOT_FOUND, path)
