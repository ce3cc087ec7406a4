"""Requests to the API server that check the lease of a shard again, directly before the bytes of a write."""

import asyncio
from functools import partial

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection

from dynconfig.model.fence import LeaseLost, current


class FencedRequest(aiohttp.ClientRequest):
    """Sends no write after the lease has ended; what it has sent is delivered in time or never.

    aiohttp emits nothing between the connection and the bytes, and its event loop may have been busy meanwhile.
    """

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Write the body, with the headers before it; all writes behind a fence have one."""
        fence, protocol, transport = current(), conn.protocol, conn.transport
        if fence is not None and protocol is not None and transport is not None and self.method != "GET":
            try:
                fence.admit(transport.get_extra_info("socket"), writes=True)
            except LeaseLost as lost:
                protocol.set_exception(lost)
                return
            conn.add_callback(partial(_discard, transport))
        await super().write_bytes(writer, conn, content_length)


def _discard(transport: asyncio.Transport) -> None:
    """Discard what is still in the buffer of this process, if the connection is closed next, and not kept for a request."""

    def discard() -> None:
        if transport.is_closing():
            transport.abort()

    asyncio.get_running_loop().call_soon(discard)
