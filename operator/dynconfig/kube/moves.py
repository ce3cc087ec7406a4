"""Moves of parameters and other resources between objects."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from dynconfig.engine.outcome import Outcome
from dynconfig.events.routing import EventRouter
from dynconfig.kube.blocked import BlockedObjects
from dynconfig.model.declaration import Declaration
from dynconfig.model.key import Key


class Moves:
    """Finds the successors of resources that an object gives up, and requeues the objects that wait for them."""

    def __init__(
        self, router: EventRouter, requeue: Callable[[Key], None], now: Callable[[], float], move_seconds: float
    ) -> None:
        self._router = router
        self._requeue = requeue
        self._now = now
        self._move_seconds = move_seconds
        self._blocked = BlockedObjects()
        self.is_current: Callable[[], bool] = lambda: True
        """Return whether all objects have been listed and the watches are running."""
        self._edits: dict[Key, tuple[str, Any, float]] = {}

    def record_generation(self, key: Key, metadata: Mapping[str, Any]) -> None:
        """Record when the watch delivered a generation of an object."""
        known, found = self._edits.get(key), (str(metadata.get("uid")), metadata.get("generation"))
        if known is None or known[:2] != found:
            self._edits[key] = (*found, self._now())

    def with_successors(self, key: Key, declaration: Declaration) -> Declaration:
        """Return the declaration with access to the declarations of other objects."""
        seen_at = self._seen_at(key, declaration)
        return replace(
            declaration,
            successor_of=partial(self._router.successor, declaration.owner, declaration.place.region),
            awaits=partial(self._router.gives_up, declaration.place.region),
            deletes_from=(self._now() if seen_at is None else seen_at) + self._move_seconds,
            is_ahead_of_watch=seen_at is None,
        )

    def handle_outcome(self, key: Key, outcome: Outcome) -> None:
        """After a reconcile, requeue the objects that wait for given-up resources, or declare parameters that changed owner."""
        region = outcome.declaration.place.region
        given_up = [step.resource for step in outcome.applied if step.is_removal]
        moved = (step.resource.name for step in outcome.applied if step.changes_hands)
        self._router.parameters_moved(key, region, moved)
        for other in self._blocked.waiting_for(region, (resource.title for resource in given_up)):
            self._requeue(other)
        self._blocked.record(key, region, outcome.not_owned)

    def forget(self, key: Key, uid: str | None) -> None:
        """Forget a deleted object; a new object of the same name is kept."""
        known = self._edits.get(key)
        if known is not None and uid in (None, known[0]):
            del self._edits[key]
        self._blocked.forget(key)

    def _seen_at(self, key: Key, declaration: Declaration) -> float | None:
        """Return when the watch delivered this generation; removed resources wait from then on for a possible new owner.

        None if the watch has not delivered this generation yet, or while objects are listed again: then it is unknown which
        objects declare what.
        """
        known = self._edits.get(key)
        is_known = known is not None and known[:2] == (declaration.owner.uid, declaration.generation)
        return known[2] if known and is_known and self.is_current() else None
