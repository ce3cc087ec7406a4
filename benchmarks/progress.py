"""Shows how far a measurement is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from dynconfig_lab.repeated import repeated

REFRESH_SECONDS = 0.5


@contextmanager
def counted(console: Console, what: str, total: float, done: Callable[[], float]) -> Iterator[None]:
    """Show how much is done while the block runs."""
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        with repeated(lambda: bar.update(task, completed=done()), REFRESH_SECONDS):
            yield
