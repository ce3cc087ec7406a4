"""Detect stale reads: SSM may return an older version than this process has just written."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.errors import Conflict
from dynconfig.model.ttl_cache import TtlCache

# For this long an older version counts as a stale read, not as an external change.
LATE_SECONDS = 10.0
# The time of a write comes from a response header, in whole seconds.
HEADER_SECONDS = 1.0


class StaleReadGuard:
    """Remember own writes for some seconds. Thread-safe as long as each thread serves another owner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._written = TtlCache[str, tuple[int, float | None]](LATE_SECONDS, clock)

    def written(self, parameter: Parameter) -> None:
        """Record that this version was just written."""
        self._written.put(parameter.name, (parameter.version, parameter.last_modified))

    def forget(self, names: Iterable[str]) -> None:
        """Forget deleted parameters: their versions restart at 1."""
        self._written.forget(names)

    def check(self, answer: Mapping[str, Any]) -> None:
        """Raise Conflict if the response has an older version than the one written: it is not an external change."""
        name = answer["Name"]
        if (written := self._written.get(name)) is None:
            return
        version, modified = written
        # A parameter that was deleted and recreated is at version 1, too, but modified later.
        is_older = modified is None or answer["LastModifiedDate"].timestamp() <= modified + HEADER_SECONDS
        if answer["Version"] < version and is_older:
            raise Conflict(
                f"parameter {name}: AWS returned version {answer['Version']} after version {version} was written "
                "(stale read); retrying",
                delay=1.0,
            )
