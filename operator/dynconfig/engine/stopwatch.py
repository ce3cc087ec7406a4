"""Ends a check that a tenant's schema or pattern makes too long, so that nobody else has to wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import thread_time


class TakesTooLong(Exception):
    """The time is up."""


_END: ContextVar[float] = ContextVar("end", default=float("inf"))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What runs inside has so much time, and asks `left` as it goes.

    It is the time that this thread works: nobody's check is too long because of what others do at the moment.
    """
    token = _END.set(thread_time() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def left() -> float:
    """Seconds that are left. Raises TakesTooLong."""
    rest = _END.get() - thread_time()
    if rest <= 0:
        raise TakesTooLong
    return rest
