"""API keys: who asks, and the ready-made link that puts a key into the browser."""

import logging
from http.cookies import CookieError, SimpleCookie
from typing import Annotated, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import KeyScopeError, NoDatabaseError, NoKeyError, answer
from storage.errors import DatabaseLostError
from storage.keys import COMMANDS, DEAD_LETTERS, ApiKey

logger = logging.getLogger(__name__)

OPEN: Final = frozenset({"/v1/health"})


class KeyGate:
    """ASGI middleware: nothing but health is answered without a key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through who has a key; put the key into ``request.state.key``."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        link_key, query = _split_link(scope)
        key = link_key or _presented(scope)
        try:
            found = await scope["app"].state.keys.find(key) if key else None
        except DatabaseLostError:
            await answer(NoDatabaseError("Try again in a moment."))(scope, receive, send)
            return
        if found is None or key is None:
            detail = "Send it as `Authorization: Bearer ...` or `X-API-Key`, or open a ready link."
            await _refuse(answer(NoKeyError(detail)), scope, receive, send)
        elif link_key:
            await _enter(scope, key, query)(scope, receive, send)
        else:
            scope.setdefault("state", {})["key"] = found
            await self._app(scope, receive, send)


def actor(request: Request) -> str:
    """Name of the key that this request came with."""
    key: ApiKey = request.state.key
    return key.name


Actor = Annotated[str, Depends(actor)]


def steward(request: Request) -> str:
    """Name of the key, if it may see, replay and drop dead letters."""
    return _with_scope(request, DEAD_LETTERS)


Steward = Annotated[str, Depends(steward)]


def commander(request: Request) -> str:
    """Name of the key, if it may ask devices to do something."""
    return _with_scope(request, COMMANDS)


Commander = Annotated[str, Depends(commander)]


def _with_scope(request: Request, scope: str) -> str:
    """Name of the key, if it has this scope.

    Raises
    ------
    KeyScopeError
        If it has not.
    """
    key: ApiKey = request.state.key
    if scope not in key.scopes:
        raise KeyScopeError(f"{key.name!r} has not the scope {scope!r}")
    return key.name


def cookie_name(scope: Scope) -> str:
    """Name of the cookie: a host's ports share their cookies, so it carries the port."""
    server = scope.get("server")
    return f"tepna_key_{server[1] if server else 0}"


def _presented(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials:
        return credentials.strip()
    if key := headers.get("x-api-key"):
        return key
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(cookie_name(scope))
    except CookieError:
        return None
    return morsel.value if morsel else None


def _split_link(scope: Scope) -> tuple[str | None, str]:
    """Key of a ready-made link to a page, and the query without it; the API takes no such key."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith("/v1/"):
        return None, ""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    key = next((value for name, value in pairs if name == "key"), None)
    return key, urlencode([pair for pair in pairs if pair[0] != "key"])


def _enter(scope: Scope, key: str, query: str) -> Response:
    """Move the key from the address into a cookie that no script can read."""
    path = scope["path"]
    response = RedirectResponse(f"{path}?{query}" if query else path, status_code=303)
    response.set_cookie(
        cookie_name(scope),
        key,
        max_age=30 * 24 * 3600,
        httponly=True,
        samesite="lax",
        secure=scope["scheme"] == "https",
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


async def _refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await response(scope, receive, send)
