"""Remembers what people seldom change and AWS tells in a call of its own, so that a look at an object in sync stays cheap."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dynconfig.engine.resource import Resource, Scope

# That is how long a change by hand of what is remembered may go unseen, where neither a person asks for a look nor AWS
# tells of the change by an event.
SECONDS = 3600.0

T = TypeVar("T")


class Recall(Generic[T]):
    """What AWS told of resources by name; safe for threads that serve different owners."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, T]] = {}

    def told(self, name: str, scope: Scope, desired: Sequence[Resource], ask: Callable[[], T]) -> T:
        """What was told lately, or else is told now; nothing is deleted on the word of a memory."""
        at, known = self._known.get(name, (float("-inf"), None))
        is_desired = any(resource.name == name for resource in desired)
        is_doubted = scope.closely or name in scope.heard or not is_desired
        if known is not None and not is_doubted and self._clock() - at < SECONDS:
            return known
        answer = ask()
        self._known[name] = (self._clock(), answer)
        return answer

    def forget(self, name: str) -> None:
        """It is written, so that what was told is no longer true."""
        self._known.pop(name, None)
