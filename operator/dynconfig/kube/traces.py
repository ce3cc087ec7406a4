"""Tracebacks for logs, without variables and without messages that may contain a value."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from dynconfig import __name__ as _package

Frame = traceback.FrameSummary


@dataclass(frozen=True, slots=True)
class Part:
    """One error in the chain of a failure."""

    type: str
    message: str
    """The message of the operator's own errors, which never contain a value; empty for all other errors."""
    frames: tuple[Frame, ...]


def parts(failure: BaseException) -> Iterator[Part]:
    """Yield the failure, then its causes."""
    waiting, seen = [failure], set[int]()
    while waiting:
        error = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        message = str(error) if type(error).__module__.split(".", 1)[0] == _package else ""
        yield Part(type(error).__name__, message, tuple(traceback.extract_tb(error.__traceback__)))
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        waiting += [*(error.exceptions if isinstance(error, BaseExceptionGroup) else ()), *([cause] if cause else ())]


def trace(failure: BaseException) -> str:
    """Return the traceback as text, the failure last."""
    return "\nwhich led to:\n".join(_text(part) for part in reversed(tuple(parts(failure))))


def _text(part: Part) -> str:
    return "".join(traceback.format_list(part.frames)) + part.type + (f": {part.message}" if part.message else "")
