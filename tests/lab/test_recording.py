"""The session of the README: the typed commands are there, drawn line by line at their times."""

import html
from xml.etree import ElementTree

import pytest

from dynconfig_lab.recording import PICTURE, PROMPT, SESSION, Line, drawn

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    """The lines of the picture; the title comes first."""
    lines: dict[str, str] = {}
    for element in ElementTree.fromstring(picture).iter(f"{SVG}text"):  # noqa: S314 - our own
        line = element.get("clip-path", "")
        lines[line] = lines.get(line, "") + "".join(element.itertext()).replace("\xa0", " ")
    return [line.rstrip("\n") for line in lines.values()]


def test_lines_appear_at_their_times_in_their_colours() -> None:
    picture = drawn([Line(0.84, "\x1b[1m$ date\x1b[0m"), Line(2.0, "\x1b[31mlate & <late>\x1b[0m")], 40)
    assert texts(picture) == ["dynconfig", "$ date", "late & <late>"]
    assert '[clip-path="url(#session-line-0)"] { animation-delay: 0.8s }' in picture
    assert '[clip-path="url(#session-line-1)"] { animation-delay: 2.0s }' in picture


def test_too_long_line_is_wrapped_at_the_same_time() -> None:
    picture = drawn([Line(1.0, "word " * 12)], 40)
    assert len(texts(picture)) == 1 + 2
    assert picture.count("animation-delay: 1.0s") == 2


@pytest.mark.parametrize("command", [command for command in SESSION if command])
def test_picture_is_of_this_session(command: str) -> None:
    shown = " ".join(texts(PICTURE.read_text(encoding="utf-8")))
    words = command if command.startswith("#") else PROMPT + command
    assert words in html.unescape(shown)


def test_picture_loads_nothing_and_names_no_machine() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    assert "url(http" not in picture
    assert "127.0.0.1" not in picture
