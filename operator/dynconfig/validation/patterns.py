"""Regular expressions of tenants, run by RE2: linear time, limited memory for each pattern. Pure.

`$` only matches the end of the text, as in JSON Schema, whose patterns are those of ECMA-262.
https://json-schema.org/draft/2020-12/json-schema-core#section-6.4
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from dynconfig.validation import deadline

if TYPE_CHECKING:
    import re2

MAX_BYTES_OF_ONE = 512 * 1024
"""RE2's memory limit for one pattern: its program and state cache, which is flushed at the limit."""
KEPT = 32
MAX_MESSAGE = 120

# Prefixes of RE2's errors about syntax that other engines may support.
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
_RE2_LIMITS = "RE2, which has no lookaround, no backreferences and no repetition above 1,000"
# Escapes of other engines: end of text, and characters by code point.
_OTHERWISE = re.compile(r"\\(?:Z|u([0-9a-fA-F]{4})|.)", re.DOTALL)


class PatternFault(Exception):
    """An invalid pattern. The message is RE2's own and only contains parts of the pattern."""

    @property
    def may_be_valid_elsewhere(self) -> bool:
        """Whether other regular expression engines may support it."""
        return str(self).startswith(_UNKNOWN)


def check(pattern: str) -> None:
    """Raise PatternFault if RE2 rejects the pattern, or DeadlineExceeded."""
    _compiled(pattern)


def fault(pattern: str) -> str | None:
    """Return why a pattern that only the operator evaluates is invalid; None if it is valid.

    Raises DeadlineExceeded.
    """
    try:
        check(pattern)
    except PatternFault as found:
        kind = f" of {_RE2_LIMITS}" if found.may_be_valid_elsewhere else ""
        return f"is not a valid regular expression{kind}: {found}"
    return None


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text. Raises PatternFault, DeadlineExceeded."""
    # An unpaired surrogate, which JSON may contain, matches nothing.
    return _compiled(pattern).search(text.encode(errors="surrogatepass")) is not None


@lru_cache(maxsize=1024)
def instructions(pattern: str) -> int:
    """Return the size of RE2's program for the pattern. Raises PatternFault, DeadlineExceeded."""
    return int(_compiled(pattern).programsize)


@lru_cache(maxsize=KEPT)
def _compiled(pattern: str) -> "re2._Regexp":
    # Compiling takes up to 30 ms, and there may be hundreds of patterns.
    deadline.remaining()
    # Imported lazily: most objects have no pattern, and the import is slow.
    import re2

    options = re2.Options()
    options.max_mem = MAX_BYTES_OF_ONE
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(_as_re2(pattern).encode(errors="surrogatepass"), options)
    except re2.error as error:
        (message,) = error.args
        # The message repeats the pattern or a part of it.
        raise PatternFault(message.decode(errors="replace")[:MAX_MESSAGE]) from None
    finally:
        # RE2 itself caches 128 patterns, in addition to this cache.
        re2.purge()


def _as_re2(pattern: str) -> str:
    return _OTHERWISE.sub(_escape, pattern)


def _escape(found: re.Match[str]) -> str:
    if found[0] == r"\Z":
        return r"\z"
    return rf"\x{{{found[1]}}}" if found[1] else found[0]
