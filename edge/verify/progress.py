"""Show how far a replay has come, if it takes long."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

SILENCE: Final = 2.0
"""What takes no longer is not spoken of. [s]"""
EVERY: Final = 10.0
"""Time between two lines where there is no terminal. [s]"""


@contextmanager
def shown_progress(
    what: str, monotonic: Callable[[], float], stream: TextIO | None = None
) -> Iterator[Callable[[float], None]]:
    """Give a function that takes the share done: a bar on a terminal, else a line at times."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield _printed(what, monotonic, stream)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    began = monotonic()
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task(what, total=1.0, visible=False)

        def show(share: float) -> None:
            late = monotonic() - began > SILENCE
            progress.update(task, completed=share, total=1.0 if share else None, visible=late)

        yield show


def _printed(what: str, monotonic: Callable[[], float], stream: TextIO) -> Callable[[float], None]:
    due = monotonic() + SILENCE

    def show(share: float) -> None:
        nonlocal due
        if monotonic() < due:
            return
        due = monotonic() + EVERY
        stream.write(f"{what}: {share:.0%}\n" if share else f"{what} ...\n")
        stream.flush()

    return show
