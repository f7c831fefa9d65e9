"""`tepna edge model check`: measure a model, and print what was found."""

import json
import time
from pathlib import Path

from rich.console import Console

from edge.models.check import check_model
from edge.models.report import as_document, tables
from edge.verify.progress import shown_progress


def print_model(path: Path, picture: Path | None, *, as_json: bool) -> None:
    """Check a model and print what it is, as tables or as one JSON object.

    Raises
    ------
    DetectorError
        If it cannot be used; the text says why and what would do.
    """
    with shown_progress(f"Measuring {path.name}", time.monotonic) as progress:
        found = check_model(path, picture, progress)
    console = Console()
    if as_json:
        console.print(json.dumps(as_document(found)), soft_wrap=True, markup=False, highlight=False)
        return
    for part in tables(found):
        console.print(part, soft_wrap=True, markup=False, highlight=False)
