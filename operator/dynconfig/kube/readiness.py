"""The Ready condition of each object, as the API server last returned it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dynconfig.api.status import ConditionType
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

UNKNOWN = "Unknown"
"""The reason of an object without the condition."""


class Readiness(NamedTuple):
    """The Ready condition of an object."""

    is_ready: bool
    reason: str


class ReadyConditions:
    """Remembers the condition of every existing object. Only conditions of served objects are returned."""

    def __init__(self, existing: ObjectState[Key], serves: Callable[[Key], bool]) -> None:
        """Create it; `serves` returns whether this replica serves an object."""
        self._found: dict[Key, Readiness] = existing.new_map()
        self._serves = serves

    def record(self, key: Key, document: Mapping[str, Any]) -> None:
        """Record the condition of an object from a list or watch."""
        self._found[key] = _of(document)

    def served(self) -> Sequence[tuple[Key, Readiness]]:
        """Return the conditions of the objects that this replica serves. Thread-safe."""
        # A copy within one step of the interpreter: the event loop changes the map meanwhile.
        return [item for item in tuple(self._found.items()) if self._serves(item[0])]


def _of(document: Mapping[str, Any]) -> Readiness:
    status = document.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    for item in conditions if isinstance(conditions, list) else ():
        if isinstance(item, Mapping) and item.get("type") == ConditionType.READY:
            return Readiness(item.get("status") == "True", sys.intern(str(item.get("reason") or UNKNOWN)))
    return Readiness(is_ready=False, reason=UNKNOWN)
