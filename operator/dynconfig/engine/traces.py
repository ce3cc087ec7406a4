"""What a log may show of a failure: its type, its place and what led to it; no variable, and no words that may quote a value."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from dynconfig import __name__ as _package

Frame = traceback.FrameSummary


@dataclass(frozen=True, slots=True)
class Part:
    """One error of those that led to a failure."""

    type: str
    words: str
    """Those of the operator's own errors, which are written for status and logs; of all others none."""
    frames: tuple[Frame, ...]


def parts(failure: BaseException) -> Iterator[Part]:
    """The failure, then what led to it."""
    waiting, seen = [failure], set[int]()
    while waiting:
        error = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        words = str(error) if type(error).__module__.split(".", 1)[0] == _package else ""
        yield Part(type(error).__name__, words, tuple(traceback.extract_tb(error.__traceback__)))
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        waiting += [*(error.exceptions if isinstance(error, BaseExceptionGroup) else ()), *([cause] if cause else ())]


def trace(failure: BaseException) -> str:
    """The same as text, the failure last."""
    return "\nwhich led to:\n".join(_text(part) for part in reversed(tuple(parts(failure))))


def _text(part: Part) -> str:
    return "".join(traceback.format_list(part.frames)) + part.type + (f": {part.words}" if part.words else "")
