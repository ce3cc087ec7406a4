"""Observes objects again for which AWS events may have been lost, and warns on them if the delivery failed."""

from contextlib import suppress

from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventPlaces
from dynconfig.kube.requeue_policy import RequeuePolicy
from dynconfig.kube.shards import ObjectReceiver
from dynconfig.kube.slices import in_slices
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
    """Requeues the objects of a place and shard, and records Warning Events on them."""

    def __init__(
        self,
        objects: ObjectReceiver,
        index: ResourceIndex,
        places: EventPlaces,
        requeues: RequeuePolicy,
        status: StatusWriter,
    ) -> None:
        self._objects = objects
        self._index = index
        self._places = places
        self._requeues = requeues
        self._status = status

    async def event_missing(self, place: Place, name: str) -> None:
        """Record a Warning Event on the objects that declare a parameter whose event did not arrive."""
        for key in self._index.naming(place.key, name)[:MAX_PLACE_EVENTS]:
            await self._warn(key, kube_events.event_missing(place.title, name))

    async def began(self, place: Place, shard: int) -> None:
        """Requeue the objects of a place and shard, since events before now may have been lost."""
        self._objects.observe_rest(shard)
        async for key in in_slices(self._places.objects(place, shard)):
            self._requeues.observe_all(key, Priority.DRIFT)

    async def interrupted(self, place: Place, shard: int, repaired: str) -> None:
        """Requeue the objects of a place and shard after event delivery was repaired; record a Warning Event on some."""
        concerned = self._places.objects(place, shard)
        await self.began(place, shard)
        for key in concerned[:MAX_PLACE_EVENTS]:
            await self._warn(key, kube_events.events_interrupted(place.title, repaired))

    async def _warn(self, key: Key, event: KubeEvent) -> None:
        fence = self._objects.fence(key)
        if fence is None:
            return
        with fence.within(), suppress(LeaseLost):
            await self._status.warn(key, event)
