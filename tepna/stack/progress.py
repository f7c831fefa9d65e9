"""Show what takes long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tepna.stack.apt import Step


@contextmanager
def shown_progress() -> Iterator[Step]:
    """Give a function that shows a step: a moving bar on a terminal, else a line for each step."""
    if not sys.stderr.isatty():
        yield _printed()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Looking", total=None)

        def show(what: str, share: float) -> None:
            progress.update(task, description=what, completed=share, total=1.0 if share else None)

        yield show


def _printed() -> Step:
    last = ""

    def show(what: str, _: float) -> None:
        nonlocal last
        if what != last:
            sys.stderr.write(f"{what} ...\n")
        last = what

    return show
