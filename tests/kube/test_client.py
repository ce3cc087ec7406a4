"""The client of the API server: lines of any length, and failures that pass are told from those that stay."""

import asyncio
import json

from aiohttp import web
from tests.kube.apiserver import serving, streamed

META = {"name": "x", "namespace": "team", "resourceVersion": "2"}


def watched(*lines: bytes) -> list[str]:
    """Versions in the events of a watch whose answer consists of these lines, told to its end."""

    async def act() -> list[str]:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await streamed(request, *lines)

        async with serving(answer) as kube:
            return [item["resourceVersion"] async for _, item in kube.watch_metadata("ConfigMap", None, "1")]

    return asyncio.run(act())


def event(version: str, padding: int = 0) -> bytes:
    changed = {"metadata": {**META, "resourceVersion": version, "annotations": {"a": "x" * padding}}}
    return json.dumps({"type": "MODIFIED", "object": changed}).encode()


def test_an_object_may_be_as_large_as_it_likes() -> None:
    assert watched(event("2"), event("3", 2_000_000), event("4")) == ["2", "3", "4"]


def test_a_line_that_was_cut_off_is_not_taken_for_one() -> None:
    async def act() -> list[str]:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = await streamed(request, event("2"))
            await response.write(event("3")[:40])
            return response

        async with serving(answer) as kube:
            return [item["resourceVersion"] async for _, item in kube.watch_metadata("ConfigMap", None, "1")]

    assert asyncio.run(act()) == ["2"]
