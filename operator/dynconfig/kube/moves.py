"""Parameters and other resources that move from one object to another."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dynconfig.engine.agenda import Key
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.outcome import Outcome
from dynconfig.kube.blocked import Blocked
from dynconfig.kube.spoken import Spoken


class Moves:
    """Lets each object know who takes over what it gives up, and wakes those that wait for it."""

    def __init__(
        self, spoken: Spoken, wake: Callable[[Key], None], now: Callable[[], float], move_seconds: float
    ) -> None:
        self._spoken = spoken
        self._wake = wake
        self._now = now
        self._move_seconds = move_seconds
        self._blocked = Blocked()
        self._edits: dict[Key, tuple[str, int, float]] = {}

    def beside(self, key: Key, declaration: Declaration) -> Declaration:
        """The declaration beside the other objects of the cluster."""
        return replace(
            declaration,
            successor_of=partial(self._spoken.successor, key, declaration.place.region),
            awaits=partial(self._spoken.gives_up, declaration.place.region),
            deletes_from=self._seen_at(key, declaration) + self._move_seconds,
        )

    def served(self, key: Key, outcome: Outcome) -> None:
        """A reconcile has ended so: wake the objects that may now own what this one gave up, or that declare what it took."""
        region = outcome.declaration.place.region
        given_up = [step.resource for step in outcome.applied if step.is_removal]
        changed_hands = (step.resource.name for step in outcome.applied if step.changes_hands)
        self._spoken.changed_hands(key, region, changed_hands)
        for other in self._blocked.freed(region, (resource.title for resource in given_up)):
            self._wake(other)
        self._blocked.served(key, region, outcome.not_owned)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._edits.pop(key, None)
        self._blocked.forget(key)

    def _seen_at(self, key: Key, declaration: Declaration) -> float:
        """When the operator first saw this generation: what left with it waits, since another object may declare it next."""
        uid, generation = declaration.owner.uid, declaration.generation
        known = self._edits.get(key)
        if known is None or known[:2] != (uid, generation):
            known = self._edits[key] = (uid, generation, self._now())
        return known[2]
