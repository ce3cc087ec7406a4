"""A table that is updated in place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dynconfig.model.printable import printable

Rows = Sequence[tuple[Sequence[str], str]]


@contextmanager
def table(headings: Sequence[str]) -> Iterator[Callable[[Rows], None]]:
    """Yield a function that shows rows, each with its style, below the headings."""
    with Live(console=Console(), auto_refresh=False) as live:

        def show(rows: Rows) -> None:
            found = Table(*headings, box=None, pad_edge=False, header_style="bold")
            for cells, style in rows:
                found.add_row(*(Text(printable(cell), style=style) for cell in cells))
            live.update(found, refresh=True)

        yield show
