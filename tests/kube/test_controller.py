"""How objects are served: with their finalizer, in spite of refused Events, and none taken for another."""

import asyncio

from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.desk import GOING, KEY, configured, desk

from dynconfig.api import names


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
