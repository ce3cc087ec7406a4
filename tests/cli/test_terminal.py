"""Colours if supported, tables of the terminal's width, and escaped control characters."""

import io

import pytest

from dynconfig.cli.terminal import Terminal
from dynconfig.model.counting import counted


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(width: int | None = None, *, is_coloured: bool = False) -> Terminal:
    return Terminal(io.StringIO(), is_coloured, width)


def written(found: Terminal) -> list[str]:
    assert isinstance(found.stream, io.StringIO)
    return found.stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("environment", "is_coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "xterm", "FORCE_COLOR": "0"}, False),
    ],
)
def test_terminal_has_colours_unless_disabled(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("sys.stdout", Screen())
    assert Terminal.out().is_coloured is is_coloured


def test_file_has_colours_only_if_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert not Terminal.out().is_coloured
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Terminal.out().is_coloured


def test_nothing_is_truncated_without_a_terminal() -> None:
    found = terminal()
    found.wrapped("x" * 500)
    assert written(found) == ["x" * 500]


def test_table_wraps_the_widest_column_without_truncation() -> None:
    found = terminal(30)
    found.table(("NAME", "MESSAGE"), [("myapp", "m" * 60)], ["red"])
    assert written(found) == ["NAME   MESSAGE", f"myapp  {'m' * 23}", f"       {'m' * 23}", f"       {'m' * 14}"]


def test_line_wraps_between_words_with_an_indent_without_truncation() -> None:
    found = terminal(24)
    found.wrapped("  value: some words and more → other")
    assert written(found) == ["  value: some words and ", "    more → other"]
    found.wrapped("    " + "x" * 60)
    assert max(map(len, written(found))) == 24
    assert "".join(line.strip() for line in written(found)[2:]) == "x" * 60


def test_control_characters_in_a_value_are_escaped() -> None:
    found = terminal(is_coloured=True)
    found.wrapped("value: a\x1b[2Jb\nc", "red")
    assert written(found) == ["\x1b[31mvalue: a\\x1b[2Jb\\nc\x1b[0m"]
    found.failure("one\nline")
    assert written(found)[1].endswith("one\\nline")


def test_counts_have_singular_and_plural() -> None:
    assert [counted(number, "field") for number in (0, 1, 2)] == ["no fields", "1 field", "2 fields"]
