"""Ends a check that a tenant's schema or pattern makes too long, so that nobody else has to wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic


class TakesTooLong(Exception):
    """The time is up."""


_END: ContextVar[float] = ContextVar("end")


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What runs inside has so much time, and asks `left` as it goes."""
    token = _END.set(monotonic() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def left() -> float:
    """Seconds that are left. Raises TakesTooLong."""
    rest = _END.get() - monotonic()
    if rest <= 0:
        raise TakesTooLong
    return rest
