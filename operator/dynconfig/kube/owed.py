"""What is owed to each object: a reconcile that began after a change of it, or of what it uses, and has a result. Pure."""

from collections.abc import Iterator
from enum import IntFlag

from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState


class Owed(IntFlag):
    """What the next reconcile of an object has to be."""

    NOTHING = 0
    RESULT = 1
    """One whose result is in status, since something has changed. If this replica does not serve the object any more, the next
    one has to reconcile it."""
    WHOLE = 2
    """One that observes all resources, whatever events name, since not all changes of them are known."""


class OwedReconciles:
    """What is owed to all objects. What changes while an object is reconciled is owed to it afterwards."""

    def __init__(self, state: ObjectState[Key]) -> None:
        self._waiting: dict[Key, Owed] = state.new_map()
        self._running: dict[Key, Owed] = state.new_map()
        """What is still owed to the objects that are being reconciled."""

    def add(self, key: Key, owed: Owed) -> None:
        """Add to what is owed to an object."""
        self._waiting[key] = self._waiting.get(key, Owed.NOTHING) | owed

    def begin(self, key: Key) -> Owed:
        """Begin a reconcile; return what is owed to the object."""
        owed = self._waiting.pop(key, Owed.NOTHING)
        if owed:
            self._running[key] = owed
        return owed

    def running(self, key: Key) -> Owed:
        """Return what the running reconcile of an object has to be."""
        return self._running.get(key, Owed.NOTHING)

    def settle(self, key: Key, *, is_whole: bool) -> None:
        """Record that the running reconcile has a result; `is_whole`: and has observed all resources."""
        left = self.running(key) & (Owed.NOTHING if is_whole else Owed.WHOLE)
        if left:
            self._running[key] = left
        else:
            self._running.pop(key, None)

    def end(self, key: Key) -> Owed:
        """End a reconcile; return what is owed to the object from now on, including what this one did not achieve."""
        left = self._running.pop(key, Owed.NOTHING)
        if left:
            self.add(key, left)
        return self._waiting.get(key, Owed.NOTHING)

    def results(self) -> Iterator[Key]:
        """Yield the objects to which a result is owed and that are not being reconciled for it."""
        return (key for key, owed in self._waiting.items() if owed & Owed.RESULT)
