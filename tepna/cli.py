"""The `tepna` command."""

import typer

app = typer.Typer(no_args_is_help=True, help="Tepna: from the street to the indicator.")


def main() -> None:
    """Run the command line."""
    app()
