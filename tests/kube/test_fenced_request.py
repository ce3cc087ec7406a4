"""Writes to the API server: no bytes after the lease has ended, and none that the kernel delivers later."""

import asyncio
import gc
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import kube_at, listening

from dynconfig.kube.client import ApiUnavailable, Kube
from dynconfig.kube.connection import Cluster, Connection, User
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig.model.key import Key

KEY = Key("shop", "app")
# More than twice what the kernel takes at once.
LARGE = 2**23
received: list[str] = []


async def answer(request: web.Request) -> web.Response:
    """Execute every request."""
    received.append(request.method)
    return web.json_response({"metadata": {}})


@pytest.fixture(autouse=True)
def nothing_received() -> None:
    received.clear()


def test_nothing_is_sent_if_the_lease_ends_during_name_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    now, resolve = [0.0], socket.getaddrinfo

    def stalled(*args: Any, **options: Any) -> Any:
        now[0] += 3.0
        return resolve(*args, **options)

    async def act() -> None:
        async with listening(answer) as port:
            cluster = Cluster(server=f"http://localhost:{port}")
            kube = Kube(Connection(User(token="t"), cluster, "shop", "here"))
            with Fence(0, lambda: now[0], 8.0, 10.0).within(), pytest.raises(LeaseLost):
                await kube.patch_status(KEY, {"status": {}})
            await kube.close()

    monkeypatch.setattr(socket, "getaddrinfo", stalled)
    asyncio.run(act())
    assert received == []


def test_kernel_may_deliver_a_write_only_as_long_as_the_lease_lasts() -> None:
    async def act() -> None:
        async with listening(answer) as port:
            kube = kube_at(port)
            with Fence(0, asyncio.get_running_loop().time, 8.0, float("inf")).within():
                await kube.patch_status(KEY, {"status": {}})
                await kube.patch_status(KEY, {"status": {}})
            (connection,) = _connections_to(port)
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
            if sys.platform == "linux":
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4000
            await kube.close()

    asyncio.run(act())
    assert received == ["PATCH", "PATCH"]


@pytest.mark.filterwarnings("ignore:Sending a large body")
def test_what_is_left_of_a_large_write_is_not_sent_after_its_timeout() -> None:
    """The server reads again after the client has given up."""

    async def act() -> int:
        loop, received = asyncio.get_running_loop(), 0
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listener.setblocking(False)
            kube = kube_at(listener.getsockname()[1])
            with Fence(0, loop.time, 8.0, float("inf")).within(), pytest.raises(ApiUnavailable):
                await kube.create_lease("shop", {"metadata": {"name": "x" * LARGE}}, 0.3)
            await kube.close()
            accepted, _ = await loop.sock_accept(listener)
            with accepted, suppress(ConnectionResetError):
                while chunk := await loop.sock_recv(accepted, 2**20):
                    received += len(chunk)
        return received

    assert asyncio.run(act()) < LARGE // 2


def _connections_to(port: int) -> list[socket.socket]:
    found = (item for item in gc.get_objects() if isinstance(item, socket.socket) and item.fileno() >= 0)
    return [item for item in found if item.type == socket.SOCK_STREAM and _peer(item)[1:] == (port,)]


def _peer(connection: socket.socket) -> Any:
    try:
        return connection.getpeername()
    except OSError:
        return ()
