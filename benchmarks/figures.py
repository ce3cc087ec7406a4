"""A measured figure: its value, its limit and its reference."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    name: str
    value: float
    limit: float
    unit: str
    beside: str
    """What it was measured against, and how it spread."""
    is_least: bool = False
    """Whether the limit is the least value instead of the highest."""

    @property
    def is_kept(self) -> bool:
        """Whether the value is within its limit."""
        return self.value >= self.limit if self.is_least else self.value <= self.limit


def table(figures: Iterable[Figure]) -> Table:
    """The figures for a terminal."""
    found = Table("Figure", "Value", "Limit", "", "Measured against", title="Figures of this run")
    for figure in figures:
        mark = Text("✓", style="green") if figure.is_kept else Text("✗", style="red")
        value, limit = (f"{number:.3g} {figure.unit}".rstrip() for number in (figure.value, figure.limit))
        found.add_row(figure.name, value, f"{'≥' if figure.is_least else '≤'} {limit}", mark, figure.beside)
    return found


def write(figures: Iterable[Figure], file: Path) -> None:
    """The figures for programs."""
    documents = [{**asdict(figure), "kept": figure.is_kept} for figure in figures]
    file.write_text(json.dumps(documents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
