"""How objects are served: with their finalizer, in spite of refused Events, and none taken for another."""

import asyncio

from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.desk import GOING, KEY, configured, desk

from dynconfig.api import names
from dynconfig.kube.heard import has_finalizer


async def refuse_events(request: web.Request) -> web.Response | None:
    """What the API server answers in a namespace that is being deleted."""
    if request.path.endswith("/events"):
        return status(403, "unable to create new content in namespace shop because it is being terminated")
    return None


def test_an_object_is_let_go_though_its_events_are_refused() -> None:
    async def act() -> None:
        async with desk() as found:
            found.server.before = refuse_events
            metadata = {"deletionTimestamp": GOING}
            abandoned = configured({"a": "1"}, metadata=metadata, annotations={names.ABANDON: "true"})
            found.server.put(abandoned)
            found.says(None, abandoned)
            await found.server.until(lambda: not found.server.objects)

    asyncio.run(act())


def test_an_object_that_lost_its_finalizer_gets_it_back_at_once() -> None:
    async def act() -> None:
        async with desk() as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            replaced = found.server.objects[KEY]
            replaced["metadata"]["finalizers"] = []
            found.says("MODIFIED", replaced)
            await found.server.until(lambda: has_finalizer(found.server.objects[KEY]))

    asyncio.run(act())


def test_an_invalid_edit_does_not_keep_the_finalizer_away() -> None:
    async def act() -> None:
        async with desk() as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            replaced = found.server.objects[KEY]
            replaced["metadata"].update(finalizers=[], generation=2)
            replaced["spec"]["path"] = "nowhere"
            found.says("MODIFIED", replaced)
            await found.server.until(lambda: found.reason == "InvalidSpec")
            assert has_finalizer(found.server.objects[KEY])

    asyncio.run(act())


def test_an_object_of_which_nothing_was_written_can_be_deleted_without_the_operator() -> None:
    async def act() -> None:
        async with desk() as found:
            invalid = configured({"a": "1"}, finalizers=[])
            invalid["spec"]["path"] = "nowhere"
            found.applied(invalid)
            await found.server.until(lambda: found.reason == "InvalidSpec")
            assert not has_finalizer(found.server.objects[KEY])

    asyncio.run(act())
