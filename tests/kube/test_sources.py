"""Watching Secrets and ConfigMaps: every failure is retried with backoff."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientConnectionResetError, web
from tests.kube.apiserver import serving, status, streamed
from tests.kube.controller_harness import KEY

from dynconfig.kube import sources
from dynconfig.kube.client import SMALL_SOURCE_BYTES, SOURCES_AT_ONCE
from dynconfig.kube.references import References
from dynconfig.kube.responses import source_text
from dynconfig.model.declaration import Source
from dynconfig.model.errors import InvalidSpec, NoSource
from dynconfig.model.key import Key


class Enough(Exception):
    """Ends the watch loop of a test."""


@dataclass
class RecordedSleep:
    """Replaces sleep, records the delays, and ends the watch after `until` of them."""

    until: int
    taken: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        """Record the delay."""
        self.taken.append(seconds)
        if len(self.taken) == self.until:
            raise Enough


def error(code: int) -> bytes:
    """How a watch ends."""
    message = {"kind": "Status", "code": code, "message": "etcdserver: no leader"}
    return json.dumps({"type": "ERROR", "object": message}).encode()


def followed(
    answer: Callable[[web.Request], web.StreamResponse | bytes | None], pauses: int
) -> tuple[list[str], list[float]]:
    """Run a watch for `pauses` delays; return the requests and the delays."""
    requests: list[str] = []
    taken = RecordedSleep(pauses)

    async def serve(request: web.Request) -> web.StreamResponse:
        requests.append("watch" if "watch" in request.query else "list")
        if requests[-1] == "list":
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        found = answer(request)
        return found if isinstance(found, web.StreamResponse) else await streamed(request, *([found] if found else []))

    async def act() -> None:
        async with serving(serve) as kube:
            await sources.watch(kube, References(lambda _key: None), "Secret", None, taken)

    with pytest.raises(Enough):
        asyncio.run(act())
    return requests, taken.taken


def test_watch_that_ends_at_once_is_retried_with_backoff() -> None:
    requests, pauses = followed(lambda _request: None, 12)
    assert requests == ["list", *["watch"] * 12]
    assert 1 <= pauses[0] <= 2
    assert max(pauses) <= 60
    assert pauses[-1] >= 30


@pytest.mark.parametrize("answer", [error(500), status(500, "etcdserver: no leader")], ids=["event", "answer"])
def test_failing_server_is_listed_with_backoff(answer: web.Response | bytes) -> None:
    requests, pauses = followed(lambda _request: answer, 1)
    assert requests == ["list", "watch"]
    assert pauses[0] >= 1


def test_only_an_expired_version_leads_to_a_new_list() -> None:
    requests, _pauses = followed(lambda _request: error(410), 3)
    assert requests == ["list", "watch"] * 3


def test_denied_watch_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    denied = iter([True, True, True])
    requests, pauses = followed(lambda _request: status(403, "forbidden") if next(denied, False) else None, 6)
    assert requests == ["list", "watch"] * 4 + ["watch"] * 2
    assert pauses[2] > 3
    assert caplog.text.count("Cannot watch Secrets; changes are detected at the resync only") == 1


def test_denied_list_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    requests: list[str] = []

    async def deny(request: web.Request) -> web.StreamResponse:
        requests.append(request.path)
        return status(403, "forbidden") if len(requests) < 3 else await streamed(request)

    async def act() -> None:
        async with serving(deny) as kube:
            await sources.watch(kube, References(lambda _key: None), "ConfigMap", None, RecordedSleep(2))

    with pytest.raises(Enough):
        asyncio.run(act())
    assert requests == ["/api/v1/configmaps"] * 2
    assert caplog.text.count("Cannot watch ConfigMaps") == 1


def test_successful_watch_is_reopened_without_delay() -> None:
    backoff = sources.WatchBackoff()
    first = [backoff.delay(0.1, is_failed=False) for _ in range(5)]
    assert first[-1] > first[0]
    assert backoff.delay(240.0, is_failed=False) == 0
    assert 1 <= backoff.delay(240.0, is_failed=True) <= 2


def test_change_requeues_the_referring_objects() -> None:
    requeued: list[object] = []
    references = References(requeued.append)
    references.set_sources(KEY, [Source("Secret", "db", "password")])
    changed = {"metadata": {"name": "db", "namespace": "shop", "resourceVersion": "2"}}

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await streamed(request, json.dumps({"type": "MODIFIED", "object": changed}).encode())
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})

    async def act() -> None:
        async with serving(answer) as kube:
            await sources.watch(kube, references, "Secret", None, RecordedSleep(1))

    with pytest.raises(Enough):
        asyncio.run(act())
    assert requeued == [KEY]


@pytest.mark.parametrize(
    ("source", "document", "message"),
    [
        (Source("Secret", "bin", "ks.p12"), {"data": {"ks.p12": "AAEC/w=="}}, "store it base64-encoded"),
        (Source("ConfigMap", "bin", "k"), {"binaryData": {"k": "AAEC/w=="}}, "is in binaryData"),
    ],
)
def test_binary_data_is_reported_with_a_remedy(source: Source, document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        source_text(source, document)


def test_missing_object_and_missing_key_are_distinguished() -> None:
    source = Source("Secret", "db", "password")
    assert source_text(source, {"data": {"user": "YQ=="}}) is None
    with pytest.raises(NoSource, match=r"^Secret db does not exist$"):
        source_text(source, None)


def test_unchanged_version_requeues_nothing() -> None:
    requeued: list[object] = []
    references, place = References(requeued.append), ("Secret", KEY.namespace, "db")
    for _reconcile in range(2):
        references.set_sources(KEY, [Source("Secret", "db", "password")])
        references.changed(place, "1")
    assert requeued == [KEY]
    references.set_sources(KEY, [])
    assert not references.is_referenced(place)


def test_deleted_object_keeps_references_of_others() -> None:
    requeued: list[object] = []
    references, other = References(requeued.append), Key(KEY.namespace, "other")
    for key in (KEY, other):
        references.set_sources(key, [Source("Secret", "db", "password")])
    references.forget(KEY)
    references.changed(("Secret", KEY.namespace, "db"), "1")
    references.remove_missing("Secret", None, set())
    assert requeued == [other, other]


def test_large_sources_of_a_namespace_do_not_delay_a_small_one_of_another() -> None:
    """Metadata is part of a ConfigMap, too: it may have 9 MB, which take the API server and the operator a while."""
    reads = Counter[str]()

    async def act() -> None:
        end = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            name = request.path.rpartition("/")[2]
            reads[name] += 1
            document = {"metadata": {"resourceVersion": "1"}, "data": {"k": "text"}}
            if request.path.split("/")[4] == "shop":
                return web.json_response(document)
            response = web.StreamResponse()
            await response.prepare(request)
            with suppress(ClientConnectionResetError):
                await response.write(b" " * 2 * SMALL_SOURCE_BYTES)
                await end.wait()
                await response.write(json.dumps(document, separators=(",", ":")).encode())
            return response

        async with serving(answer) as kube:
            references = [Source("ConfigMap", f"large-{number}", "k") for number in range(3 * SOURCES_AT_ONCE)]
            evil = [asyncio.create_task(sources.read(kube, "evil", [reference])) for reference in references]
            small = await asyncio.wait_for(sources.read(kube, "shop", [Source("ConfigMap", "small", "k")]), 20)
            assert small(Source("ConfigMap", "small", "k")) == "text"
            assert not any(task.done() for task in evil)
            end.set()
            texts = [task(reference) for task, reference in zip(await asyncio.gather(*evil), references, strict=True)]
            assert set(texts) == {"text"}
            assert reads == {"small": 1, **{f"large-{number}": 2 for number in range(3 * SOURCES_AT_ONCE)}}
            # Its size is known now.
            reads.clear()
            await sources.read(kube, "evil", references)
            assert reads == {f"large-{number}": 1 for number in range(3 * SOURCES_AT_ONCE)}

    asyncio.run(act())


def test_source_that_is_no_longer_large_is_read_beside_others_again() -> None:
    sizes, at_once = [2 * SMALL_SOURCE_BYTES, 2 * SMALL_SOURCE_BYTES, 10, 10, 10], Counter[str]()

    async def act() -> None:
        async def answer(_request: web.Request) -> web.StreamResponse:
            at_once["reads"] += 1
            about = {"resourceVersion": "1", "annotations": {"a": "x" * sizes.pop(0)}}
            return web.json_response({"metadata": about, "data": {"k": "text"}})

        async with serving(answer) as kube:
            source = Source("ConfigMap", "flags", "k")
            for reads in (2, 3, 4):
                await sources.read(kube, "shop", [source])
                assert at_once["reads"] == reads
            async with kube._large_sources.permit("other"):
                await asyncio.wait_for(sources.read(kube, "shop", [source]), 20)

    asyncio.run(act())


def test_namespace_with_many_reads_delays_a_read_of_another_by_few() -> None:
    """A tenant may have dozens of objects with dozens of references each."""
    requested: list[str] = []

    async def act() -> None:
        held = asyncio.Queue[asyncio.Event]()

        async def answer(request: web.Request) -> web.Response:
            requested.append(request.path.split("/")[4])
            end = asyncio.Event()
            held.put_nowait(end)
            await end.wait()
            return web.json_response({"metadata": {"resourceVersion": "1"}, "data": {"k": "text"}})

        async with serving(answer) as kube:
            references = [Source("ConfigMap", f"flags-{number}", "k") for number in range(20)]
            evil = [asyncio.create_task(sources.read(kube, "evil", references)) for _ in range(5)]
            in_progress = [await held.get() for _ in range(SOURCES_AT_ONCE)]
            victim = asyncio.create_task(sources.read(kube, "shop", [Source("ConfigMap", "flags", "k")]))
            # It asks for its read in its first step.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for end in in_progress:
                end.set()
            while not victim.done():
                following = asyncio.create_task(held.get())
                await asyncio.wait([following, victim], return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result().set()
                following.cancel()
            for task in evil:
                task.cancel()
            await asyncio.gather(*evil, return_exceptions=True)
            assert victim.result()(Source("ConfigMap", "flags", "k")) == "text"

    asyncio.run(act())
    # Requests that start at the same time arrive in any order.
    assert requested.index("shop") < 2 * SOURCES_AT_ONCE
