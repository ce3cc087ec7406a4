"""Watching DynamicConfigs: every change reaches the controller, and an unreadable one affects no other object."""

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import serving, status, streamed
from tests.security.attacks import deep

from dynconfig.api.parameter import MAX_JSON_LEVELS
from dynconfig.kube import client, json_levels, watch
from dynconfig.kube.object_watch import FIRST_RENEWAL_SECONDS, ObjectWatch, Renewals
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.key import Key
from dynconfig.validation.declare import parse_spec

LEVELS = MAX_JSON_LEVELS


class Enough(Exception):
    """Ends the watch loop of a test."""


class Received:
    """A receiver that records objects."""

    def __init__(self) -> None:
        self.received: list[tuple[str | None, str]] = []
        self.requeued: list[Key] = []
        self.unreadable: list[str] = []
        self.documents: dict[str, Mapping[str, Any]] = {}

    def object_changed(self, document: Mapping[str, Any], event: str | None) -> None:
        """Record it."""
        self.received.append((event, document["metadata"]["name"]))
        self.documents[document["metadata"]["name"]] = document

    def missing(self, key: Key) -> None:
        """Record it."""
        self.requeued.append(key)


def text(name: str, schema: str = "true", version: str = "2") -> str:
    parameter = f'{{"name":"a","value":"1","schema":{{"type":"json","jsonSchema":{schema}}}}}'
    about = f'{{"namespace":"shop","name":"{name}","resourceVersion":"{version}"}}'
    return f'{{"metadata":{about},"spec":{{"path":"/app","parameters":[{parameter}]}}}}'


def line(name: str, schema: str = "true") -> bytes:
    return f'{{"type":"ADDED","object":{text(name, schema)}}}'.encode()


def listed(*items: str, more: str = "") -> web.Response:
    about = {"resourceVersion": "1", **({"continue": more} if more else {})}
    body = f'{{"metadata":{json.dumps(about)},"items":[{",".join(items)}]}}'
    return web.Response(text=body, content_type="application/json")


def watched(lists: list[web.Response], *lines: bytes) -> Received:
    """Run a watch on these lists, each followed by a watch with these lines; return what was received."""
    received, pauses = Received(), len(lists)

    async def serve(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await streamed(request, *lines)
        return lists.pop(0)

    async def sleep(_seconds: float) -> None:
        nonlocal pauses
        pauses -= 1
        if not pauses:
            raise Enough

    async def act() -> None:
        async with serving(serve) as kube:
            await ObjectWatch(kube, received, received.unreadable.append, None, sleep).run()

    with pytest.raises(Enough):
        asyncio.run(act())
    return received


def test_too_deep_object_is_rejected_and_others_are_received() -> None:
    received = watched([listed(text("first", deep(2000)), text("second"))], line("third", deep(9000)), line("fourth"))
    assert [name for _, name in received.received] == ["first", "second", "third", "fourth"]
    for name in ("first", "third"):
        with pytest.raises(InvalidSpec, match=f"jsonSchema: must not be nested deeper than {LEVELS} levels"):
            parse_spec(received.documents[name])


def test_valid_schema_is_not_cut() -> None:
    schema = deep(LEVELS)
    received = watched([listed(text("first", schema))])
    (parameter,) = received.documents["first"]["spec"]["parameters"]
    assert parameter["schema"]["jsonSchema"] == json.loads(schema)


@pytest.mark.parametrize(
    "bad", [b"not JSON", b"[]", b'{"type":"ADDED"}', b'{"type":"ADDED","object":{"metadata":null}}', b'{"type":1}']
)
def test_unreadable_line_is_skipped_and_counted(bad: bytes) -> None:
    received = watched([listed()], line("first"), bad, line("second"))
    assert received.received == [("ADDED", "first"), ("ADDED", "second")]
    assert received.unreadable == ["DynamicConfigs"]


def test_line_longer_than_any_object_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LINE_BYTES", 100_000)
    received = watched([listed()], line("first"), b'{"type":"ADDED","object":"' + b"x" * 3_000_000, line("second"))
    assert received.received == [("ADDED", "first"), ("ADDED", "second")]
    assert received.unreadable == ["DynamicConfigs"]


def test_object_deleted_during_an_interruption_is_requeued() -> None:
    expired_version = json.dumps({"type": "ERROR", "object": {"code": 410, "message": "too old"}}).encode()
    received = watched([listed(text("first"), text("second")), listed(text("second"))], expired_version)
    assert received.requeued == [Key("shop", "first")]


def begun(lists: list[web.Response], namespace: str | None = None) -> tuple[Received, list[str]]:
    """Start a watch; return what was received, and the requests including the following watch."""
    received, requests = Received(), list[str]()

    async def serve(request: web.Request) -> web.StreamResponse:
        requests.append("watch" if "watch" in request.query else "list")
        return await streamed(request, line("third")) if "watch" in request.query else lists.pop(0)

    async def sleep(_seconds: float) -> None:
        if "watch" in requests:
            raise Enough

    async def act() -> None:
        async with serving(serve) as kube:
            watch = ObjectWatch(kube, received, received.unreadable.append, namespace, sleep)
            await watch.list_all()
            requests.append("all are known" if watch.is_listed else "some are unknown")
            await watch.run()

    with pytest.raises(Enough):
        asyncio.run(act())
    return received, requests


def test_start_lists_all_objects_once_and_watches_from_there() -> None:
    received, requests = begun([listed(text("first"), more="next"), listed(text("second"))])
    assert received.received == [(None, "first"), (None, "second"), ("ADDED", "third")]
    assert requests == ["list", "list", "all are known", "watch"]


def test_start_waits_for_the_api_server_and_requeues_deleted_objects() -> None:
    interrupted = [listed(text("expired_version"), more="next"), status(503, "not yet"), listed(text("first"))]
    received, requests = begun(interrupted)
    assert received.received == [(None, "expired_version"), (None, "first"), ("ADDED", "third")]
    assert received.requeued == [Key("shop", "expired_version")]
    assert requests == ["list", "list", "list", "all are known", "watch"]


def test_start_continues_without_a_forbidden_namespace_and_without_the_crd() -> None:
    forbidden, missing = (status(code, "no") for code in (403, 404))
    assert begun([forbidden, listed(text("first"))], "shop")[1] == ["list", "some are unknown", "list", "watch"]
    assert begun([missing, listed(text("first"))])[1] == ["list", "all are known", "list", "watch"]


@pytest.mark.parametrize("code", [401, 403])
def test_start_waits_for_permission_to_list_all_namespaces(code: int) -> None:
    requests = begun([status(code, "no"), status(code, "no"), listed(text("first"))])[1]
    assert requests == ["list", "list", "list", "all are known", "watch"]


def test_crd_may_be_installed_later() -> None:
    received = watched([status(404, "not found"), listed(text("first"))])
    assert received.received == [(None, "first")]


def test_too_large_page_is_requested_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE_BYTES", 10_000)
    items = [text(f"large-{number}", json.dumps({"const": "x" * 4000})) for number in range(20)]
    largest = 0

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal largest
        begin, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        found = items[begin : begin + limit]
        if len(found) > 2:
            return listed(*found)
        largest = max(largest, len(found))
        return listed(*found, more=str(begin + limit) if begin + limit < len(items) else "")

    async def act() -> list[str]:
        async with serving(serve) as kube, kube.object_pages(None) as pages:
            return [item["metadata"]["name"] async for page in pages async for item in page["items"]]

    assert asyncio.run(act()) == [f"large-{number}" for number in range(20)]
    assert largest <= 2


@pytest.mark.parametrize("levels", [1, 50, json_levels.MAX_LEVELS, 200, 100_000])
def test_brackets_in_strings_are_no_levels(levels: int) -> None:
    found = json_levels.loads(f'{{"jsonSchema": {deep(levels)}, "text": "{{[\\"{{", "after": [1, {{"b": "}}"}}]}}')
    assert (found["text"], found["after"]) == ('{["{', [1, {"b": "}"}])


def test_watch_is_not_current_while_objects_are_listed_again() -> None:
    current: list[tuple[str, bool]] = []
    made: list[ObjectWatch] = []
    lists = [listed(text("first")), listed(text("first"), more="next"), listed(text("second"))]
    watches = 0

    class Watching(Received):
        def object_changed(self, document: Mapping[str, Any], event: str | None) -> None:
            super().object_changed(document, event)
            current.append((document["metadata"]["name"], made[0].is_current))

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" not in request.query:
            return lists.pop(0)
        watches += 1
        return status(410, "too old") if watches == 1 else await streamed(request, line("third"))

    async def sleep(_seconds: float) -> None:
        if watches == 2:
            raise Enough

    async def act() -> None:
        async with serving(serve) as kube:
            made.append(watch := ObjectWatch(kube, received, received.unreadable.append, None, sleep))
            await watch.list_all()
            assert watch.is_current
            await watch.run()

    received = Watching()
    with pytest.raises(Enough):
        asyncio.run(act())
    assert current == [("first", False), ("first", False), ("second", False), ("third", True)]


def test_silent_watch_is_opened_again_before_it_counts_as_current() -> None:
    """The first connection is half open: the API server has sent what this end never receives."""
    opened, closing = 0, asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal opened
        if "watch" not in request.query:
            return listed(text("first"))
        opened += 1
        response = await streamed(request, *([line("missed")] if opened > 1 else []))
        await closing.wait()
        return response

    async def act() -> None:
        async with serving(serve) as kube, asyncio.timeout(20):
            watch = ObjectWatch(kube, received, received.unreadable.append, "shop")
            await watch.list_all()
            task = asyncio.create_task(watch.run())
            # The list has shown the first version; the last one is that of an edit in another namespace.
            while not opened:
                await asyncio.sleep(0.01)
            for version, connections in (("1", 1), ("5", 2)):
                while watch.known_until(version) is None:
                    await asyncio.sleep(0.01)
                assert opened == connections
            assert "missed" in received.documents
            # What was known before needs no other connection.
            assert watch.known_until("4") is not None
            assert opened == 2
            task.cancel()
            closing.set()
            await asyncio.gather(task, return_exceptions=True)

    received = Received()
    asyncio.run(act())


def test_delivered_change_shows_that_a_watch_is_current() -> None:
    opened, wanted, closing = 0, asyncio.Event(), asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal opened
        if "watch" not in request.query:
            return listed()
        opened += 1
        response = await streamed(request)
        await wanted.wait()
        await response.write(line("second") + b"\n")
        await closing.wait()
        return response

    async def act() -> None:
        async with serving(serve) as kube, asyncio.timeout(20):
            watch = ObjectWatch(kube, received, received.unreadable.append, None)
            await watch.list_all()
            task = asyncio.create_task(watch.run())
            while not opened:
                await asyncio.sleep(0.01)
            assert watch.known_until("2") is None
            wanted.set()
            while "second" not in received.documents:
                await asyncio.sleep(0.01)
            assert watch.known_until("2") is not None
            assert opened == 1
            task.cancel()
            closing.set()
            await asyncio.gather(task, return_exceptions=True)

    received = Received()
    asyncio.run(act())


def test_silent_watch_lives_longer_than_a_bookmark_takes_although_someone_asks_all_the_time() -> None:
    renewals, opened_at, bookmarks = Renewals(), list[int](), list[int]()
    for now in range(1200):
        if opened_at and now == opened_at[-1] + 61:
            # The API server sends one to a watch that is a minute old.
            bookmarks.append(now)
        if renewals.may_begin(str(len(bookmarks)), float(now)):
            opened_at.append(now)
    pauses = [later - earlier for earlier, later in pairwise(opened_at)]
    assert pauses[0] == FIRST_RENEWAL_SECONDS
    assert all(later - earlier < 180 for earlier, later in pairwise([0, *bookmarks]))
    # After a bookmark, a watch that falls silent is opened again soon.
    assert sum(pause == FIRST_RENEWAL_SECONDS for pause in pauses) == len(bookmarks) + 1


REFUSED: dict[str, Callable[[web.Request], bool]] = {
    "list": lambda request: "limit" in request.query,
    "watch": lambda request: "watch" in request.query,
    "get": lambda request: request.path.endswith("/second"),
}


def keep_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("KEPT_BYTES", "KEPT_SMALL_BYTES"):
        monkeypatch.setattr(watch, limit, 0)


@pytest.mark.parametrize("namespace", ["shop", None])
@pytest.mark.parametrize("refused", REFUSED)
def test_objects_are_unknown_while_they_are_listed_after_a_refusal(
    refused: str, namespace: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_no_lines(monkeypatch)
    known: dict[str, list[bool]] = {"during lists": [], "between": []}
    refusals, made = [status(403, "no")], list[ObjectWatch]()

    async def serve(request: web.Request) -> web.StreamResponse:
        is_list = "limit" in request.query
        known["during lists"] += [made[0].known_until("") is not None] * is_list
        if refusals and REFUSED[refused](request):
            return refusals.pop()
        if is_list:
            return listed(more="" if "continue" in request.query else "next")
        if "watch" not in request.query:
            return web.Response(text=text("second"))
        return await streamed(request, line("first"), line("second"))

    async def sleep(_seconds: float) -> None:
        known["between"].append(made[0].known_until("") is not None)
        if len(known["between"]) == 2:
            raise Enough

    async def act() -> None:
        async with serving(serve) as kube:
            made.append(ObjectWatch(kube, Received(), print, namespace, sleep))
            await made[0].run()

    with pytest.raises(Enough):
        asyncio.run(act())
    assert len(known["during lists"]) > 2
    assert not any(known["during lists"])
    # Others do not wait for a namespace that the operator may not list.
    assert known["between"][0] is (refused == "list" and namespace is not None)


@pytest.mark.parametrize(("failures", "watches"), [(2, ["1"]), (5, ["1", "2"])])
def test_object_that_cannot_be_read_for_a_while_causes_no_list(
    failures: int, watches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_no_lines(monkeypatch)
    monkeypatch.setattr(watch, "READ_AGAIN_SECONDS", (0.0, 0.0, 0.0, 0.0))
    received, requests, reads, watched_from = Received(), list[str](), list[int](), list[str]()
    second = b'{"type":"MODIFIED","object":' + text("second", version="3").encode() + b"}"

    async def serve(request: web.Request) -> web.StreamResponse:
        if "limit" in request.query:
            requests.append("list")
            return listed()
        if "watch" not in request.query:
            reads.append(1)
            is_failed = len(reads) <= failures
            return (
                status((429, 503)[len(reads) % 2], "no")
                if is_failed
                else web.Response(text=text("second", version="3"))
            )
        watched_from.append(request.query["resourceVersion"])
        return await streamed(request, *([line("first")] if len(watched_from) == 1 else []), second)

    async def sleep(_seconds: float) -> None:
        if "second" in received.documents:
            raise Enough

    async def act() -> None:
        async with serving(serve) as kube:
            await ObjectWatch(kube, received, received.unreadable.append, None, sleep).run()

    with pytest.raises(Enough):
        asyncio.run(act())
    assert requests == ["list"]
    assert watched_from == watches
    assert [name for _, name in received.received] == ["first", "second"]
