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
        self._known: dict[str, tuple[float, object, T]] = {}

    def told(
        self, name: str, scope: Scope, desired: Sequence[Resource], ask: Callable[[], T], *, sign: object = None
    ) -> T:
        """What was told lately of what bears the same `sign`, or else is told now; nothing is deleted from memory."""
        at, known_sign, known = self._known.get(name, (float("-inf"), sign, None))
        is_desired = any(resource.name == name for resource in desired)
        is_doubted = scope.closely or name in scope.heard or not is_desired
        is_same = known_sign == sign and self._clock() - at < SECONDS
        if known is not None and is_same and not is_doubted:
            return known
        answer = ask()
        self._known[name] = (self._clock(), sign, answer)
        return answer

    def forget(self, name: str) -> None:
        """It is written, so that what was told is no longer true."""
        self._known.pop(name, None)
