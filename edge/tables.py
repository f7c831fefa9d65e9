"""How a report of the agent looks: texts on the left, numbers on the right, no lines."""

from rich.table import Table


def empty_table(texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    """Make a table of these columns, without rows; what is a number is never folded."""
    table = Table(box=None, pad_edge=False, header_style="")
    for name in texts:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
