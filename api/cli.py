"""`tepna api`: run it, make keys, write the OpenAPI document."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.settings import ApiSettings
from contracts.errors import SettingsError
from storage.errors import DatabaseError
from storage.keys import SCOPES
from storage.pool import StorageSettings, connect
from storage.registry import create_api_key

app = typer.Typer(no_args_is_help=True, help="API and console.")
key = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(key, name="key")


@app.command()
def run(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="0: a free one")] = None,
) -> None:
    """Serve API and console until interrupted."""
    import uvicorn  # noqa: PLC0415  # heavy, and sse-starlette hooks into it

    from api.app import create_app  # noqa: PLC0415  # heavy

    try:
        settings = ApiSettings.load(host=host, port=port)
    except SettingsError as fault:
        typer.echo(fault, err=True)
        raise typer.Exit(2) from fault
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,  # it would show the keys of ready-made links
        server_header=False,
        timeout_graceful_shutdown=3,
        log_level="warning",
    )


@key.command("create")
def create(
    name: Annotated[str, typer.Argument(help="whose key it is; shown in the audit")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"what it opens beside reading: {', '.join(sorted(SCOPES))}"),
    ] = None,
) -> None:
    """Make a key and print it: this is the only time it can be read."""
    if unknown := set(scope or ()) - SCOPES:
        typer.echo(f"no scope: {', '.join(sorted(unknown))}", err=True)
        raise typer.Exit(2)
    try:
        with connect(StorageSettings.load(), name="tepna api key") as connection:
            typer.echo(create_api_key(connection, name, scope or ()))
    except (SettingsError, DatabaseError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault


@app.command()
def openapi(
    file: Annotated[Path | None, typer.Argument(help="default: standard output")] = None,
) -> None:
    """Write the OpenAPI document."""
    from api.app import create_api  # noqa: PLC0415  # heavy

    # Nothing is connected to: the document does not depend on where things are.
    settings = ApiSettings(database_url="postgresql://", mqtt_url="mqtt://localhost")
    text = json.dumps(create_api(settings).openapi(), ensure_ascii=False, indent=2) + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")
