"""A CPU time limit for checks, so that the schema or pattern of one tenant cannot block the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import thread_time


class DeadlineExceeded(Exception):
    """The time limit was exceeded."""


_END: ContextVar[float] = ContextVar("end", default=float("inf"))


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Limit the CPU time of the block, in seconds. The code inside must call `remaining` regularly.

    Only the CPU time of this thread counts, so that load from other threads does not make a check fail.
    """
    token = _END.set(thread_time() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def remaining() -> float:
    """Return the remaining seconds. Raises DeadlineExceeded."""
    rest = _END.get() - thread_time()
    if rest <= 0:
        raise DeadlineExceeded
    return rest
