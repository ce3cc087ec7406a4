"""Regular expressions whose `$` is the end of the value: Python's also matches before a final newline. Pure.

So it is in JSON Schema, whose patterns are those of ECMA-262, and so a reader of `^[a-z]+$` expects it.
https://json-schema.org/draft/2020-12/json-schema-core#section-6.4
"""

import re
from functools import lru_cache

# With the flag m `$` is the end of a line, on purpose.
_MULTILINE = re.compile(r"\(\?[a-zA-Z0-9]*m")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]|\$|[^\\\[$]+|.", re.DOTALL)


@lru_cache(maxsize=1024)
def anchored(pattern: str) -> str:
    """The pattern with `\\Z` in the place of each `$` outside of character classes."""
    if "$" not in pattern or _MULTILINE.search(pattern):
        return pattern
    return "".join(r"\Z" if part == "$" else part for part in _TOKEN.findall(pattern))
