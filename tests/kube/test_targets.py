"""Watching AWSTargets and checking their accounts: after each change, again after failures, and without their definition."""

import asyncio
import json
import logging
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import Document, merge, serving, status, streamed

from dynconfig.api import names
from dynconfig.kube import targets
from dynconfig.kube.client import Kube
from dynconfig.kube.targets import TargetChecks, Targets, Users
from dynconfig.model.errors import AccessDenied
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key
from dynconfig.model.target import Target

SPEC = {"region": "eu-west-1", "account": "210987654321"}


class Accounts:
    """Records what is verified; some targets fail."""

    def __init__(self) -> None:
        self.verified: list[Target] = []
        self.forgotten: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.slow: dict[str, threading.Event] = {}

    def verify(self, target: Target) -> None:
        self.verified.append(target)
        if target.name in self.slow:
            self.slow[target.name].wait(10)
        if target.name in self.failing:
            raise self.failing[target.name]

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


class Cluster:
    """An API server with targets, and the operator's watch and checks beside it."""

    def __init__(self) -> None:
        self.targets: dict[str, Document] = {}
        self.accounts = Accounts()
        self.known = Targets()
        self.users: dict[str, tuple[Key, ...]] = defaultdict(tuple)
        self.is_complete = True
        self.clock = 1000.0
        self.code = 200
        self.lists = 0
        self.patches: list[Document] = []
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        self.changed = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.code != 200:
            self.lists += 1
            self.changed.set()
            return status(self.code, "no such resource")
        if request.method == "PATCH":
            parts, patch = request.path.split("/"), json.loads(await request.text())
            document = self.targets[parts[parts.index("awstargets") + 1]]
            if "status" in patch:
                self.patches.append(patch)
            merge(document, patch)
            self.changed.set()
            return web.json_response(document)
        if "watch" in request.query:
            return await streamed(request, await self.events.get())
        self.lists += 1
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": list(self.targets.values())})

    def checks(self, kube: Kube) -> TargetChecks:
        """The checks of all targets."""
        return TargetChecks(
            kube,
            self.known,
            self.accounts,
            lambda: 1.7e9,
            lambda: self.clock,
            using=lambda name, **_: Users(self.users[name], self.is_complete),
        )

    def put(self, name: str, generation: int = 1, **spec: Any) -> Document:
        metadata = {"name": name, "uid": f"uid-{name}", "generation": generation, "resourceVersion": "2"}
        self.targets[name] = {"metadata": metadata, "spec": {**SPEC, **spec}, "status": {"observedGeneration": -1}}
        return self.targets[name]

    def deliver(self, event: str, document: Document) -> None:
        self.events.put_nowait(json.dumps({"type": event, "object": document}).encode())

    def finalizers(self, name: str) -> list[str]:
        return list(self.targets[name]["metadata"].get("finalizers", []))

    def reason(self, name: str) -> str:
        conditions = self.targets[name]["status"].get("conditions", [])
        return str(conditions[0]["reason"]) if conditions else ""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def sleep(self, _seconds: float) -> None:
        """Give way instead of a pause between two watches."""
        await asyncio.sleep(0)


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[None]:
    fence = Fence(0, lambda: 0.0, 1.0, until=100.0)
    async with serving(cluster.answer) as kube:
        checks = cluster.checks(kube)
        tasks = [
            asyncio.create_task(targets.watch(kube, cluster.known, lambda _kind: None, cluster.sleep)),
            asyncio.create_task(checks.run(fence)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def test_targets_are_checked_once_for_each_change() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")
        cluster.put("b")
        async with running(cluster):
            await cluster.until(lambda: {cluster.reason("a"), cluster.reason("b")} == {"AccountVerified"})
            cluster.deliver("MODIFIED", cluster.targets["a"])
            cluster.deliver("MODIFIED", cluster.put("b", 2, account="333333333333"))
            await cluster.until(lambda: cluster.reason("b") == "AccountVerified")
        assert [target.name for target in cluster.accounts.verified] == ["a", "b", "b"]
        assert cluster.targets["b"]["status"]["account"] == "333333333333"

    asyncio.run(scenario())


def test_check_is_repeated_every_ten_minutes_and_more_often_after_a_failure() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.known.put(cluster.put("a"))
        cluster.accounts.failing["a"] = AccessDenied("not yet")
        async with serving(cluster.answer) as kube:
            checks = cluster.checks(kube)

            async def times(seconds: float) -> int:
                """How many checks are made at the end of this time."""
                cluster.clock += seconds
                before = len(cluster.accounts.verified)
                await checks.check()
                return len(cluster.accounts.verified) - before

            assert await times(0) == 1
            assert [await times(9.9), await times(0.1)] == [0, 1]
            assert [await times(19.9), await times(0.1)] == [0, 1]
            assert [await times(seconds) for seconds in (40, 80, 160, 300, 299.9, 0.1)] == [1, 1, 1, 1, 0, 1]
            cluster.accounts.failing.clear()
            assert await times(300) == 1
            assert [await times(599.9), await times(0.1)] == [0, 1]
        # The same result is not written again.
        assert len(cluster.patches) == 2
        assert cluster.reason("a") == "AccountVerified"

    asyncio.run(scenario())


def test_invalid_spec_is_reported_without_a_call_to_aws() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a", account="12")
        async with running(cluster):
            await cluster.until(lambda: cluster.reason("a") == "InvalidSpec")
        assert cluster.accounts.verified == []
        assert cluster.targets["a"]["status"]["conditions"][0]["message"].startswith("spec.account: ")

    asyncio.run(scenario())


@pytest.mark.parametrize("code", [200, 403, 500])
def test_targets_are_listed_before_the_first_object(code: int) -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")
        cluster.code = code
        async with serving(cluster.answer) as kube:
            await targets.list_all(kube, cluster.known)
        assert (list(cluster.known), cluster.known.is_listed) == ((["a"], True) if code == 200 else ([], False))

    asyncio.run(scenario())


def test_deleted_target_is_forgotten() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")
        async with running(cluster):
            await cluster.until(lambda: cluster.reason("a") == "AccountVerified")
            changed: list[str] = []
            cluster.known.on_change(changed.append)
            cluster.known.on_change(lambda _name: cluster.changed.set())
            cluster.deliver("DELETED", cluster.targets.pop("a"))
            await cluster.until(lambda: "a" in changed and cluster.known.get("a") is None)
            # One of the same name is checked again.
            cluster.deliver("ADDED", cluster.put("a"))
            await cluster.until(lambda: cluster.reason("a") == "AccountVerified")

    asyncio.run(scenario())


def test_target_that_aws_does_not_answer_delays_the_checks_of_no_other() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        for name in "abc":
            cluster.put(name)
            cluster.accounts.slow[name] = threading.Event()
        cluster.put("d")
        async with running(cluster):
            await cluster.until(lambda: cluster.reason("d") == "AccountVerified")
            cluster.deliver("MODIFIED", cluster.put("d", 2))
            await cluster.until(lambda: cluster.reason("d") == "AccountVerified")
            assert [cluster.reason(name) for name in "abc"] == ["", "", ""]
            for slow in cluster.accounts.slow.values():
                slow.set()
            await cluster.until(lambda: {cluster.reason(name) for name in "abc"} == {"AccountVerified"})

    asyncio.run(scenario())


@pytest.mark.parametrize("is_deleted", [False, True])
def test_answer_to_a_status_write_replaces_no_later_version(*, is_deleted: bool) -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.known.put(cluster.put("a"))
        slow = cluster.accounts.slow["a"] = threading.Event()
        later = {"metadata": {"name": "a", "uid": "uid-b", "generation": 1, "resourceVersion": "9"}, "spec": SPEC}
        async with serving(cluster.answer) as kube:
            checking = asyncio.create_task(cluster.checks(kube).check())
            await asyncio.sleep(0)
            cluster.known.remove("a")
            if not is_deleted:
                cluster.known.put(later)
            slow.set()
            await checking
        assert cluster.known.get("a") is (None if is_deleted else later)
        # The write fails if the target was created again.
        assert cluster.patches[0]["metadata"]["uid"] == "uid-a"

    asyncio.run(scenario())


def test_target_stays_kept_while_users_may_be_unknown() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.known.put(cluster.put("a"))
        cluster.users["a"] = (Key("shop", "myapp"),)
        async with serving(cluster.answer) as kube:
            checks = cluster.checks(kube)
            await checks.check()
            cluster.users["a"], cluster.is_complete = (), False
            cluster.targets["a"]["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
            cluster.targets["a"]["metadata"]["generation"] = 2
            cluster.known.put(dict(cluster.targets["a"]))
            await checks.check()
            assert cluster.finalizers("a") == [names.TARGET_FINALIZER]
            assert cluster.reason("a") == "TargetInUse"
            assert names.TARGET_FINALIZER in cluster.targets["a"]["status"]["conditions"][0]["message"]
            cluster.is_complete = True
            await checks.check()
            cluster.clock += targets.RELEASE_SECONDS
            await checks.check()
            assert cluster.finalizers("a") == []

    asyncio.run(scenario())


def test_deleted_target_waits_for_objects_that_have_just_started() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")["metadata"]["finalizers"] = [names.TARGET_FINALIZER]
        cluster.targets["a"]["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
        cluster.known.put(cluster.targets["a"])
        async with serving(cluster.answer) as kube:
            checks = cluster.checks(kube)
            for users, seconds, is_kept in (((), 29.9, True), ((Key("shop", "myapp"),), 0.1, True), ((), 0.0, False)):
                await checks.check()
                cluster.clock += seconds
                cluster.users["a"] = users
                await checks.check()
                assert cluster.finalizers("a") == [names.TARGET_FINALIZER] * is_kept

    asyncio.run(scenario())


@pytest.mark.parametrize("code", [403, 404])
def test_targets_are_not_trusted_once_they_cannot_be_listed_any_more(code: int) -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")
        changed: list[str] = []
        async with running(cluster):
            await cluster.until(lambda: cluster.reason("a") == "AccountVerified")
            cluster.known.on_change(changed.append)
            cluster.known.on_change(lambda _name: cluster.changed.set())
            cluster.code = code
            # The watch ends, since an event cannot be continued from.
            cluster.events.put_nowait(json.dumps({"type": "ERROR", "object": {"code": 410}}).encode())
            await cluster.until(lambda: bool(cluster.known.unreadable))
            assert set(changed) == {"a"}
            assert list(cluster.known) == ["a"]
            cluster.code = 200
            await cluster.until(lambda: not cluster.known.unreadable)

    asyncio.run(scenario())


@pytest.mark.parametrize("code", [403, 404])
def test_missing_definition_is_reported_once(code: int, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.code = code
        async with running(cluster):
            assert not cluster.known.is_listed
            await cluster.until(lambda: cluster.lists >= 3)
            assert cluster.known.is_listed
            # As soon as it is installed, targets are used.
            cluster.put("a")
            cluster.code = 200
            await cluster.until(lambda: cluster.reason("a") == "AccountVerified")

    with caplog.at_level(logging.WARNING, "dynconfig"):
        asyncio.run(scenario())
    assert len([record for record in caplog.records if "AWSTargets are not used" in record.message]) == 1


@pytest.mark.parametrize("is_ready", [True, False])
def test_target_is_kept_only_while_objects_use_it(*, is_ready: bool) -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.known.put(cluster.put("a"))
        if not is_ready:
            cluster.accounts.failing["a"] = AccessDenied("not yet")
        async with serving(cluster.answer) as kube:
            checks = cluster.checks(kube)
            await checks.check()
            assert cluster.finalizers("a") == []
            for users in ((Key("shop", "myapp"),), ()):
                cluster.users["a"] = users
                # The account need not be checked yet.
                await checks.check()
                assert cluster.finalizers("a") == [names.TARGET_FINALIZER] * bool(users)

    asyncio.run(scenario())


def test_unused_target_that_an_earlier_version_kept_is_released() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")["metadata"]["finalizers"] = ["others/one", names.TARGET_FINALIZER]
        async with running(cluster):
            await cluster.until(lambda: cluster.finalizers("a") == ["others/one"])

    asyncio.run(scenario())


def test_first_object_of_a_target_is_noticed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "USERS_SECONDS", 0.01)

    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")
        async with running(cluster):
            await cluster.until(lambda: cluster.reason("a") == "AccountVerified")
            cluster.users["a"] = (Key("shop", "myapp"),)
            await cluster.until(lambda: cluster.finalizers("a") == [names.TARGET_FINALIZER])

    asyncio.run(scenario())


def test_unexpected_exception_stops_the_checks_of_no_other_target(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.put("a")
        cluster.accounts.failing["a"] = KeyError("a-value")
        cluster.put("b")
        async with running(cluster):
            await cluster.until(lambda: cluster.reason("b") == "AccountVerified")
            cluster.deliver("MODIFIED", cluster.put("c"))
            await cluster.until(lambda: cluster.reason("c") == "AccountVerified")
            del cluster.accounts.failing["a"]
            cluster.deliver("MODIFIED", cluster.put("a", 2))
            await cluster.until(lambda: cluster.reason("a") == "AccountVerified")

    asyncio.run(scenario())
    (bug,) = [record.message for record in caplog.records if "operator bug" in record.message]
    assert bug.startswith("Checking AWSTarget a failed")
    assert "a-value" not in bug
