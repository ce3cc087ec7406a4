"""Parameters and other resources that move from one object to another."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.work_queue import Key
from dynconfig.kube.blocked import Blocked
from dynconfig.kube.event_router import EventRouter


class Moves:
    """Lets each object know who takes over what it gives up, and wakes those that wait for it."""

    def __init__(
        self, router: EventRouter, wake: Callable[[Key], None], now: Callable[[], float], move_seconds: float
    ) -> None:
        self._router = router
        self._wake = wake
        self._now = now
        self._move_seconds = move_seconds
        self._blocked = Blocked()
        self.is_current: Callable[[], bool] = lambda: True
        """Whether all objects are known but for the last changes."""
        self._edits: dict[Key, tuple[str, Any, float]] = {}

    def noticed(self, key: Key, metadata: Mapping[str, Any]) -> None:
        """The watch has brought an object: what other objects declare is known up to this generation of it."""
        known, found = self._edits.get(key), (str(metadata.get("uid")), metadata.get("generation"))
        if known is None or known[:2] != found:
            self._edits[key] = (*found, self._now())

    def beside(self, key: Key, declaration: Declaration) -> Declaration:
        """The declaration beside the other objects of the cluster."""
        seen_at = self._seen_at(key, declaration)
        return replace(
            declaration,
            successor_of=partial(self._router.successor, declaration.owner, declaration.place.region),
            awaits=partial(self._router.gives_up, declaration.place.region),
            deletes_from=(self._now() if seen_at is None else seen_at) + self._move_seconds,
            is_ahead_of_watch=seen_at is None,
        )

    def served(self, key: Key, outcome: Outcome) -> None:
        """A reconcile has ended so: wake the objects that may now own what this one gave up, or that declare what it took."""
        region = outcome.declaration.place.region
        given_up = [step.resource for step in outcome.applied if step.is_removal]
        changed_hands = (step.resource.name for step in outcome.applied if step.changes_hands)
        self._router.changed_hands(key, region, changed_hands)
        for other in self._blocked.freed(region, (resource.title for resource in given_up)):
            self._wake(other)
        self._blocked.served(key, region, outcome.not_owned)

    def forget(self, key: Key, uid: str | None) -> None:
        """The object of this uid is gone; another of the same name may be there already."""
        known = self._edits.get(key)
        if known is not None and uid in (None, known[0]):
            del self._edits[key]
        self._blocked.forget(key)

    def _seen_at(self, key: Key, declaration: Declaration) -> float | None:
        """When the watch brought this generation: what left with it waits, since another object may declare it next.

        None if the object was read in a generation that the watch has not brought, or while objects are listed anew: then it
        is not known who declares what.
        """
        known = self._edits.get(key)
        is_known = known is not None and known[:2] == (declaration.owner.uid, declaration.generation)
        return known[2] if known and is_known and self.is_current() else None
