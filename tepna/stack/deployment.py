"""The folder ``deploy``: settings that the local stack shares with Docker Compose."""

from pathlib import Path

import tepna


def deploy_folder() -> Path:
    """Find ``deploy``: inside an installed tepna, or beside it in a checkout."""
    package = Path(tepna.__file__).parent
    inside = package / "deploy"
    return inside if inside.is_dir() else package.parent / "deploy"


def shared_values() -> dict[str, str]:
    """Read ``deploy/stack.env``: names and values, as Docker Compose reads it."""
    lines = (deploy_folder() / "stack.env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}
