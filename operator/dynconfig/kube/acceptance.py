"""Accepts objects: records where they write, then adds the finalizer, before AWS has anything of them."""

from dynconfig.kube.client import ApiConflict, ApiRefused, Document
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.finalizer import add_finalizer, has_finalizer
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.responses import INVALID
from dynconfig.kube.status_writer import Refusals, StatusWriter, records
from dynconfig.model.declaration import Declaration
from dynconfig.model.key import Key
from dynconfig.model.stored import recorded_place


class Acceptance:
    """Writes status and finalizer. The status is first: a finalizer without a status means that the status was lost."""

    def __init__(
        self, dependencies: Dependencies, tracker: ObjectTracker, status: StatusWriter, refusals: Refusals
    ) -> None:
        self._deps = dependencies
        self._tracker = tracker
        self._status = status
        self._refusals = refusals

    async def start(self, key: Key, document: Document, declaration: Declaration) -> Document:
        """Accept an object before its first write to AWS; return it. Raises as `StatusWriter.write_start`, and ApiConflict."""
        if declaration.suspended:
            started = await self._status.write_seen(key, document)
        else:
            started = await self._status.write_start(key, document, declaration.place, self._deps.now())
        return await self._ensure_finalizer(key, _unedited(document, started))

    async def receive(self, key: Key, document: Document) -> Document:
        """Let other objects hand over parameters to one that adopts, even if its spec is invalid; return it.

        Not where its namespace may not have parameters: what was handed over would be its. Raises as `ChosenTargets.chosen`.
        """
        if recorded_place(document.get("status")) is None:
            place = self._deps.place_to_adopt_in(document)
            if place is None:
                return document
            document = _unedited(document, await self._status.record_place(key, document, place))
            if place.target is not None and not records(document, place):
                return document
        return await self.ensure_finalizer_if_valid(key, document)

    async def ensure_finalizer_if_valid(self, key: Key, document: Document) -> Document:
        """Add the finalizer, but continue without it if the stored object no longer matches the CRD; return the object."""
        try:
            document = await self._ensure_finalizer(key, document)
        except ApiRefused as error:
            if error.status != INVALID:
                raise
            self._refusals.log(
                key,
                "finalizer",
                f"cannot add the finalizer, so deleting the object will not delete its AWS resources: {error}",
            )
        else:
            self._refusals.clear(key, "finalizer")
        return document

    async def _ensure_finalizer(self, key: Key, document: Document) -> Document:
        """Add the finalizer before the first write to AWS, so that no resource is orphaned; return the object."""
        if has_finalizer(document):
            return document
        accepted = await add_finalizer(self._deps.kube, key, document)
        self._tracker.record_accepted(key, document, accepted)
        return accepted


def _unedited(before: Document, after: Document) -> Document:
    """Return an object after a write to its status. Raises ApiConflict if it was edited meanwhile, so that it is read again."""
    if ObjectTracker.is_edited(before, after):
        raise ApiConflict("the object has been edited meanwhile", delay=0.2)
    return after
