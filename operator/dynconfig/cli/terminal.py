"""Write to the terminal: colours if they are enabled, tables that fit its width. Quick to import."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from secrets import token_hex
from typing import Self, TextIO

from dynconfig.model.printable import printable

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
# Replaces the escape character of our own colours until a line is written; random, so that no text can contain it.
_MARK = f"\0{token_hex(8)}["
_COLOUR = re.compile(rf"({re.escape(_MARK)}[0-9;]*m)")
_GAP = "  "
_NARROWEST = 8


@dataclass(frozen=True)
class Terminal:
    """A stream that may be a terminal."""

    stream: TextIO
    is_coloured: bool
    width: int | None
    """Characters per line; None if the width is not limited, as for a file."""

    @classmethod
    def out(cls) -> Self:
        """Standard output as the environment describes it."""
        return cls._of(sys.stdout)

    @classmethod
    def err(cls) -> Self:
        """Standard error as the environment describes it."""
        return cls._of(sys.stderr)

    @property
    def is_live(self) -> bool:
        """Whether it is an interactive terminal, so that lines may be updated in place."""
        return self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "", *styles: str) -> None:
        """Write a line. Control characters are escaped, because texts come from clusters, AWS and files."""
        self.stream.write(f"{_coloured(self.styled(text, *styles))}\n")

    def wrapped(self, text: str, *styles: str) -> None:
        """Write a line, wrapped with an indent if the terminal is too narrow."""
        for part in _wrapped(printable(text), self.width):
            self.line(part, *styles)

    def failure(self, text: str) -> None:
        """Write an error."""
        self.line(f"{self.styled('error:', 'red')} {printable(text)}")

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> None:
        """Write rows below headings, each in its style; cells wrap if the terminal is too narrow."""
        listed = [[printable(cell) for cell in row] for row in rows]
        widths = self._widths([headings, *listed])
        for row, style in zip([headings, *listed], ["bold", *styles], strict=True):
            for line in _row(row, widths):
                self.line(line, style)

    def styled(self, text: str, *styles: str) -> str:
        """Return the text in colours, if they are enabled, for `line`."""
        codes = ";".join(_CODES[style] for style in styles if style)
        return f"{_MARK}{codes}m{text}{_MARK}0m" if self.is_coloured and codes and text else text

    @classmethod
    def _of(cls, stream: TextIO) -> Self:
        bounded = stream.isatty() or "COLUMNS" in os.environ
        return cls(stream, _is_coloured(stream), shutil.get_terminal_size().columns if bounded else None)

    def _widths(self, rows: Sequence[Sequence[str]]) -> list[int]:
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        if self.width is not None:
            while sum(widths) + len(_GAP) * (len(widths) - 1) > self.width and max(widths) > _NARROWEST:
                widths[widths.index(max(widths))] -= 1
        return widths


def writes_unicode(stream: TextIO) -> bool:
    """Whether a stream can encode every character; JSON has to be escaped for one that cannot."""
    return (stream.encoding or "utf-8").lower().startswith("utf")


def _is_coloured(stream: TextIO) -> bool:
    # https://no-color.org and https://force-color.org
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in ("0", "false")
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _coloured(text: str) -> str:
    """Return the text with our colours as escape sequences; all other control characters are escaped."""
    parts = _COLOUR.split(text)
    return "".join(part.replace(_MARK, "\x1b[") if index % 2 else printable(part) for index, part in enumerate(parts))


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a row; a cell that is wider than its column is wrapped."""
    columns = [_pieces(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for pieces in zip_longest(*columns, fillvalue=""):
        yield _GAP.join(piece.ljust(width) for piece, width in zip(pieces, widths, strict=True)).rstrip()


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    indent = min(len(text) - len(text.lstrip(" ")) + len(_GAP), max(width - _NARROWEST, 0))
    first, *_rest = _pieces(text, width)
    return [first, *(f"{' ' * indent}{piece}" for piece in _pieces(text[len(first) :].lstrip(" "), width - indent))]


def _pieces(text: str, width: int) -> list[str]:
    """Split the text into pieces of at most `width` characters, after a space if the second half of a piece has one."""
    found = []
    while len(text) > width:
        space = text.rfind(" ", width // 2, width)
        end = width if space < 0 else space + 1
        found.append(text[:end])
        text = text[end:]
    return [*found, text]
