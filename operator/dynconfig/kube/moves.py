"""Moves of parameters and other resources between objects."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from dynconfig.engine.outcome import Outcome
from dynconfig.events.lookups import Lookup, Lookups
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.signals import EVERYWHERE
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError, NotOwned
from dynconfig.model.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.model.holders import Holders
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.portions import Later, Portions, later

# IAM is global.
_GLOBAL = ("Role ",)
# A managed function and an attachment claim the same resource.
_CLAIMS = (("Attachment ", "Function "),)
# A deletion waits so long before it is checked again whether other objects are known.
UNSEEN_SECONDS = 1.0
# Each costs about a hundred bytes.
MOST_WANTED = 64
# How long a removed parameter waits for the acceptance of a new object that declares it, after the wait for a declaration.
ACCEPTANCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Moved:
    """A parameter whose owner has changed, or that was removed."""

    giver: Key
    is_removed: bool = False


@dataclass(eq=False, slots=True)
class _Released:
    """The objects that wait for what an object has released."""

    waiting: Iterator[Key]


@dataclass(frozen=True, slots=True)
class _Edit:
    """A generation of an object, as the watch delivered it first."""

    uid: str
    generation: Any
    delivered_at: float
    """By the clock, in seconds."""
    version: str

    def is_of(self, uid: str, generation: Any) -> bool:
        """Whether it led to this generation."""
        return (self.uid, self.generation) == (uid, generation)


class Moves:
    """Finds the successors of resources that an object gives up, and requeues the objects that wait for them."""

    def __init__(
        self,
        index: ResourceIndex,
        requeue: Callable[[Key], None],
        now: Callable[[], float],
        clock: Callable[[], float],
        move_seconds: float,
        *,
        reconciled: ObjectState[Key],
        existing: ObjectState[Key],
        later: Later = later,
    ) -> None:
        self._index = index
        self._requeue = requeue
        self._now = now
        self._clock = clock
        self._move_seconds = move_seconds
        self._blocked = BlockedObjects(reconciled)
        self.known_until: Callable[[str], float | None] = lambda _version: clock()
        """Return until which time of the clock, in seconds, all changes of objects are known; None unless all up to a version."""
        self._named = Lookups[_Moved](index, self._found, later)
        self._released = Portions[_Released](self._requeue_some, later)
        self._edits: dict[Key, _Edit] = existing.new_map()

    def record_generation(self, key: Key, metadata: Mapping[str, Any]) -> None:
        """Record when the watch delivered a generation of an object."""
        known, uid, generation = self._edits.get(key), str(metadata.get("uid")), metadata.get("generation")
        if known is None or not known.is_of(uid, generation):
            self._edits[key] = _Edit(uid, generation, self._clock(), str(metadata.get("resourceVersion", "")))

    def object_edited(self, key: Key) -> None:
        """After an edit, requeue the objects that can now hand over parameters to it."""
        for other in self._index.releasing_to(key):
            self._requeue(other)

    def with_successors(self, key: Key, declaration: Declaration) -> Declaration:
        """Return the declaration with access to the declarations of other objects."""
        waited = self._waited(key, declaration)
        wait = min(UNSEEN_SECONDS, self._move_seconds) if waited is None else self._move_seconds - waited
        return replace(
            declaration,
            successor_of=partial(
                self._index.successor,
                declaration.owner,
                declaration.place.key,
                target=declaration.place.target,
                is_awaited=wait + ACCEPTANCE_SECONDS > 0,
            ),
            awaits=partial(self._index.gives_up, declaration.place.key),
            deletes_from=self._now() + wait,
            is_ahead_of_watch=waited is None,
        )

    def handle_outcome(self, key: Key, outcome: Outcome) -> None:
        """After a reconcile, requeue the objects that wait for given-up resources, or declare parameters that changed owner."""
        region, turn = outcome.declaration.place.key, key.namespace
        removals = [step.resource for step in outcome.applied if step.is_removal]
        moved = [step.resource.name for step in outcome.applied if step.changes_hands]
        removed = [resource.name for resource in removals] if self._blocked.by_more else ()
        self._named.add(
            turn,
            [
                Lookup(region, name, change, kind=change)
                for names, change in ((moved, _Moved(key)), (removed, _Moved(key, is_removed=True)))
                for name in dict.fromkeys(names)
            ],
        )
        self._released.add(turn, _Released(self._blocked.waiting_for(region, [item.title for item in removals])))
        self._blocked.record(key, region, outcome.not_owned)

    def _found(self, key: Key, lookup: Lookup[_Moved]) -> bool:
        moved = lookup.about
        is_meant = key in self._blocked.by_more if moved.is_removed else key != moved.giver
        if is_meant and self._index.has_parameter(key, lookup.place, lookup.name):
            self._requeue(key)
        return is_meant

    def _requeue_some(self, released: "_Released", at: int, limit: int) -> tuple[int, int | None]:
        keys = tuple(islice(released.waiting, limit))
        for key in keys:
            self._requeue(key)
        return len(keys), at + limit if len(keys) == limit else None

    def _waited(self, key: Key, declaration: Declaration) -> float | None:
        """Return for how many seconds removed resources wait for a possible new owner: since the watch delivered this generation,
        and until all that was received has been handled.

        None if the watch has not delivered this generation yet, or if other objects may not be known as they were then, as while
        they are listed again: it is unknown which objects declare what.
        """
        edit = self._edits.get(key)
        if edit is None or not edit.is_of(declaration.owner.uid, declaration.generation):
            return None
        # Otherwise each edit would open all watches of other namespaces again.
        gives_up = declaration.deleting or self._index.is_releasing(key) or _may_own_more(declaration)
        known_until = self.known_until(edit.version if gives_up else "")
        return None if known_until is None else known_until - edit.delivered_at


def _may_own_more(declaration: Declaration) -> bool:
    """Whether the object may own parameters that its status does not list: it was lost, or nothing is applied completely yet."""
    applied = declaration.applied
    is_incomplete = applied is None or applied.is_lost or applied.generation is None
    return is_incomplete and not declaration.never_written


class BlockedObjects:
    """Finds waiting objects by the region and title of the resource."""

    def __init__(self, state: ObjectState[Key]) -> None:
        self._wanted: dict[Key, Fingerprints] = {}
        """Digests of resources each object waits for."""
        self._waiting = Holders[int, Key]()
        self.by_more: set[Key] = set()
        """Objects that wait for more resources than are recorded."""
        state.on_forget(self._remove)

    def record(self, key: Key, region: str, error: DynConfigError | None) -> None:
        """Record the resources that an object waits for after a reconcile; none if `error` is None.

        Of many, some are recorded; such an object is in `by_more`.
        """
        self._remove(key)
        if isinstance(error, NotOwned):
            wanted = fingerprints(_place(region, title) for title in error.titles)
            self._wanted[key] = wanted[:MOST_WANTED]
            if len(wanted) > MOST_WANTED:
                self.by_more.add(key)
            for digest in self._wanted[key]:
                self._waiting.add(digest, key)

    def waiting_for(self, region: str, titles: Iterable[str]) -> Iterator[Key]:
        """Yield the objects that wait for one of these resources when they are searched."""
        found = set[Key]()
        for title in titles:
            more = set(self._waiting.of(fingerprint(_place(region, title)))) - found
            found |= more
            yield from more

    def _remove(self, key: Key) -> None:
        self.by_more.discard(key)
        for digest in self._wanted.pop(key, ()):
            self._waiting.discard(digest, key)


def _place(region: str, title: str) -> str:
    for claim, thing in _CLAIMS:
        title = thing + title.removeprefix(claim) if title.startswith(claim) else title
    return f"{EVERYWHERE if title.startswith(_GLOBAL) else region} {title}"
