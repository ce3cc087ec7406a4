"""The API server client: lines of any length; transient and permanent failures."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from aiohttp import web
from tests.kube.apiserver import kube_at, listening, serving, status, streamed
from tests.kube.controller_harness import KEY

from dynconfig.kube.client import CONNECTIONS, ApiRefused, ApiUnavailable, Kube
from dynconfig.kube.connection import Cluster, Connection, Plugin, User

WATCHES = CONNECTIONS + 10
META = {"name": "x", "namespace": "team", "resourceVersion": "2"}


def watched(*lines: bytes) -> list[str]:
    """Return the versions in the events of a watch with these lines."""

    async def act() -> list[str]:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await streamed(request, *lines)

        async with serving(answer) as kube:
            return [
                item["metadata"]["resourceVersion"]
                async for _, item in kube.watch_metadata("ConfigMap", None, "1").changes()
            ]

    return asyncio.run(act())


def event(version: str, padding: int = 0) -> bytes:
    changed = {
        "metadata": {**META, "name": f"x{version}", "resourceVersion": version, "annotations": {"a": "x" * padding}}
    }
    return json.dumps({"type": "MODIFIED", "object": changed}).encode()


def test_long_lines_are_read() -> None:
    assert watched(event("2"), event("3", 2_000_000), event("4")) == ["2", "3", "4"]


def test_incomplete_line_is_not_returned() -> None:
    async def act() -> list[str]:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = await streamed(request, event("2"))
            await response.write(event("3")[:40])
            return response

        async with serving(answer) as kube:
            return [
                item["metadata"]["resourceVersion"]
                async for _, item in kube.watch_metadata("ConfigMap", None, "1").changes()
            ]

    assert asyncio.run(act()) == ["2"]


NO_PLUGIN = Plugin(api_version="client.authentication.k8s.io/v1beta1", command="/nowhere/get-token")


def plugin(program: str) -> Plugin:
    return Plugin(api_version="client.authentication.k8s.io/v1beta1", command=sys.executable, args=["-c", program])


@pytest.mark.parametrize(
    "user",
    [
        User(plugin=NO_PLUGIN),
        User(plugin=plugin("raise SystemExit('the SSO session has expired')")),
        User(plugin=plugin("print('not JSON')")),
        User(plugin=plugin("print('{}')")),
        User(token_file="/nowhere/token"),
        User(token_file=str(Path(__file__).parent)),
    ],
    ids=["no plugin", "plugin fails", "plugin babbles", "plugin has none", "no file", "a folder"],
)
def test_unavailable_credentials_are_retryable(user: User) -> None:
    async def act() -> None:
        kube = kube_at(1, user)
        try:
            await kube.object(KEY)
        finally:
            await kube.close()

    with pytest.raises(ApiUnavailable, match="no credentials for the Kubernetes API server"):
        asyncio.run(act())


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (413, "Request entity too large: limit is 3145728", ApiRefused),
        (500, "etcdserver: request is too large", ApiRefused),
        (500, "rpc error: trying to send message larger than max (2202332 vs. 2097152)", ApiRefused),
        (500, "etcdserver: no leader", ApiUnavailable),
        (503, "service unavailable", ApiUnavailable),
    ],
)
def test_too_large_object_is_not_retryable(code: int, message: str, expected: type[Exception]) -> None:
    async def act() -> None:
        async def answer(_request: web.Request) -> web.StreamResponse:
            return status(code, message)

        async with serving(answer) as kube:
            await kube.patch_status(KEY, {"status": {}})

    with pytest.raises(expected, match=message.partition("(")[0]):
        asyncio.run(act())


def test_watches_leave_the_connections_of_requests_free() -> None:
    opened = 0

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal opened
        if "watch" not in request.query:
            return status(404, "not found")
        response, opened = await streamed(request), opened + 1
        await closing.wait()
        return response

    async def follow(kube: Kube) -> None:
        async for _event in kube.watch_objects("shop", "1").changes():
            pass

    async def act() -> None:
        async with listening(serve) as port, asyncio.timeout(30):
            kube = Kube(
                Connection(User(token="t"), Cluster(server=f"http://127.0.0.1:{port}"), "shop", "here"), WATCHES
            )
            watches = [asyncio.create_task(follow(kube)) for _ in range(WATCHES)]
            while opened < WATCHES:
                await asyncio.sleep(0.01)
            assert await kube.object(KEY) is None
            closing.set()
            await asyncio.gather(*watches, return_exceptions=True)
            await kube.close()

    closing = asyncio.Event()
    asyncio.run(act())
