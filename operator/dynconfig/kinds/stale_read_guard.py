"""Answers of SSM that are older than what this process wrote a moment ago: reads may lag behind writes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dynconfig.engine.errors import Conflict
from dynconfig.kinds.parameter_value import Parameter

# That is how long an older version is taken for a late answer, and not for what somebody made of the parameter.
LATE_SECONDS = 10.0
# The moment of a write is known from a header, in whole seconds.
HEADER_SECONDS = 1.0


class StaleReadGuard:
    """Remembers own writes for some seconds; safe for threads that serve different owners."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written: dict[str, tuple[float, int, float | None]] = {}

    def written(self, parameter: Parameter) -> None:
        """This version was written now."""
        self._written[parameter.name] = (self._clock(), parameter.version, parameter.last_modified)

    def forget(self, names: Iterable[str]) -> None:
        """They are deleted: versions begin anew."""
        for name in names:
            self._written.pop(name, None)

    def check(self, answer: Mapping[str, Any]) -> None:
        """Raise Conflict for a version before the one that was written; overwriting it would undo nobody's change."""
        name = answer["Name"]
        if (written := self._written.get(name)) is None:
            return
        at, version, modified = written
        if self._clock() - at >= LATE_SECONDS:
            self._written.pop(name, None)
            return
        # Somebody may have deleted the parameter and made it anew: then it is at version 1, and younger.
        is_older = modified is None or answer["LastModifiedDate"].timestamp() <= modified + HEADER_SECONDS
        if answer["Version"] < version and is_older:
            raise Conflict(
                f"parameter {name}: AWS returned version {answer['Version']} after version {version} was written "
                "(stale read); retrying",
                delay=1.0,
            )
