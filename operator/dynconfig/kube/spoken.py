"""What AWS said of which object: events are kept for those whom they concern, until these are served."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dynconfig.engine.addressees import Addressees
from dynconfig.engine.agenda import Key
from dynconfig.engine.declaration import Successor
from dynconfig.engine.own_calls import OwnCalls
from dynconfig.engine.resource import Owner
from dynconfig.engine.signals import Signal
from dynconfig.engine.tenancy import TenantOf

UNCLAIMED = 200  # signals that concerned no object that was known, the last ones


@dataclass(slots=True)
class Said:
    """What events said of an object since it was last served."""

    at: float
    """When the first of them happened, in seconds since the epoch."""
    of: dict[str, str] = field(default_factory=dict)
    """Names, and who changed them where it was told."""


class Spoken:
    """Wakes the objects that AWS speaks of, and no others."""

    def __init__(
        self,
        default_region: str,
        wake: Callable[[Key], None],
        tenant_of: TenantOf,
        now: Callable[[], float],
    ) -> None:
        self._wake = wake
        self._own_calls = OwnCalls(now)
        self._addressees = Addressees(default_region, tenant_of)
        self._said: dict[Key, Said] = {}
        self._unclaimed: deque[Signal] = deque(maxlen=UNCLAIMED)

    def note(self, key: Key, document: Mapping[str, Any]) -> str:
        """Note what an object declares and reports now; answers its region."""
        return self._addressees.note(key, document)

    def claim(self, key: Key) -> None:
        """After a restart the queue may be read before all objects are listed: what was said of this one counts."""
        self.heard([signal for signal in self._unclaimed if key in self._addressees.of(signal)])

    def heard(self, signals: Sequence[Signal]) -> None:
        """AWS spoke of something."""
        for signal in signals:
            concerned = self._addressees.of(signal)
            found = {key: names for key, names in concerned.items() if not self._own_calls.is_of(key, signal)}
            if not concerned:
                self._unclaimed.append(signal)
            for key, names in found.items():
                self._note(key, names, signal)

    def served(self, key: Key, requests: Sequence[str]) -> None:
        """A reconcile has ended, and AWS gave its writes these ids: their events are no news to the object."""
        self._own_calls.made(key, requests)

    def successor(self, owner: Owner, region: str, name: str) -> Successor | None:
        """Which other object takes over a parameter that this one gives up. Safe for many threads."""
        return self._addressees.successor(owner, region, name)

    def declared(self, key: Key) -> None:
        """An object was edited: those that are about to give up what it declares may now hand it over."""
        for other in self._addressees.givers(key):
            self._wake(other)

    def gives_up(self, region: str, owner: str, name: str) -> bool:
        """Whether another object, as NAMESPACE/NAME, is about to give up a parameter. Safe for many threads."""
        return self._addressees.gives_up(Key(*owner.split("/")), region, name)

    def changed_hands(self, key: Key, region: str, names: Iterable[str]) -> None:
        """An object has made, taken or given up these parameters: that concerns the others that declare them."""
        for other in {other for name in names for other in self._addressees.naming(region, name)} - {key}:
            self._wake(other)

    def concerned(self, region: str, name: str) -> tuple[Key, ...]:
        """The objects that declare or report a parameter."""
        return self._addressees.naming(region, name)

    def take(self, key: Key) -> Said | None:
        """What was said of an object that is served now."""
        return self._said.pop(key, None)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._addressees.forget(key)
        self._said.pop(key, None)

    def _note(self, key: Key, names: Sequence[str], signal: Signal) -> None:
        said = self._said.setdefault(key, Said(signal.at))
        said.at = min(said.at, signal.at)
        said.of.update(dict.fromkeys(names, signal.actor))
        self._wake(key)
