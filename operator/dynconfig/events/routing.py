"""Routes AWS events to the objects that they concern, and keeps them until the object is reconciled."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dynconfig.events.own_calls import OwnCalls
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.signals import Signal
from dynconfig.model.declaration import Successor
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner
from dynconfig.validation.tenancy import TenantOf

# The newest signals that matched no known object.
MOST_UNMATCHED = 200


@dataclass(slots=True)
class PendingEvents:
    """Events of an object since its last reconcile."""

    at: float
    """Time of the first event, in seconds since the epoch."""
    of: dict[str, str] = field(default_factory=dict)
    """Names of changed resources, each with the principal that changed it, where the event names one."""


class EventRouter:
    """Requeues the objects that an AWS event concerns, and no others."""

    def __init__(
        self,
        default_region: str,
        requeue: Callable[[Key], None],
        tenant_of: TenantOf,
        now: Callable[[], float],
    ) -> None:
        self._requeue = requeue
        self._own_calls = OwnCalls(now)
        self._index = ResourceIndex(default_region, tenant_of)
        self._pending: dict[Key, PendingEvents] = {}
        self._unmatched: deque[Signal] = deque(maxlen=MOST_UNMATCHED)

    def index_object(self, key: Key, document: Mapping[str, Any]) -> str:
        """Record what an object declares and reports now; returns its region."""
        return self._index.update(key, document)

    def replay_unmatched(self, key: Key) -> None:
        """Route earlier events to a newly listed object: after a restart, events may arrive before all objects are listed."""
        self.route([signal for signal in self._unmatched if key in self._index.of(signal)])

    def route(self, signals: Sequence[Signal]) -> None:
        """Route events."""
        for signal in signals:
            concerned = self._index.of(signal)
            found = {key: names for key, names in concerned.items() if not self._own_calls.is_of(key, signal)}
            if not concerned:
                self._unmatched.append(signal)
            for key, names in found.items():
                self._add_pending(key, names, signal)

    def record_own_writes(self, key: Key, requests: Sequence[str]) -> None:
        """Record the AWS request IDs of a reconcile; events with these IDs do not requeue the object."""
        self._own_calls.made(key, requests)

    def successor(self, owner: Owner, region: str, name: str) -> Successor | None:
        """Return the object that takes over a parameter from this owner, if any. Thread-safe."""
        return self._index.successor(owner, region, name)

    def object_edited(self, key: Key) -> None:
        """After an edit, requeue the objects that can now hand over parameters to it."""
        for other in self._index.releasing_to(key):
            self._requeue(other)

    def gives_up(self, region: str, owner: str, name: str) -> bool:
        """Return whether an owner, as NAMESPACE/NAME, is about to give up a parameter. Thread-safe."""
        return self._index.gives_up(Key(*owner.split("/")), region, name)

    def parameters_moved(self, key: Key, region: str, names: Iterable[str]) -> None:
        """After parameters were created, taken over or given up, requeue the other objects that declare them."""
        for other in {other for name in names for other in self._index.naming(region, name)} - {key}:
            self._requeue(other)

    def objects_declaring(self, region: str, name: str) -> tuple[Key, ...]:
        """Return the objects that declare or report a parameter."""
        return self._index.naming(region, name)

    def take(self, key: Key) -> PendingEvents | None:
        """Remove and return the pending events of an object that is reconciled now."""
        return self._pending.pop(key, None)

    def forget(self, key: Key) -> None:
        """Forget an object that no longer exists."""
        self._index.forget(key)
        self._pending.pop(key, None)

    def _add_pending(self, key: Key, names: Sequence[str], signal: Signal) -> None:
        pending = self._pending.setdefault(key, PendingEvents(signal.at))
        pending.at = min(pending.at, signal.at)
        pending.of.update(dict.fromkeys(names, signal.actor))
        self._requeue(key)
