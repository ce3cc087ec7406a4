"""The asynchronous Kubernetes API client of the operator; objects are plain documents."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from dynconfig.api import names
from dynconfig.kube import json_levels, json_selection
from dynconfig.kube.configuration import TOKEN, configured
from dynconfig.kube.connection import Connection
from dynconfig.kube.fair_semaphore import FairSemaphore
from dynconfig.kube.fenced_request import FencedRequest
from dynconfig.kube.impersonation import impersonation
from dynconfig.kube.parser import Parser
from dynconfig.kube.responses import (
    DEFINITIONS,
    NAMESPACES,
    WATCH_SECONDS,
    ApiConflict,
    ApiRefused,
    ApiUnavailable,
    Document,
    Loads,
    NoCluster,
    WatchExpired,
    config,
    document,
    leases_path,
    object_path,
    objects_path,
    page,
    raise_for_status,
    source,
    sources_path,
    targets_path,
    unavailable,
)
from dynconfig.kube.watch import Event, Source, Watch
from dynconfig.model.fence import current
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.key import Key
from dynconfig.model.uninterrupted import finished

# A page is in memory as a whole, with its parsed objects; pages of large objects have fewer items.
FIRST_PAGE, LARGEST_PAGE = 50, 500
PAGE_BYTES = 4 * 2**20

__all__ = ["ApiConflict", "ApiRefused", "ApiUnavailable", "Document", "Kube", "NoCluster", "WatchExpired"]

# Watches fetch metadata only, so that changed Secrets are not read.
# https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"
REQUEST_SECONDS = 15.0
CONNECTIONS = 64
# Of each response, at most twice as much is in memory unread.
READ_BYTES = 2**16
FORBIDDEN, NOT_FOUND = 403, 404
SOURCES_AT_ONCE = 4
# A Secret or ConfigMap with more than this is read one at a time; with escapes in JSON it may have 9 MB.
SMALL_SOURCE_BYTES = 2**18
MOST_KNOWN_LARGE = 10_000

_whole = partial(json_selection.loads, part=json_selection.OBJECT)
_identity = partial(json_selection.loads, part=json_selection.IDENTITY)


Pages = aclosing[AsyncGenerator[Document, None]]
"""A context manager that yields the pages of a list; the items of each are an asynchronous iterator that parses them lazily."""


class Kube:
    """A client for one event loop. Raises ApiUnavailable, ApiConflict, ApiRefused, and LeaseLost for a write behind a fence."""

    LEASE_LABELS: ClassVar = {"app.kubernetes.io/name": "dynconfig-operator"}
    is_fenced = False
    """Whether each write of an object or Event must be behind a fence."""

    def __init__(self, connection: Connection, watches: int = 0) -> None:
        """Create a client; each of `watches` holds a connection of its own, beside those of requests."""
        self.namespace = connection.namespace
        self._impersonation = impersonation(connection.user)
        self.configuration = Configuration(
            connection_pool_maxsize=CONNECTIONS + watches,
            client_session_kwargs={
                "headers": self._impersonation,
                "read_bufsize": READ_BYTES,
                "request_class": FencedRequest,
            },
        )
        self._renewing = asyncio.Lock()
        with configured(connection, self.configuration, self._renew) as self._token:
            self._api = ApiClient(self.configuration)
        self._sources = FairSemaphore(SOURCES_AT_ONCE)
        self._large_sources = FairSemaphore(1)
        self._known_large: set[int] = set()
        """Digests of the paths of sources that were large when they were last read."""
        self._page = asyncio.Semaphore(1)
        """Held while a page of any list is in memory: the memory for lists does not grow with the number of namespaces."""
        self._parser = Parser()

    @classmethod
    def from_environment(cls, watches: int = 0) -> Self:
        """Connect to the cluster of the service account, KUBECONFIG or ~/.kube/config. Raises NoCluster."""
        return cls(config(), watches)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()
        self._parser.close()

    async def authorization(self) -> str | None:
        """Return the Authorization header: from a token, a token file, or a credential plugin (`aws eks get-token`)."""
        try:
            return await self.configuration.get_api_key_with_prefix(TOKEN)
        except (NoCluster, ApiUnavailable) as error:
            # A failed plugin or a missing file; a retry may succeed.
            raise ApiUnavailable(f"no credentials for the Kubernetes API server: {error}") from None

    async def session(self) -> aiohttp.ClientSession:
        """Return a new session with TLS, proxy, user and current token of this client. Raises ApiUnavailable."""
        server_name, token = self.configuration.tls_server_name, await self.authorization()

        async def set_server_name(
            request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.server_hostname = server_name
            return await send(request)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._api.rest_client.ssl_context),
            proxy=self.configuration.proxy,
            headers=[*self._impersonation, *([("Authorization", token)] if token else [])],
            middlewares=[set_server_name] if server_name else [],
            trust_env=True,
        )

    async def _renew(self, configuration: Configuration) -> None:
        """Read the token file or run the credential plugin in a thread, if the token has expired."""
        async with self._renewing:
            if self._token is not None and not self._token.is_current:
                configuration.api_key[TOKEN] = await asyncio.to_thread(self._token.header)

    async def cluster_id(self) -> str:
        """Return the UID of namespace kube-system, which identifies the cluster."""
        namespace = await self._get("/api/v1/namespaces/kube-system")
        if namespace is None:
            raise ApiRefused(404, "the namespace kube-system does not exist")
        return str(namespace["metadata"]["uid"])

    async def object(self, key: Key) -> Document | None:
        """Return a DynamicConfig, or None if it does not exist."""
        return await self._get(object_path(key))

    def object_pages(self, namespace: str | None) -> Pages:
        """Yield the pages of all DynamicConfigs of a namespace, or of all (None), with the resourceVersion to watch from.

        One page of all lists of this client is in memory at a time: the next list continues when a page was handled.
        """
        return self._pages(objects_path(namespace))

    def watch_objects(self, namespace: str | None, since: str, *, listed_at: float = float("-inf")) -> Watch:
        """Return a watch of the DynamicConfigs of a namespace, or of all (None), since the resourceVersion of a list."""
        path = objects_path(namespace)
        source = Source(
            path,
            partial(self._open_watch, path, None),
            lambda of, name: self._get(object_path(Key(of, name)), turn=path),
            newest=partial(self._newest, path),
        )
        return self._watch(source, since, listed_at=listed_at)

    def target_pages(self) -> Pages:
        """Yield the pages of all AWSTargets, as `object_pages`."""
        return self._pages(targets_path())

    def watch_targets(self, since: str) -> Watch:
        """Return a watch of the AWSTargets since a resourceVersion."""
        # All lines are kept, so that the operator needs no permission to get single ones.
        return self._watch(Source(targets_path(), partial(self._open_watch, targets_path(), None)), since)

    async def patch_target(self, name: str, patch: Mapping[str, Any]) -> Document:
        """Merge-patch the metadata of an AWSTarget; spec belongs to its author."""
        return await self._patch(f"{targets_path()}/{name}", patch)

    async def patch_target_status(self, name: str, patch: Mapping[str, Any]) -> Document:
        """Merge-patch the status of an AWSTarget."""
        return await self._patch(f"{targets_path()}/{name}/status", patch)

    async def source(self, kind: str, namespace: str, name: str, keys: Collection[str]) -> Document | None:
        """Return these keys of a Secret or ConfigMap, or None if it does not exist.

        Concurrency is limited, and namespaces take turns. Large ones do not delay others: they are read one at a time, and
        when one is read for the first time, it is read again in turn.
        """
        path = f"{sources_path(kind, namespace)}/{name}"
        try:
            if fingerprint(path) not in self._known_large:
                with suppress(_TooLarge):
                    async with self._sources.permit(namespace):
                        return await self._source(path, keys, SMALL_SOURCE_BYTES)
            async with self._large_sources.permit(namespace):
                return await self._source(path, keys, None)
        except ApiRefused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def _source(self, path: str, keys: Collection[str], max_bytes: int | None) -> Document:
        status, content = await self._response("GET", path, max_bytes=max_bytes)
        is_large = len(content) > SMALL_SOURCE_BYTES
        (self._known_large.add if is_large else self._known_large.discard)(fingerprint(path))
        if len(self._known_large) > MOST_KNOWN_LARGE:
            # Many were deleted, perhaps; if this one is read again, it first counts as small.
            self._known_large.pop()
        return await self._parser.parsed(path, partial(source, status, content, keys), len(content))

    async def is_deleted_with_definition(self, document: Mapping[str, Any]) -> bool:
        """Return whether an object is deleted because its CustomResourceDefinition was deleted, not by a user.

        True if the CRD is being deleted, or was created after the deletion of the object; False if it cannot be read.
        Uses a list request, since earlier versions of the operator's role allow only that.
        """
        params = {"fieldSelector": f"metadata.name={names.PLURAL}.{names.GROUP}"}
        headers = {"Accept": _METADATA.format("PartialObjectMetadataList")}
        try:
            found = await self._send("GET", DEFINITIONS, params=params, headers=headers)
        except ApiRefused as error:
            if error.status in (403, 404):
                return False
            raise
        deleted = document["metadata"]["deletionTimestamp"]
        definitions = [item["metadata"] for item in found["items"] or ()]
        # Timestamps in UTC with whole seconds compare as text: https://www.rfc-editor.org/rfc/rfc3339
        return any("deletionTimestamp" in item or item.get("creationTimestamp", "") >= deleted for item in definitions)

    async def patch(self, key: Key, patch: Mapping[str, Any]) -> Document:
        """Merge-patch the metadata of a DynamicConfig; spec belongs to the user."""
        return await self._patch(object_path(key), patch)

    async def patch_status(self, key: Key, patch: Mapping[str, Any]) -> Document:
        """Merge-patch the status of a DynamicConfig."""
        return await self._patch(f"{object_path(key)}/status", patch)

    async def post_event(self, namespace: str, event: Mapping[str, Any]) -> Document:
        """Create an Event."""
        path = f"/api/v1/namespaces/{namespace}/events"
        return await self._write("POST", path, event)

    async def patch_event(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Document:
        """Merge-patch an Event."""
        return await self._patch(f"/api/v1/namespaces/{namespace}/events/{name}", patch)

    async def leases(self, namespace: str, timeout: float) -> list[Document]:
        """Return all leases of a namespace, also those whose labels were removed; `timeout` in seconds."""
        found = await self._send("GET", leases_path(namespace), timeout=timeout)
        return list(found["items"] or ())

    def watch_leases(self, namespace: str) -> AsyncGenerator[Event]:
        """Yield type and lease of each lease of a namespace and of each change, until the server closes the watch."""
        path = leases_path(namespace)
        return self._watch(Source(path, partial(self._open_watch, path, None)), "").changes()

    async def create_lease(self, namespace: str, lease: Document, timeout: float) -> Document:
        """Create a lease; `timeout` in seconds. Raises ApiConflict if it exists."""
        return await self._send("POST", leases_path(namespace), body=lease, timeout=timeout)

    async def replace_lease(self, namespace: str, lease: Document, timeout: float) -> Document:
        """Replace a lease; `timeout` in seconds. Raises ApiConflict if it was changed since it was read."""
        path = f"{leases_path(namespace)}/{lease['metadata']['name']}"
        return await self._send("PUT", path, body=lease, timeout=timeout)

    async def delete_lease(self, namespace: str, name: str, timeout: float) -> None:
        """Delete a lease; `timeout` in seconds."""
        await self._send("DELETE", f"{leases_path(namespace)}/{name}", timeout=timeout)

    async def namespace_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of all namespaces, by name."""
        found: dict[str, dict[str, str]] = {}
        headers = {"Accept": _METADATA.format("PartialObjectMetadataList")}
        async with self._pages(NAMESPACES, headers, json_levels.loads) as pages:
            async for listed in pages:
                async for item in listed["items"]:
                    metadata = item["metadata"]
                    found[metadata["name"]] = metadata.get("labels") or {}
        return found

    def metadata_pages(self, kind: str, namespace: str | None) -> Pages:
        """Yield pages of the metadata of all Secrets or ConfigMaps, as `object_pages`."""
        headers = {"Accept": _METADATA.format("PartialObjectMetadataList")}
        return self._pages(sources_path(kind, namespace), headers, _identity)

    def watch_metadata(self, kind: str, namespace: str | None, since: str) -> Watch:
        """Return a watch of Secrets or ConfigMaps since a resourceVersion; it yields their names and versions only."""
        headers = {"Accept": _METADATA.format("PartialObjectMetadata")}
        path = sources_path(kind, namespace)
        return self._watch(Source(path, partial(self._open_watch, path, headers), is_identity_only=True), since)

    def _pages(self, path: str, headers: Mapping[str, str] | None = None, loads: Loads = _whole) -> Pages:
        # Closed by its user, also after an error: the page is released then, and not when it is garbage-collected.
        return aclosing(self._each_page(path, headers, loads))

    async def _each_page(
        self, path: str, headers: Mapping[str, str] | None, loads: Loads
    ) -> AsyncGenerator[Document, None]:
        """Yield the pages of a list; items are parsed lazily.

        A page larger than PAGE_BYTES is requested again with a lower limit.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
        """
        limit, max_limit, more = FIRST_PAGE, LARGEST_PAGE, ""
        while True:
            params = {"limit": str(limit), **({"continue": more} if more else {})}
            async with self._page:
                try:
                    max_bytes = PAGE_BYTES if limit > 1 else None
                    response = await self._response("GET", path, params=params, headers=headers, max_bytes=max_bytes)
                except _TooLarge:
                    # The next objects are probably as large, so this limit is tried again only after small pages.
                    max_limit = max(1, limit // 2)
                    limit = max(1, limit // 5)
                    continue
                size = len(response[1])
                found = await self._parser.parsed(path, partial(page, *response, loads), size)
                del response
                if size < PAGE_BYTES // 4:
                    max_limit = min(2 * max_limit, LARGEST_PAGE)
                more = found["metadata"].get("continue", "")
                found["items"] = self._parsed_items(path, found["items"], size)
                yield found
                del found
            if not more:
                return
            limit = min(2 * limit, max_limit)

    async def _parsed_items(self, path: str, items: Iterator[Document], size: int) -> AsyncIterator[Document]:
        while (item := await self._parser.parsed(path, partial(next, items, None), size)) is not None:
            yield item

    def _watch(self, source: Source, since: str, *, listed_at: float = float("-inf")) -> Watch:
        return Watch(source, since, self._parser, _whole, listed_at=listed_at)

    async def _newest(self, path: str) -> str:
        """Return the resourceVersion of a list as it is now; empty if it has none."""
        headers = {"Accept": _METADATA.format("PartialObjectMetadataList")}
        found = await self._send("GET", path, params={"limit": "1"}, headers=headers)
        return str(found["metadata"].get("resourceVersion", ""))

    @asynccontextmanager
    async def _open_watch(
        self, path: str, headers: Mapping[str, str] | None, since: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=15.0, sock_read=WATCH_SECONDS + 15.0)
        async with await self._request("GET", path, params=params, headers=headers, timeout=timeout) as response:
            if response.status >= 400:
                raise_for_status(response.status, await response.read())
            yield response

    async def _get(self, path: str, *, turn: str | None = None) -> Document | None:
        """Return an object, or None if it does not exist. What is large is parsed in the turn of this path, or of another one."""
        try:
            return await self._send("GET", path, turn=turn)
        except ApiRefused as error:
            if error.status == 404:
                return None
            raise

    async def _patch(self, path: str, patch: Mapping[str, Any]) -> Document:
        return await self._write("PATCH", path, patch, {"Content-Type": "application/merge-patch+json"})

    async def _write(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Document:
        """Send a write while the lease lasts. Raises LeaseLost."""
        fence = current()
        if fence is None:
            if self.is_fenced:
                raise AssertionError(f"{method} {path} without a lease")
            return await self._send(method, path, body=body, headers=headers)
        timeout = min(REQUEST_SECONDS, fence.call_seconds)
        # If its task is cancelled because the shard is given away, the lease is released after the response.
        return await finished(self._send(method, path, body=body, headers=headers, timeout=timeout))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = REQUEST_SECONDS,
        turn: str | None = None,
    ) -> Document:
        status, content = await self._response(method, path, body=body, params=params, headers=headers, timeout=timeout)
        return await self._parser.parsed(turn or path, partial(document, status, content, _whole), len(content))

    async def _response(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        timeout: float = REQUEST_SECONDS,
    ) -> tuple[int, bytes]:
        """Return status and content of the response. Raises _TooLarge if it has more than `max_bytes`."""
        seconds = aiohttp.ClientTimeout(total=timeout)
        try:
            async with await self._request(
                method, path, body=body, params=params, headers=headers, timeout=seconds
            ) as response:
                content = await _content(response, max_bytes)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unavailable(error) from None
        return response.status, content

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send a request with credentials; renew rejected credentials once. The content is not read."""
        url = self.configuration.host + path + (f"?{urlencode(params)}" if params else "")
        for is_last in (False, True):
            authorization = await self.authorization()
            every = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
            if method != "GET" and (fence := current()) is not None:
                fence.check(writes=True)
            sent = await self._api.call_api(method, url, every, body, _request_timeout=timeout)
            response: aiohttp.ClientResponse = sent.response
            if response.status != 401 or is_last or self._token is None:
                return response
            response.release()
            self._token.reject(authorization)
        raise AssertionError("unreachable")


class _TooLarge(Exception):
    """A response exceeds the requested size."""


async def _content(response: aiohttp.ClientResponse, max_bytes: int | None) -> bytes:
    """Return the body of a response. Raises _TooLarge as soon as it exceeds `max_bytes`."""
    if max_bytes is None:
        return await response.read()
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > max_bytes:
            response.close()
            raise _TooLarge
    return bytes(content)
