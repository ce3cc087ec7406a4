"""Warns on objects when the delivery of AWS events fails."""

from contextlib import suppress

from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventPlaces
from dynconfig.kube.requeue_policy import RequeuePolicy
from dynconfig.kube.shards import ServedShards
from dynconfig.kube.status_writer import StatusWriter
from dynconfig.kube.work_queue import Priority
from dynconfig.model.declaration import Place
from dynconfig.model.fence import LeaseLost
from dynconfig.model.key import Key
from dynconfig.status import kube_events
from dynconfig.status.kube_events import KubeEvent

# Limit of Events for a place or a parameter: thousands of objects may be concerned, and each Event is an API write.
MAX_PLACE_EVENTS = 20


class EventWarnings:
    """Records Warning Events on the objects that this replica serves."""

    def __init__(
        self,
        index: ResourceIndex,
        places: EventPlaces,
        requeues: RequeuePolicy,
        shards: ServedShards,
        status: StatusWriter,
    ) -> None:
        self._index = index
        self._places = places
        self._requeues = requeues
        self._shards = shards
        self._status = status

    async def event_missing(self, place: Place, name: str) -> None:
        """Record a Warning Event on the objects that declare a parameter whose event did not arrive."""
        for key in self._index.naming(place.key, name)[:MAX_PLACE_EVENTS]:
            await self._warn(key, kube_events.event_missing(place.title, name))

    async def interrupted(self, place: Place, repaired: str) -> None:
        """Requeue the objects of a place after event delivery was repaired, and record a Warning Event on some."""
        concerned = self._places.objects(place)
        for key in concerned:
            self._requeues.requeue_after(key, 0.0, Priority.DRIFT)
        for key in concerned[:MAX_PLACE_EVENTS]:
            await self._warn(key, kube_events.events_interrupted(place.title, repaired))

    async def _warn(self, key: Key, event: KubeEvent) -> None:
        fence = self._shards.fence(key)
        if fence is None:
            return
        with fence.within(), suppress(LeaseLost):
            await self._status.warn(key, event)
