"""Regular expressions of tenants, by RE2: the time is linear in the text, the memory of each pattern is bounded. Pure.

`$` is the end of the text, as in JSON Schema, whose patterns are those of ECMA-262, and as a reader of `^[a-z]+$` expects it.
https://json-schema.org/draft/2020-12/json-schema-core#section-6.4
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from dynconfig.engine import deadline

if TYPE_CHECKING:
    import re2

MAX_BYTES_OF_ONE = 512 * 1024
"""What RE2 may keep of one pattern: its program, and the states that it has met. Beyond, it forgets states."""
KEPT = 32
MAX_WORDS = 120

# How RE2 begins to report what its syntax does not have, though other engines may.
# https://github.com/google/re2/wiki/Syntax
_UNKNOWN = (
    "invalid perl operator",
    "invalid escape sequence",
    "invalid character class range",
    "bad repetition operator",
    "invalid repetition size",
    "invalid named capture group",
    "pattern too large",
)
_NOT_HERE = "RE2, which has no look-around, no back references and no repetition above 1,000"
# Other engines write the end of the text and characters by their code so.
_OTHERWISE = re.compile(r"\\(?:Z|u([0-9a-fA-F]{4})|.)", re.DOTALL)


class PatternFault(Exception):
    """A pattern that cannot be used; the message is RE2's own, about the pattern."""

    @property
    def may_be_known_elsewhere(self) -> bool:
        """Whether other engines of regular expressions may take it."""
        return str(self).startswith(_UNKNOWN)


def check(pattern: str) -> None:
    """Raises PatternFault for a pattern that RE2 does not take; DeadlineExceeded."""
    _compiled(pattern)


def fault(pattern: str) -> str | None:
    """What is wrong with a pattern that only we evaluate, as the end of a sentence; None if it can be used.

    Raises DeadlineExceeded.
    """
    try:
        check(pattern)
    except PatternFault as found:
        kind = f" of {_NOT_HERE}" if found.may_be_known_elsewhere else ""
        return f"is not a regular expression{kind}: {found}"
    return None


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern matches somewhere in the text. Raises PatternFault, DeadlineExceeded."""
    # Half of a surrogate pair, which JSON can hold, is no character, and nothing matches it.
    return _compiled(pattern).search(text.encode(errors="surrogatepass")) is not None


@lru_cache(maxsize=1024)
def instructions(pattern: str) -> int:
    """How long the program is that RE2 makes of the pattern. Raises PatternFault, DeadlineExceeded."""
    return int(_compiled(pattern).programsize)


@lru_cache(maxsize=KEPT)
def _compiled(pattern: str) -> "re2._Regexp":
    # It takes up to 30 ms each, and there may be hundreds.
    deadline.remaining()
    # Imported where it is used: most objects have no pattern, and it takes a while.
    import re2

    options = re2.Options()
    options.max_mem = MAX_BYTES_OF_ONE
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(_as_re2(pattern).encode(errors="surrogatepass"), options)
    except re2.error as error:
        (told,) = error.args
        # It repeats the pattern, or the part that it means.
        raise PatternFault(told.decode(errors="replace")[:MAX_WORDS]) from None
    finally:
        # It keeps 128 by itself, beside ours.
        re2.purge()


def _as_re2(pattern: str) -> str:
    return _OTHERWISE.sub(_escape, pattern)


def _escape(found: re.Match[str]) -> str:
    if found[0] == r"\Z":
        return r"\z"
    return rf"\x{{{found[1]}}}" if found[1] else found[0]
