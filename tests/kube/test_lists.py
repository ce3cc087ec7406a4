"""All lists of the operator together: one page is in memory at a time, whatever the number of namespaces."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import serving, streamed
from tests.security.memory import peak_mib

from dynconfig.kube import sources
from dynconfig.kube.client import ApiUnavailable, Kube
from dynconfig.kube.object_watch import ObjectWatch
from dynconfig.kube.references import References, SourceRef

NAMESPACES = tuple(f"team-{number}" for number in range(8))
PAGES = 2


class Held:
    """The number of pages that are requested or being handled, and its maximum."""

    def __init__(self) -> None:
        self.now = self.most = self.handled = 0
        self.is_open = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Respond to a list with one of its pages."""
        if "watch" in request.query:
            return await streamed(request)
        self.now += 1
        self.most = max(self.most, self.now)
        number = int(request.query.get("continue", "1"))
        more = {"continue": str(number + 1)} if number < PAGES else {}
        item = {"metadata": {"namespace": request.path.split("/")[-2], "name": "x", "resourceVersion": "1"}}
        return web.json_response({"metadata": {"resourceVersion": "1", **more}, "items": [item, item]})

    def handle(self) -> None:
        """The page is handled after its second item."""
        self.handled += 1
        self.now -= self.handled % 2 == 0


class Receiver(Held):
    """Receives objects, and whether Secrets and ConfigMaps are referenced."""

    def object_changed(self, _document: Mapping[str, Any], _event: str | None) -> None:
        """Count it."""
        self.handle()

    def missing(self, key: object) -> None:
        """Nothing was deleted."""
        raise AssertionError(key)


class Counting(References):
    """Counts the sources that are listed."""

    def __init__(self, held: Held) -> None:
        super().__init__(lambda _key: None)
        self._held = held

    def is_referenced(self, _ref: SourceRef) -> bool:
        """None."""
        self._held.handle()
        return False


def test_lists_of_all_namespaces_take_turns() -> None:
    async def act() -> None:
        held = Receiver()

        async def forever(_seconds: float) -> None:
            await asyncio.Event().wait()

        async with serving(held.serve) as kube:
            objects = [ObjectWatch(kube, held, list[str]().append, name) for name in NAMESPACES]
            watches = [
                asyncio.create_task(sources.watch(kube, Counting(held), kind, name, forever))
                for kind in ("Secret", "ConfigMap")
                for name in NAMESPACES
            ]
            await asyncio.gather(*(item.list_all() for item in objects))
            async with asyncio.timeout(10):
                while held.handled < 3 * len(NAMESPACES) * PAGES * 2:
                    await asyncio.sleep(0)
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
        assert held.most == 1

    asyncio.run(act())


def test_failed_or_cancelled_list_does_not_stop_others() -> None:
    """Each way to stop reading a page releases it at once."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if "broken" in request.path:
            return web.Response(text='{"metadata":{},"items":[{"metadata":', content_type="application/json")
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})

    async def count(kube: Kube, namespace: str) -> int:
        async with asyncio.timeout(5), kube.object_pages(namespace) as pages:
            return sum([1 + len([item async for item in page["items"]]) async for page in pages])

    async def act() -> None:
        async with serving(serve) as kube:
            with pytest.raises(ApiUnavailable):
                await count(kube, "broken")
            assert await count(kube, "other") == 1
            opened = asyncio.Event()

            async def hang() -> None:
                async with kube.metadata_pages("Secret", "slow") as pages:
                    async for _page in pages:
                        opened.set()
                        await asyncio.Event().wait()

            task = asyncio.create_task(hang())
            await opened.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await count(kube, "other") == 1

    asyncio.run(act())


# Every namespace has objects of a megabyte: pages of almost four.
WORK = """
import asyncio
from aiohttp import web
from tests.kube.apiserver import serving
from dynconfig.kube.object_watch import ObjectWatch

body = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [
    {"metadata": {"namespace": "n", "name": f"{n}", "resourceVersion": "1"}, "spec": {"x": "x" * 1_000_000}} for n in range(4)]})

class Receiver:
    def object_changed(self, document, event): pass
    def missing(self, key): pass

async def answer(request):
    return web.Response(text=body, content_type="application/json")

async def act():
    async with serving(answer) as kube:
        watches = [ObjectWatch(kube, Receiver(), [].append, f"team-{n}") for n in range(task)]
        await asyncio.gather(*(watch.list_all() for watch in watches))
        return sum(watch.is_listed for watch in watches)

result = asyncio.run(act())
"""


def test_memory_of_lists_does_not_grow_with_the_number_of_namespaces() -> None:
    few, _ = peak_mib(WORK, 2)
    many, listed = peak_mib(WORK, 16)
    assert listed == 16
    assert many - few <= 20, json.dumps([few, many])
