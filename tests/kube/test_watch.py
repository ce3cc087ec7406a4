"""A watch reads on while it parses: of each object the newest change is passed on, and namespaces take turns."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import serving, status, streamed
from tests.security.attacks import dense

from dynconfig.kube.client import ApiUnavailable, Kube, _whole
from dynconfig.kube.json_selection import Identity, identity
from dynconfig.kube.parser import PARSED_AT_ONCE
from dynconfig.kube.watch import DELIVERY_SECONDS, KEPT_BYTES, KEPT_SMALL_BYTES, Backlog, Watch, is_at_least

LARGE = {"parameters": dense(20, 600)}
PATIENCE = 60.0


def line(event: str, namespace: str, name: str, version: int, **more: Any) -> bytes:
    about = {"name": name, "namespace": namespace, "resourceVersion": str(version), "uid": f"uid of {name}"}
    return json.dumps({"type": event, "object": {"apiVersion": "v1", "metadata": about, **more}}).encode()


def bookmark(version: int) -> bytes:
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}).encode()


def added(backlog: Backlog, *lines: bytes) -> Backlog:
    for number, each in enumerate(lines):
        backlog.add(identity(each), each, float(number))
    return backlog


def passed_on(backlog: Backlog) -> tuple[str, float | None]:
    """Up to which version all was passed on, and since when a change waits."""
    return backlog.version, backlog.oldest.received_at if backlog.oldest else None


def taken(backlog: Backlog) -> list[tuple[str, str, str, str]]:
    """Take all; return event, name, version, and up to which version all was passed on while it was the current one."""
    found = list[tuple[str, str, str, str]]()
    while change := backlog.take():
        assert change.identity
        found.append((change.identity.event, change.identity.name, change.identity.version, backlog.version))
    return found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line("ADDED", "shop", "a", 2), line("MODIFIED", "shop", "a", 3)], [("MODIFIED", "a", "3", "1")]),
        ([line("MODIFIED", "shop", "a", 2), line("DELETED", "shop", "a", 3)], [("DELETED", "a", "3", "1")]),
        ([line("DELETED", "shop", "a", 2), line("ADDED", "shop", "a", 3)], [("ADDED", "a", "3", "1")]),
        (
            [line("ADDED", "shop", "a", 2), line("ADDED", "shop", "b", 3), line("MODIFIED", "shop", "a", 4)],
            [("MODIFIED", "a", "4", "1"), ("ADDED", "b", "3", "2")],
        ),
        (
            [*(line("ADDED", "evil", str(n), n) for n in range(2, 5)), line("ADDED", "shop", "a", 5), bookmark(9)],
            [("ADDED", "2", "2", "1"), ("ADDED", "a", "5", "2"), ("ADDED", "3", "3", "2"), ("ADDED", "4", "4", "3")],
        ),
    ],
    ids=["edited", "deleted", "replaced", "in order", "in turns"],
)
def test_newest_change_of_each_object_is_passed_on_in_turns(
    lines: list[bytes], expected: list[tuple[str, str, str, str]]
) -> None:
    backlog = added(Backlog("1"), *lines)
    assert taken(backlog) == expected
    assert backlog.version == backlog.received == ("9" if len(expected) == 4 else str(len(lines) + 1))


def test_version_and_time_wait_for_what_was_received_before() -> None:
    backlog = added(Backlog("1"), line("ADDED", "evil", "a", 2), line("ADDED", "shop", "b", 3), bookmark(7))
    assert backlog.received == "7"
    found = [passed_on(backlog)]
    for _ in range(4):
        backlog.take()
        if len(found) == 1:
            # A newer change of the object whose change is the current one has its own turn.
            backlog.add(identity(line("MODIFIED", "evil", "a", 8)), b"", 3.0)
        found.append(passed_on(backlog))
    assert found == [("1", 0.0), ("1", 0.0), ("2", 1.0), ("7", 3.0), ("8", None)]


@pytest.mark.parametrize(("size", "limit"), [(10_000, KEPT_SMALL_BYTES), (20_000, KEPT_BYTES)], ids=["small", "large"])
def test_lines_that_are_kept_are_bounded(size: int, limit: int) -> None:
    backlog = Backlog("1")
    for number in range(2, 1000):
        backlog.add(Identity("MODIFIED", "evil", str(number), str(number)), b"x" * size, 0.0)
    kept = 0
    while change := backlog.take():
        kept += len(change.line or b"")
    assert 0.9 * limit < kept <= limit
    # One is kept if nothing else waits, whatever its size.
    backlog.add(Identity("MODIFIED", "evil", "a", "1000"), b"x" * 2 * KEPT_BYTES, 0.0)
    change = backlog.take()
    assert change
    assert change.line


@pytest.mark.parametrize(
    ("version", "other", "expected"),
    [("10", "9", True), ("9", "10", False), ("9", "9", True), ("", "9", False), ("9", "a", False), ("a", "a", True)],
)
def test_versions_are_compared_as_numbers(version: str, other: str, expected: bool) -> None:
    assert is_at_least(version, other) is expected


MISLEADING = {"name": "no", "namespace": "no", "resourceVersion": "9", "metadata": "no", "type": "no", "object": "no"}


@pytest.mark.parametrize("size", [0, 40_000], ids=["small", "large"])
@pytest.mark.parametrize("is_last", [True, False])
def test_identity_is_that_of_the_parsed_line(size: int, is_last: bool) -> None:
    padding = {f"{number:x}": "" for number in range(size // 8)}
    own = {"name": 'a-ü\\"', "namespace": "shop", "resourceVersion": "5"}
    others = {
        "annotations": {**MISLEADING, 'quoted "name":"no"': '{"name":"no"}'},
        "labels": {**MISLEADING, **padding},
        "ownerReferences": [MISLEADING, [MISLEADING]],
    }
    metadata = {**others, **own} if is_last else {**own, **others}
    parts = {"spec": {**MISLEADING, "metadata": MISLEADING}, "metadata": metadata}
    document = parts if is_last else dict(reversed(parts.items()))
    for event in ({"type": "ADDED", "object": document}, {"object": document, "type": "ADDED"}):
        for separators in ((",", ":"), (", ", ": ")):
            written = json.dumps(event, separators=separators, ensure_ascii=False).encode()
            assert identity(written) == Identity("ADDED", "shop", 'a-ü\\"', "5")


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"not JSON",
        b"[]",
        b'{"type":"ADDED"}',
        b'{"type":"ADDED","object":{"metadata":null}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":7}}}',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}',
        b'{"type":1,"object":{"metadata":{"name":"a","resourceVersion":"7"}}}',
        b'{"type":"ERROR","object":{"metadata":{},"code":410}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"a',
    ],
)
def test_line_that_is_not_about_an_object_has_no_identity(bad: bytes) -> None:
    assert identity(bad) is None


@dataclass
class Stream:
    """A watch whose lines a test sends."""

    kube: Kube
    watch: Watch
    response: web.StreamResponse
    received: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, *lines: bytes) -> None:
        for each in lines:
            await self.response.write(each + b"\n")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)

    async def follow(self) -> None:
        async for event, document in self.watch.changes():
            metadata = document["metadata"]
            self.received.append((event, metadata["name"], metadata["resourceVersion"]))


@asynccontextmanager
async def streaming(objects: dict[str, bytes]) -> AsyncIterator[Stream]:
    """A running watch; single objects are read from `objects`, by name."""
    opened, end = asyncio.Queue[web.StreamResponse](), asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            name = request.path.rpartition("/")[2]
            return web.Response(body=objects[name]) if name in objects else web.Response(status=404, text="{}")
        response = web.StreamResponse()
        await response.prepare(request)
        await opened.put(response)
        await end.wait()
        return response

    async with serving(serve) as kube:
        watch = kube.watch_objects(None, "1")
        found = Stream(kube, watch, web.StreamResponse())
        task = asyncio.create_task(found.follow())
        found.response = await opened.get()
        try:
            yield found
        finally:
            task.cancel()
            end.set()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def parsing_stopped(kube: Kube) -> AsyncIterator[None]:
    """The thread that parses is busy with something else."""
    begun, free = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert free.wait(PATIENCE)

    task = asyncio.create_task(kube._parser.parsed("/api", wait, PARSED_AT_ONCE + 1))
    try:
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        yield
    finally:
        free.set()
        await task


def test_object_that_is_changed_all_the_time_is_parsed_when_it_has_its_turn_and_delays_no_one_else() -> None:
    async def act() -> None:
        async with streaming({}) as stream:
            async with parsing_stopped(stream.kube):
                await stream.send(*(line("MODIFIED", "evil", "large", n, spec=LARGE) for n in range(2, 52)))
                await stream.send(line("ADDED", "shop", "small", 52), bookmark(53))
                await stream.until(lambda: stream.watch.received == "53")
                assert stream.watch.version == "1"
            await stream.until(lambda: stream.watch.version == "53")
            # The first one was being parsed.
            assert stream.received in (
                [("MODIFIED", "large", "2"), ("ADDED", "small", "52"), ("MODIFIED", "large", "51")],
                [("MODIFIED", "large", "2"), ("MODIFIED", "large", "51"), ("ADDED", "small", "52")],
            )

    asyncio.run(act())


def test_object_whose_line_was_not_kept_is_read_again_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynconfig.kube.watch.KEPT_BYTES", 100_000)
    last = {str(n): json.loads(line("MODIFIED", "evil", str(n), 100 + n, spec=LARGE))["object"] for n in range(9)}

    async def act() -> None:
        gone = last.pop("8")
        async with streaming({name: json.dumps(each).encode() for name, each in last.items()}) as stream:
            async with parsing_stopped(stream.kube):
                for each in (*last.values(), gone):
                    name, version = each["metadata"]["name"], int(each["metadata"]["resourceVersion"])
                    await stream.send(line("MODIFIED", "evil", name, version, spec=LARGE))
                await stream.until(lambda: stream.watch.received == "108")
            await stream.until(lambda: stream.watch.version == "108")
            assert {name: version for _, name, version in stream.received} == {str(n): str(100 + n) for n in range(8)}
            await stream.send(line("DELETED", "evil", "8", 109, spec=LARGE))
            await stream.until(lambda: stream.received[-1] == ("DELETED", "8", "109"))

    asyncio.run(act())


def test_what_was_received_is_known_when_it_was_passed_on() -> None:
    async def act() -> None:
        async with streaming({}) as stream:
            await stream.until(stream.watch.is_silent)
            async with parsing_stopped(stream.kube):
                before = time.monotonic()
                await stream.send(line("MODIFIED", "evil", "large", 2, spec=LARGE), line("ADDED", "shop", "a", 3))
                await stream.until(lambda: stream.watch.received == "3")
                received = time.monotonic()
                await stream.until(lambda: time.monotonic() > received + DELIVERY_SECONDS)
                assert before <= stream.watch.known_until() <= received
                assert not stream.watch.is_silent()
            await stream.until(lambda: stream.watch.version == "3")
            assert stream.watch.known_until() > received
            assert stream.watch.is_silent()

    asyncio.run(act())


def test_part_of_a_line_is_not_known() -> None:
    async def act() -> None:
        async with streaming({}) as stream:
            await stream.until(stream.watch.is_silent)
            whole = line("ADDED", "shop", "a", 2) + b"\n"
            for part in (whole[:20], whole[20:] + whole[:20]):
                await stream.response.write(part)
                arrived = time.monotonic() + DELIVERY_SECONDS / 2
                await stream.until(lambda: time.monotonic() > arrived + DELIVERY_SECONDS)  # noqa: B023 - awaited here
                assert arrived - DELIVERY_SECONDS < stream.watch.known_until() < arrived
            assert stream.watch.version == "2"
            await stream.response.write(whole[20:])
            await stream.until(lambda: stream.watch.known_until() > arrived)
            await stream.until(stream.watch.is_silent)

    asyncio.run(act())


def test_nothing_after_a_list_or_an_end_is_known_before_the_watch_was_open_for_a_while() -> None:
    async def act() -> None:
        listed_at = time.monotonic()
        may_answer, end = asyncio.Event(), asyncio.Event()

        async def serve(request: web.Request) -> web.StreamResponse:
            await may_answer.wait()
            response = web.StreamResponse()
            await response.prepare(request)
            await end.wait()
            return response

        async with serving(serve) as kube, asyncio.timeout(PATIENCE):
            watch = kube.watch_objects("shop", "1", listed_at=listed_at)
            for _ in range(2):
                may_answer.clear()
                end.clear()
                known, opened = watch.known_until(), asyncio.Event()
                following = asyncio.create_task(anext(watch.changes(opened.set), None))
                assert watch.known_until() == known < time.monotonic()
                may_answer.set()
                await opened.wait()
                assert watch.known_until() == known
                while not watch.known_until() > known:
                    await asyncio.sleep(0.01)
                assert watch.is_silent()
                end.set()
                await following
                assert not watch.is_silent()

    asyncio.run(act())


def test_what_a_busy_watch_delivers_late_is_not_known_before_all_of_it_was_passed_on() -> None:
    """The clock does not move, so that the watch is never silent: a version read meanwhile shows when it has caught up."""
    now, newest, are_read = [10.0], ["4"], asyncio.Event()
    opened, ends = asyncio.Queue[web.StreamResponse](), asyncio.Queue[None]()

    async def serve(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            are_read.set()
            return web.json_response({"metadata": {"resourceVersion": newest[0]}, "items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        await opened.put(response)
        await ends.get()
        return response

    async def act() -> None:
        async with serving(serve) as kube, asyncio.timeout(PATIENCE):
            source = kube.watch_objects(None, "1")._source
            watch = Watch(source, "1", kube._parser, _whole, listed_at=5.0, clock=lambda: now[0])
            for first, before in ((2, 5.0), (5, 10.0)):
                newest[0] = str(first + 2)
                are_read.clear()
                stream = Stream(kube, watch, web.StreamResponse())
                task = asyncio.create_task(stream.follow())
                stream.response = await opened.get()
                await stream.send(line("MODIFIED", "shop", "a", first))
                await stream.until(lambda: watch.version == newest_but(2))
                # Another object may have been edited before it.
                assert watch.known_until() == before
                await are_read.wait()
                async with parsing_stopped(kube):
                    await stream.send(line("MODIFIED", "evil", "b", first + 1, spec=LARGE), bookmark(first + 2))
                    await stream.until(lambda: watch.received == newest[0])
                    assert watch.known_until() == before
                await stream.until(lambda: watch.known_until() == now[0])
                assert watch.version == newest[0]
                ends.put_nowait(None)
                await task
                now[0] += 10.0

    def newest_but(number: int) -> str:
        return str(int(newest[0]) - number)

    asyncio.run(act())


def test_objects_of_a_burst_of_small_changes_are_not_read_one_by_one() -> None:
    async def act() -> None:
        async with streaming({}) as stream:
            lines = [line("ADDED", "shop", str(number), number, spec="x" * 400) for number in range(2, 10_002)]
            await stream.response.write(b"\n".join([*lines, b""]))
            await stream.until(lambda: stream.watch.version == "10001")
            assert len(stream.received) == len(lines)

    asyncio.run(act())


@pytest.mark.parametrize("kind", ["leases", "awstargets"])
def test_leases_and_targets_are_never_read_one_by_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's role allows only that they are listed and watched."""
    for limit in ("KEPT_BYTES", "KEPT_SMALL_BYTES"):
        monkeypatch.setattr(f"dynconfig.kube.watch.{limit}", 0)
    lines = [line("MODIFIED", "", str(number), number, spec=LARGE) for number in range(2, 20)]

    async def serve(request: web.Request) -> web.StreamResponse:
        return await streamed(request, *lines) if "watch" in request.query else status(403, "no")

    async def act() -> None:
        async with serving(serve) as kube:
            changes = kube.watch_leases("ops") if kind == "leases" else kube.watch_targets("1").changes()
            assert len([event async for event in changes]) == len(lines)

    asyncio.run(act())


def test_broken_connection_ends_the_watch_after_what_was_received() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("ADDED", "shop", "a", 2) + b"\n" + line("ADDED", "shop", "b", 3)[:20])
        assert request.transport
        request.transport.close()
        return response

    async def act() -> None:
        async with serving(serve) as kube:
            watch, received = kube.watch_objects("shop", "1"), list[str]()

            async def follow() -> None:
                async for event, _ in watch.changes():
                    received.append(event)

            with pytest.raises(ApiUnavailable):
                await follow()
            assert received == ["ADDED"]
            assert watch.version == "2"

    asyncio.run(act())


def test_watch_that_is_followed_again_continues_after_what_was_passed_on() -> None:
    since = list[str]()

    async def serve(request: web.Request) -> web.StreamResponse:
        since.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        for each in (line("ADDED", "shop", "a", 2), line("ADDED", "shop", "b", 3)):
            await response.write(each + b"\n")
        return response

    async def act() -> None:
        async with serving(serve) as kube:
            watch = kube.watch_objects("shop", "1")
            changes = watch.changes()
            await anext(changes)
            await anext(changes)
            await changes.aclose()
            assert [event async for event, _ in watch.changes()] == ["ADDED", "ADDED"]

    asyncio.run(act())
    assert since == ["1", "2"]
