"""Escapes characters that are not shown as they are: control characters, and those that hide or reorder others. Pure."""

import re
from collections.abc import Callable

_OTHERS = re.compile("[^ -~]")


def escape(character: str) -> str:
    """Return a character as Python and double-quoted YAML write it: https://yaml.org/spec/1.2.2/#57-escaped-characters."""
    return character.encode("unicode_escape").decode()


def printable(text: str, kept: str = "", escape: Callable[[str], str] = escape) -> str:
    """Return the text with all characters escaped that `str.isprintable` does not accept, except those in `kept`."""
    return _OTHERS.sub(lambda found: found[0] if found[0].isprintable() or found[0] in kept else escape(found[0]), text)
