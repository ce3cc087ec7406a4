"""Which objects an event concerns, however many they are."""

from tests.events.later import Later

from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventRouter
from dynconfig.events.signals import Signal
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState


def concerned(index: ResourceIndex, signal: Signal) -> dict[Key, tuple[str, ...]]:
    """Return the objects that are requeued after an event, each with the names of its resources in the event."""
    requeued, later = dict[Key, None](), Later()
    router = EventRouter(index, requeued.setdefault, float, ObjectState(), later=later)
    router.route([signal])
    later.run()
    found = {}
    for key in requeued:
        pending = router.take(key)
        assert pending is not None
        found[key] = tuple(pending.of)
    return found
