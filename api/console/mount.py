"""The console on the application: static files, page, safe headers."""

from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from nicegui import ui
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.console.device import add_device_page
from api.console.headers import HEADERS
from api.console.letters import add_letters
from api.console.page import add_page

FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#ff7a6b" '
    'stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round">'
    '<path d="M2 12h5l2.5-6 4 12 2.5-6h6"/></svg>'
)


def mount_console(app: FastAPI) -> None:
    """Show the console at `/` of this application."""
    app.mount("/console", StaticFiles(directory=str(files("api.console") / "static")))
    add_letters(app)
    add_device_page(app)
    add_page(app)
    ui.run_with(
        app,
        title="Tepna",
        favicon=FAVICON,
        dark=True,
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,  # nothing is bound
        message_history_length=50,
    )
    app.add_middleware(SafeHeaders)


class SafeHeaders:
    """ASGI middleware: what a browser may do with our answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to every answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, adding)
