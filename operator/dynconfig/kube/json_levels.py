"""Reads JSON from the API server, no deeper than the operator can follow.

The API server takes JSON of 10,000 levels where the definition of a kind does not describe a field, and Python ends the
parse of a few hundred with a RecursionError. What is deeper is cut, so that the models refuse that one object by its field
and every other object of the same list or watch is served.
"""

import json
import re
from typing import Any

MAX_LEVELS = 120
"""Levels of a document that are read. A JSON Schema of 64 levels (api/parameter.py) is within 75, also in managedFields."""

# What is put below it is not described by the definition; managedFields are as deep.
_OPEN_FIELD = '"jsonSchema"'
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_OPENING = frozenset("[{")
_CLOSING = frozenset("]}")


def loads(text: str | bytes) -> Any:
    """The value of a JSON text, without what lies below MAX_LEVELS. Raises ValueError."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    # The definition describes every other field, and the API server drops what it does not describe.
    if _OPEN_FIELD in text:
        text = _cut(text)
    try:
        return json.loads(text)
    except RecursionError:
        # Of another server, or of an older definition.
        return json.loads(_cut(text))


def _cut(text: str) -> str:
    """The text without what lies below the last level that is read; the brackets of that level stay, and are empty."""
    kept: list[str] = []
    level = begun = 0
    for token in _TOKEN.finditer(text):
        if (bracket := token[0]) in _OPENING:
            level += 1
            if level == MAX_LEVELS + 1:
                kept.append(text[begun : token.end()])
        elif bracket in _CLOSING:
            if level == MAX_LEVELS + 1:
                begun = token.start()
            level -= 1
    return "".join((*kept, text[begun:])) if kept else text
