"""The page of one device: how it does, its configuration, commands, incidents and live view."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from api.console import device_rows
from api.console.device_rows import Known
from api.console.headers import HEADERS
from api.console.render import render
from api.console.words import Words, choose
from api.routers.devices import CONDITION_SPAN, NOTHING_TOLD, WINDOW
from contracts.clock import from_micros
from contracts.site import Site
from storage.keys import COMMANDS, ApiKey
from storage.metrics import camera_conditions, list_incidents
from storage.overview import newest_window, read_device, read_site
from storage.pool import AsyncConnection
from storage.remote import list_commands, list_configurations

SPAN: Final = timedelta(days=30)
"""Of the incidents; agents keep their snapshots for so long, unless told otherwise."""
INCIDENTS: Final = 50
SHOWN_COMMANDS: Final = 20


def add_device_page(app: FastAPI) -> None:
    """Register the page."""

    @app.get("/devices/{pilot}/{device}", include_in_schema=False)
    async def page(request: Request, pilot: str, device: str, lang: str = "") -> HTMLResponse:
        words = Words(choose(lang))
        now = from_micros(request.app.state.clock())
        async with request.app.state.pool.connection(timeout=5) as connection:
            known = await _read(connection, pilot, device, now)
        if known is None:
            text = render("device", w=words, unknown=f"{pilot}/{device}")
            return HTMLResponse(text, HTTPStatus.NOT_FOUND)
        key: ApiKey = request.state.key
        state = known.row.state or {}
        camera = _origin(str(state.get("picture_url", "")))
        text = render(
            "device",
            w=words,
            unknown="",
            identity=f"{pilot}/{device}",
            name=_name(known, words),
            simulated=known.simulated,
            state=device_rows.state_rows(known, now, words),
            configuration=device_rows.configuration(known.configurations, words),
            commands=[device_rows.command_row(each, now, words) for each in known.commands],
            may_ask=COMMANDS in key.scopes,
            incidents=[
                device_rows.incident(each, known.site, now, words) for each in known.incidents
            ],
            has_pictures=bool(camera),
            camera=camera,
            certificate=str(state.get("picture_certificate", "")),
            texts=_for_script(words),
        )
        return HTMLResponse(text, headers={"Cache-Control": "no-store", **_policy(camera)})


async def _read(
    connection: AsyncConnection, pilot: str, device: str, now: datetime
) -> Known | None:
    row = await read_device(connection, pilot, device, now=now, window=WINDOW)
    site = None if row is None else await read_site(connection, row.site_pilot, row.site_name)
    if row is None or site is None:
        return None
    identity, simulated = f"{pilot}/{device}", row.simulated
    if simulated is None:  # silent for a while: as the site was
        _, simulated = await newest_window(connection, site.site) or (now, False)
    conditions = await camera_conditions(connection, [identity], now - CONDITION_SPAN)
    configurations = await list_configurations(connection, [identity])
    incidents = await list_incidents(
        connection,
        site=site.site,
        simulated=simulated,
        device=identity,
        start=now - SPAN,
        end=now,
        limit=INCIDENTS,
    )
    return Known(
        row,
        Site.model_validate(site.plan),
        simulated,
        conditions.get(identity, []),
        configurations.get(identity, NOTHING_TOLD),
        await list_commands(connection, identity, limit=SHOWN_COMMANDS),
        incidents,
    )


def _name(known: Known, words: Words) -> str:
    """Name that the plan gives its camera, else the device's own."""
    cameras = (camera for camera in known.site.cameras if camera.device == known.row.name)
    named = next((words.of(camera.name.cs, camera.name.en) for camera in cameras), "")
    return named or known.row.name


def _origin(url: str) -> str:
    """Scheme, host and port of an address; nothing if a header could not carry them."""
    parts = urlsplit(url)
    plain = parts.netloc.isascii() and not set(parts.netloc) & set(" \t;,'\"@*\\")
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and plain else ""


def _policy(camera: str) -> dict[str, str]:
    """Headers by which this page may ask its own camera, too, and no other."""
    name = "Content-Security-Policy"
    return {name: HEADERS[name].replace("connect-src 'self'", f"connect-src 'self' {camera}")}


def _for_script(words: Words) -> dict[str, Any]:
    """Texts that the script shows."""
    keys = ("reason_first", "opening", "over", "ended", "broke_off", "no_permit", "refused",
            "left", "captured", "no_snapshot", "not_asked", "lost", "begin", "end")  # fmt: skip
    return {key: words(f"view.{key}") for key in keys} | {
        "locale": "cs-CZ" if words.language == "cs" else "en-GB"
    }
