"""After a change that cannot be parsed, all objects are listed again soon, and not once for each such change."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import serving
from tests.kube.test_object_watch import Received, listed

from dynconfig.kube import skipped_changes, sources, targets
from dynconfig.kube.client import Kube
from dynconfig.kube.object_watch import ObjectWatch
from dynconfig.kube.references import References

Watch = Callable[[Kube, Received], Coroutine[Any, Any, None]]

WATCHES: list[Watch] = [
    lambda kube, received: ObjectWatch(kube, received, received.unreadable.append, None).run(),
    lambda kube, received: sources.watch(
        kube, References(received.requeued.append), "Secret", None, unreadable=received.unreadable.append
    ),
    lambda kube, received: targets.watch(kube, targets.Targets(lambda _name: None), received.unreadable.append),
]


@pytest.mark.parametrize("watch", WATCHES, ids=["DynamicConfigs", "Secrets", "AWSTargets"])
def test_skipped_changes_lead_to_one_list_soon(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipped_changes, "LIST_AGAIN_SECONDS", 0.6)
    received, lists, end = Received(), list[float](), asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            lists.append(time.monotonic())
            about = {"namespace": "shop", "name": "edited", "uid": "u", "resourceVersion": str(len(lists))}
            return listed(json.dumps({"metadata": about}))
        response = web.StreamResponse()
        await response.prepare(request)
        if len(lists) < 3:
            await response.write(b"not JSON\n" * 20)
        await end.wait()
        return response

    async def act() -> None:
        async with serving(serve) as kube:
            task = asyncio.create_task(watch(kube, received))
            async with asyncio.timeout(20.0):
                while len(lists) < 3:
                    await asyncio.sleep(0.01)
            # The third watch skips nothing.
            await asyncio.sleep(0.7)
            assert not task.done()
            task.cancel()
            end.set()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(act())
    assert len(lists) == 3
    assert all(later - earlier >= 0.29 for earlier, later in pairwise(lists))
    assert len(received.unreadable) == 40
    if received.received:
        assert received.received == [(None, "edited")] * 3
