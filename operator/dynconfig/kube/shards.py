"""The shards that this replica serves, and the objects of all shards as the API server delivers them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from dynconfig.engine.orphans import region_in_use
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventPlaces, EventRouter
from dynconfig.events.target_users import FirstUsers
from dynconfig.kube.chosen_targets import ChosenTargets
from dynconfig.kube.moves import Moves
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.readiness import Readiness, ReadyConditions
from dynconfig.kube.requeue_policy import RequeuePolicy
from dynconfig.kube.resync import Listed
from dynconfig.kube.slices import SLICE, in_slices
from dynconfig.kube.traces import trace
from dynconfig.kube.work_queue import Priority
from dynconfig.model import size
from dynconfig.model.declaration import Place
from dynconfig.model.errors import DynConfigError
from dynconfig.model.fence import Fence, shard_of
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.stored import with_valid_status
from dynconfig.validation.declare import is_written, was_observed

log = logging.getLogger(__name__)

# The objects of a target that changed are reconciled one in this time, and all within a minute.
REQUEUE_SECONDS, LONGEST_REQUEUE_SECONDS = 0.02, 60.0


@dataclass(slots=True)
class ServedShards:
    """The fences of the shards that this replica serves, and its running reconciles."""

    count: int
    """Number of shards of all replicas."""
    fences: dict[int, Fence] = field(default_factory=dict)
    running: dict[asyncio.Task[None], int] = field(default_factory=dict)
    """Running reconciles, each with the shard of its object."""
    ending: set[int] = field(default_factory=set)
    """Those that are being given up."""
    unfinished: set[int] = field(default_factory=set)
    """Those of them with changes that this replica has received, and does not reconcile any more."""

    def shard_of(self, key: Key) -> int:
        """Return the shard of an object."""
        return shard_of(key, self.count)

    def fence(self, key: Key) -> Fence | None:
        """Return the fence of an object; None if this replica does not serve it."""
        return self.fences.get(self.shard_of(key))

    def serves(self, key: Key) -> bool:
        """Whether this replica serves an object."""
        return self.shard_of(key) in self.fences

    def leave(self, key: Key) -> None:
        """Record that an object is not reconciled here, although a change of it, or of what it uses, was received."""
        if (shard := self.shard_of(key)) in self.ending:
            self.unfinished.add(shard)


@dataclass(frozen=True, slots=True)
class Standby:
    """What is remembered of an object that another replica serves."""

    listed: Listed
    place: Place | None
    """The place from which its events are needed."""


@dataclass(slots=True)
class _Acquisition:
    """A shard that was acquired, and the objects that another replica may have served, which are taken over in slices."""

    fence: Fence
    left: Iterator[Key]
    """Those that were not taken over yet, and objects of other shards."""
    is_whole: bool
    """Whether all that are left have to be observed when they are taken over."""


class ObjectReceiver:
    """Records every object, since resources move between objects of all shards, and schedules those that are served here."""

    def __init__(
        self,
        *,
        shards: ServedShards,
        tracker: ObjectTracker,
        index: ResourceIndex,
        requeues: RequeuePolicy,
        moves: Moves,
        router: EventRouter,
        places: EventPlaces,
        existing: ObjectState[Key],
        forget: tuple[Callable[[Key], None], Callable[[Key, str], None]],
        unsettle: Callable[[Key], None],
        default_region: str,
        targets: ChosenTargets,
    ) -> None:
        """Create a receiver; `forget` removes what is remembered of a reconciled object, by its key, and by key and UID.

        `unsettle` makes the next resync of an object a whole reconcile.
        """
        self._unsettle = unsettle
        self._shards = shards
        self._tracker = tracker
        self._index = index
        self._requeues = requeues
        self._moves = moves
        self._router = router
        self._places = places
        self._existing = existing
        self._forget_key, self._forget_uid = forget
        self._default_region = default_region
        self._targets = targets
        self._standby: dict[Key, Standby] = existing.new_map()
        self._acquisitions: dict[int, _Acquisition] = {}
        """By shard, until all of its objects are taken over."""
        self._ready = ReadyConditions(existing, shards.serves)

    def fence(self, key: Key) -> Fence | None:
        """Return the fence of an object; None if this replica does not serve it."""
        return self._shards.fence(key)

    def readiness(self) -> Sequence[tuple[Key, Readiness]]:
        """Return the Ready conditions of the objects that this replica serves. Thread-safe."""
        return self._ready.served()

    def requeue_target(self, name: str) -> None:
        """Reconcile the objects of a target one after the other, with the lowest priority, because it changed."""
        concerned = self._index.in_target(name)
        served = [key for key in concerned if self._shards.serves(key)]
        interval = min(REQUEUE_SECONDS, LONGEST_REQUEUE_SECONDS / max(len(served), 1))
        for number, key in enumerate(served):
            self._unsettle(key)
            self._requeues.requeue(key, Priority.RESYNC, delay=number * interval)
        for key in set(concerned).difference(served):
            self._shards.leave(key)

    def using(self, target: str, *, is_terminating: bool = False, is_one_enough: bool = False) -> FirstUsers:
        """Return the objects that use a target, as the index."""
        return self._index.using(target, is_terminating=is_terminating, is_one_enough=is_one_enough)

    def object_changed(self, document: Mapping[str, Any], event: str | None) -> None:
        """Handle an object that was listed (None), ADDED, MODIFIED or DELETED."""
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        try:
            if event == "DELETED":
                self.missing(key)
            elif not self._tracker.is_finalized(key, document):
                self._handle_change(key, document, event)
        except Exception as failure:  # noqa: BLE001 - one object must not stop the watch
            log.error("Handling a change of %s failed (operator bug):\n%s", key, trace(failure))
            self._tracker.forget_received(key)
            self._requeues.requeue(key)

    def missing(self, key: Key) -> None:
        """Handle an object that was deleted, or is no longer listed."""
        self._tracker.forget_received(key)
        if self._shards.serves(key):
            self._standby.pop(key, None)
            self._index.forget(key)
            self._requeues.requeue(key)
            return
        self._requeue_receiving(key, None)
        self._forget_key(key)
        self._existing.forget(key)

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve the objects of a shard. With `is_whole`, all are observed now, since events may have been lost.

        Those of the first slice are taken over at once, and all others by `take_over`, or when they change.
        """
        self._shards.fences[fence.shard] = fence
        acquisition = self._acquisitions[fence.shard] = _Acquisition(fence, iter(tuple(self._standby)), is_whole)
        self._take_over_slice(acquisition)

    async def take_over(self, shard: int) -> None:
        """Take over the objects of a shard that was acquired, in slices, until that is done or the shard is given up."""
        acquisition = self._acquisitions.get(shard)
        while acquisition is not None and self._acquisitions.get(shard) is acquisition:
            if not self._take_over_slice(acquisition):
                del self._acquisitions[shard]
            await asyncio.sleep(0)

    def observe_rest(self, shard: int | None = None) -> None:
        """Observe all objects of a shard, or of all, that are not taken over yet, since a change of them may be missed."""
        for acquisition in self._acquisitions.values():
            if shard in (None, acquisition.fence.shard):
                acquisition.is_whole = True

    def _take_over_slice(self, acquisition: _Acquisition) -> bool:
        """Take over the next objects of a shard; return False at the end."""
        keys = tuple(islice(acquisition.left, SLICE))
        for key in keys:
            self._take_over(key, acquisition)
        return bool(keys)

    def _take_over(self, key: Key, acquisition: _Acquisition) -> None:
        if self._shards.fence(key) is not acquisition.fence or (standby := self._standby.pop(key, None)) is None:
            return
        reconciled, _listed = self._tracker.uids(key)
        # A reconcile since the acquisition knows the current place.
        if standby.place is not None and reconciled is None:
            self._places.track(key, standby.place, acquisition.fence)
        self._begin(key, replace(standby.listed, interval=None) if acquisition.is_whole else standby.listed)

    def _take_over_now(self, key: Key) -> None:
        """Take over an object that changed before its turn."""
        acquisition = self._acquisitions.get(self._shards.shard_of(key))
        if acquisition is not None:
            self._take_over(key, acquisition)

    def ending(self, shard: int) -> None:
        """Start no more reconciles of a shard; running ones end after their current write."""
        self._shards.fences.pop(shard, None)
        self._shards.ending.add(shard)
        acquisition = self._acquisitions.pop(shard, None)
        if acquisition is not None and acquisition.is_whole and any(self._are_left(shard, acquisition)):
            self._shards.unfinished.add(shard)
        self._requeues.leave_owed(lambda key: self._shards.shard_of(key) == shard)

    async def ended(self, shard: int) -> bool:
        """Return when no reconcile of a shard is running: whether a change that the next replica does not see is left."""
        while running := [task for task, of in self._shards.running.items() if of == shard]:
            await asyncio.wait(running)
        if any(self._shards.shard_of(key) == shard for key in self._router.waiting()):
            # The last reconcile of an object could not observe what events had reported.
            self._shards.unfinished.add(shard)
        return shard in self._shards.unfinished

    def _are_left(self, shard: int, acquisition: _Acquisition) -> Iterator[bool]:
        return (key in self._standby and self._shards.shard_of(key) == shard for key in acquisition.left)

    async def lost(self, shard: int) -> None:
        """Forget what is remembered of the objects of a shard, in slices: another replica serves them from now on."""
        self._shards.ending.discard(shard)
        self._shards.unfinished.discard(shard)
        self._router.leave(shard)
        async for key, uid in in_slices(self._tracker.uids_of_existing()):
            if self._shards.shard_of(key) == shard:
                weight = self._requeues.weight(key)
                self._forget_key(key)
                self._forget_uid(key, uid)
                self._requeues.weigh(key, weight)
                self._tracker.forget_received(key)
                self._router.forget(key)
                listened = self._places.leave(key)
                if self._tracker.exists(key):
                    # One that was not taken over yet, or has changed since, is on standby already.
                    known = self._standby.get(key)
                    place = listened or (known.place if known else None)
                    self._standby[key] = Standby(Listed(), place)

    def _handle_change(self, key: Key, document: Mapping[str, Any], event: str | None) -> None:
        log.debug("Received %s (%s)", key, event or "LISTED")
        self._take_over_now(key)
        fence = self._shards.fence(key)
        is_changed, weight = self._tracker.receive(key, document)
        self._requeues.weigh(key, weight)
        checked = document
        if is_changed or event is None:
            checked = with_valid_status(document)
            self._record(key, checked, fence)
        if fence is None or not self._tracker.needs_reconcile(key, document):
            return
        if event is None:
            self._begin(key, Listed.of(checked, self._index.target(checked)))
            self._router.replay_unmatched(key)
        elif is_changed:
            self._handle_edit(key, document, event, is_small=weight <= size.SMALL)
        else:
            self._requeues.requeue(key)

    def _record(self, key: Key, document: Mapping[str, Any], fence: Fence | None) -> None:
        """Record what an object declares and reports. This takes up to some ten milliseconds."""
        if fence is None:
            self._requeue_receiving(key, document)
        self._moves.record_generation(key, document["metadata"])
        # What is in other accounts is not searched for orphans.
        in_use = None if self._index.target(document) else region_in_use(document, self._default_region)
        self._tracker.record_region(key, in_use)
        self._ready.record(key, document)
        region = self._index.update(key, document)
        listened = self._place(document, region) if was_observed(document) and is_written(document) else None
        if fence is None:
            self._standby[key] = Standby(Listed.of(document, self._index.target(document)), listened)
            # It may receive what objects of this replica gave up.
            self._moves.object_edited(key)
        elif listened is not None:
            self._places.track(key, listened, fence)

    def _place(self, document: Mapping[str, Any], region: str | None) -> Place | None:
        """Return where an object has something, None if its target cannot be used; without a region it has a target."""
        if region is not None:
            return Place(region)
        try:
            target = self._targets.chosen(document)
        except DynConfigError:
            return None
        return Place(target.region, target) if target else None

    def _handle_edit(self, key: Key, document: Mapping[str, Any], event: str, *, is_small: bool) -> None:
        self._requeues.track(key)
        self._moves.object_edited(key)
        if event == "ADDED" and is_small:
            self._tracker.cache_created(key, document)
        self._requeues.requeue(key)

    def _requeue_receiving(self, key: Key, document: Mapping[str, Any] | None) -> None:
        """Requeue the objects of this replica that declare what an object of another one gave up."""
        for other in self._index.receiving(key, document) if self._shards.fences else ():
            self._requeues.requeue(other)

    def _begin(self, key: Key, listed: Listed) -> None:
        """Schedule an object that was listed, or whose shard was acquired."""
        # The target may have changed since the status was written, while no replica served the object.
        self._requeues.schedule_listed(key, listed.in_target(self._targets.digest(listed.target)))
        if not self._index.may_use(key):
            # The operator or the policy may have changed since the status was written.
            self._requeues.requeue(key)
