"""A small API server for the real client: a few objects, merge patches, finalizers, Events, lists and watches."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from dynconfig.kube.client import Kube
from dynconfig.kube.connection import Cluster, Connection, User
from dynconfig.model.key import Key

Document = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def kube_at(port: int, user: User | None = None, client: type[Kube] = Kube) -> Kube:
    """A client of the server at a port of this machine."""
    cluster = Cluster(server=f"http://127.0.0.1:{port}")
    return client(Connection(user or User(token="t"), cluster, "shop", "here"))


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[int]:
    """Run a server with this handler; yield its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(answer: Answer, user: User | None = None) -> AsyncIterator[Kube]:
    """Run a server with this handler; yield a client of it."""
    async with listening(answer) as port:
        kube = kube_at(port, user)
        try:
            yield kube
        finally:
            await kube.close()


async def streamed(request: web.Request, *lines: bytes) -> web.StreamResponse:
    """Return a response of lines, as a watch does."""
    response = web.StreamResponse()
    await response.prepare(request)
    for line in lines:
        await response.write(line + b"\n")
    return response


def status(code: int, message: str) -> web.Response:
    """Return an error response of the API server."""
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)


@dataclass
class ApiServer:
    """Stores objects; `before` may respond to a request first."""

    objects: dict[Key, Document] = field(default_factory=dict)
    events: list[Document] = field(default_factory=list)
    before: Callable[[web.Request], Awaitable[web.Response | None]] | None = None
    after: Callable[[web.Request], Awaitable[None]] | None = None
    pruned: tuple[str, ...] = ()
    """Fields of status that the CRD does not have, as one of an earlier version."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Handle a request."""
        early = await self.before(request) if self.before else None
        found = early or await self._answer(request)
        self.changed.set()
        if self.after:
            await self.after(request)
        return found

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until a condition holds after a request."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def put(self, document: Document) -> None:
        """Return the current object."""
        metadata = document["metadata"]
        self.objects[Key(metadata["namespace"], metadata["name"])] = copy.deepcopy(document)

    async def _answer(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        if parts[-1] == "events":
            self.events.append(json.loads(await request.text()))
            return web.json_response({"metadata": {"name": f"e{len(self.events)}"}})
        if "dynamicconfigs" not in parts:
            return status(404, "not found")
        if parts[-1] == "dynamicconfigs":
            return web.json_response({"metadata": {}, "items": list(self.objects.values())})
        key = Key(parts[4], parts[6])
        if key not in self.objects:
            return status(404, "not found")
        if request.method == "PATCH":
            return self._patched(key, json.loads(await request.text()))
        return web.json_response(self.objects[key])

    def _patched(self, key: Key, patch: Document) -> web.Response:
        document = self.objects[key]
        wanted = patch.get("metadata", {}).get("uid", document["metadata"]["uid"])
        if wanted != document["metadata"]["uid"]:
            return status(409, "the uid differs")
        merge(document, patch)
        for name in self.pruned:
            (document.get("status") or {}).pop(name, None)
        if "deletionTimestamp" in document["metadata"] and not document["metadata"]["finalizers"]:
            del self.objects[key]
        return web.json_response(document)


def merge(into: Document, patch: Mapping[str, Any]) -> None:
    """A JSON merge patch: null removes a member."""
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)
