"""The size of a text, and bounds of the memory and work that its conversion takes, known without converting it. Pure.

The figures are measured: the memory of the densest values (tests/validation/test_text_size.py).
"""

from dataclasses import dataclass

# An item of a list or map in Python: itself and its place. The smallest text has 49 bytes, an empty map 64.
_PYTHON_ITEM = 104
# A key of a map in Python with its share of the table, which has at least five entries.
_PYTHON_KEY = 192
# The same in the evaluator of rules. It copies a text, and Python keeps the UTF-8 that it asks for.
_CEL_ITEM = 112
_CEL_KEY = 208
_CEL_BYTE = 2
# The evaluator compares a list or a map by far slower than a text of the same length: up to 120 ns for a list in others.
_COMPARED_LIST = 25
_COMPARED_KEY = 10
# Converting one item takes a microsecond, which is a hundred units of work.
_PYTHON_WORK = 100
_CEL_WORK = 25


@dataclass(frozen=True, slots=True)
class TextSize:
    """The size of a text, and upper bounds of what it takes to convert it."""

    characters: int
    encoded: int
    """Bytes in UTF-8."""
    commas: int
    compared: int
    """Cost of one comparison with a value of the same size, in characters read."""
    python_bytes: int = 0
    """Memory of the value as Python objects, beside the text itself."""
    python_work: int = 0
    """Cost of this conversion, in characters read or created."""
    cel_bytes: int = 0
    """Memory of the value in the evaluator of rules."""
    cel_work: int = 0
    """Cost of this conversion, in characters read or created."""


def text_size(text: str, *, has_items: bool) -> TextSize:
    """Return the size of a text. Without items, no part of it becomes a value of its own."""
    encoded, commas = len(text.encode(errors="surrogatepass")), text.count(",")
    if not has_items:
        return TextSize(len(text), encoded, commas, len(text), cel_bytes=_CEL_BYTE * encoded + _CEL_ITEM)
    # Every list and map with items has one more of them than commas. A string in JSON may have any of these characters, too.
    lists = text.count("[") + text.count("{")
    items, keys = 2 + commas + lists - text.count("[]") - text.count("{}"), text.count(":")
    width = 4 if encoded > len(text) or "\\u" in text else 1
    return TextSize(
        len(text),
        encoded,
        commas,
        len(text) + _COMPARED_LIST * lists + _COMPARED_KEY * keys,
        python_bytes=width * len(text) + _PYTHON_ITEM * items + _PYTHON_KEY * keys,
        python_work=len(text) + _PYTHON_WORK * (items + keys),
        cel_bytes=_CEL_BYTE * encoded + _CEL_ITEM * items + _CEL_KEY * keys,
        cel_work=_CEL_WORK * (items + keys),
    )
