"""Writes to the terminal: colours where they are wanted, tables as wide as there is room; quick to import."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from secrets import token_hex
from typing import Self, TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
# Stands for the escape character of our own colours until a line is written; no text can know it.
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
    """How many characters a line takes; None where nobody's screen bounds it."""

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
        """Whether somebody looks at it now, so that lines may be written over."""
        return self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "", *styles: str) -> None:
        """Write a line. Control characters in it are shown and not sent: texts come from clusters, AWS and files."""
        self.stream.write(f"{_coloured(self.styled(text, *styles))}\n")

    def wrapped(self, text: str, *styles: str) -> None:
        """Write a line that goes on below, a little to the right, where the screen is too narrow for it."""
        for part in _wrapped(printable(text), self.width):
            self.line(part, *styles)

    def failure(self, text: str) -> None:
        """Write why something failed."""
        self.line(f"{self.styled('error:', 'red')} {printable(text)}")

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> None:
        """Write rows below headings, each in its style; cells wrap where the screen is too narrow."""
        listed = [[printable(cell) for cell in row] for row in rows]
        widths = self._widths([headings, *listed])
        for row, style in zip([headings, *listed], ["bold", *styles], strict=True):
            for line in _row(row, widths):
                self.line(line, style)

    def styled(self, text: str, *styles: str) -> str:
        """The text in colours, where they are wanted, for `line`."""
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
    """Whether a stream takes every character; what programs read has to be escaped for one that does not."""
    return (stream.encoding or "utf-8").lower().startswith("utf")


def _is_coloured(stream: TextIO) -> bool:
    # https://no-color.org and https://force-color.org
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in ("0", "false")
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _coloured(text: str) -> str:
    """The text as a terminal gets it: the colours are ours, and nothing else in it is a command."""
    parts = _COLOUR.split(text)
    return "".join(part.replace(_MARK, "\x1b[") if index % 2 else printable(part) for index, part in enumerate(parts))


def printable(text: str) -> str:
    """The text on one line, and without what a terminal would take for a command: values come from anywhere."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row: a cell that is wider than its column goes on below."""
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
    """The text in pieces of at most so many characters, broken after a space where there is one in their second half."""
    found = []
    while len(text) > width:
        space = text.rfind(" ", width // 2, width)
        end = width if space < 0 else space + 1
        found.append(text[:end])
        text = text[end:]
    return [*found, text]
