"""Progress of a Go build: a bar on a terminal, occasional lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PERIOD = 10.0


class BuildProgress:
    """Parses Go's output: a line for each compiled package (`go build -v`) and each downloaded module."""

    def __init__(self, title: str, total: int, show: Progress | None, console: Console) -> None:
        self.packages = 0
        self.modules = 0
        self._title = title
        self._total = total
        self._show = show
        self._task = show.add_task(title, total=total or None) if show else None
        self._console = console
        self._begun = self._printed_at = time.monotonic()

    def line(self, text: str) -> bool:
        module, package = text.startswith("go: downloading "), " " not in text
        self.modules += module
        self.packages += package
        if self._show and self._task is not None:
            self._show.update(self._task, completed=self.packages, description=self._description())
        return module or package

    def tick(self) -> None:
        now = time.monotonic()
        if self._show or now - self._printed_at < PERIOD:
            return
        self._printed_at = now
        counted = f", {self.packages} of {self._total} packages" if self._total else ""
        self._console.print(f"{self._description()}{counted}, {now - self._begun:.0f} s", soft_wrap=True)

    def _description(self) -> str:
        if self._total and self.packages >= self._total * 0.98:
            return f"{self._title}: linking"
        return f"{self._title}: {self.modules} modules" if self.modules else self._title


@contextmanager
def build_progress(title: str, total: int, console: Console) -> Iterator[BuildProgress]:
    if not console.is_terminal:
        console.print(f"{title} …", soft_wrap=True)
        yield BuildProgress(title, total, None, console)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as show:
        yield BuildProgress(title, total, show, console)
