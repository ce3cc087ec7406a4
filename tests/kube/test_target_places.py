"""The place of an object is recorded before its first write, and decides until the object is gone."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import OWNER, FakeKind, Thing, deletion
from tests.kube.apiserver import Document, status
from tests.kube.controller_harness import GOING, KEY, REGION, ControllerHarness, configured, running_controller

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.kube.chosen_targets import VerifiedTargets
from dynconfig.kube.targets import Targets
from dynconfig.kube.work_queue import Priority
from dynconfig.model.declaration import Place
from dynconfig.model.errors import DynConfigError, Throttled, Unavailable
from dynconfig.model.resource import Scope
from dynconfig.model.target import Target

ACCOUNT = "210987654321"
OBSERVED = {"observedGeneration": 1, "lastObservedTime": GOING, "region": REGION}


class Accounts:
    """Records which accounts are used."""

    def __init__(self) -> None:
        self.verified: list[str] = []
        self.error: DynConfigError | None = None

    def verify(self, target: Target) -> None:
        self.verified.append(target.name)
        if self.error:
            raise self.error

    def forget(self, name: str) -> None:
        """Nothing is remembered."""


class WatchedKind(FakeKind):
    """A kind that records what status says at each write."""

    status: Any = dict

    def put(self, desired: Thing, observed: Thing | None) -> Thing:
        """Record the status first."""
        self.seen.append(dict(self.status()))
        written = super().put(desired, observed)
        if self.bug:
            raise self.bug
        return written

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
        """Fail if AWS is unreachable."""
        if self.unreachable:
            raise self.unreachable
        return super().observe(scope, desired)

    unreachable: DynConfigError | None = None
    bug: Exception | None = None
    """An unexpected failure after each write."""
    seen: list[dict[str, Any]]


class Harness:
    """A controller in a cluster with two targets, of which one may be the default."""

    def __init__(self, default: str = "") -> None:
        self.accounts, self.places, self.kind = Accounts(), list[Place](), WatchedKind()
        self.kind.seen = []
        self.targets = Targets(lambda name: self.found.controller.objects.requeue_target(name))
        self.targets.is_listed = True
        self.chosen = VerifiedTargets(self.targets, self.accounts, lambda _namespace: {}, lambda: 0.0, default)
        self.engine = Engine(self._kinds)
        self.found: ControllerHarness

    def _kinds(self, place: Place) -> tuple[FakeKind]:
        self.places.append(place)
        return (self.kind,)

    def put(self, name: str, account: str = ACCOUNT, namespace: str = "shop", **metadata: Any) -> None:
        rule = {"namespaces": [namespace], "paths": ["/app"], "resources": ["parameters"]}
        spec = {"region": REGION, "account": account, "allow": [rule]}
        self.targets.put({"metadata": {"name": name, "uid": account, "generation": 1, **metadata}, "spec": spec})

    async def until(self, reason: str) -> None:
        await self.found.server.until(lambda: self.found.reason == reason)

    async def until_gone(self) -> None:
        await self.found.server.until(lambda: KEY not in self.found.server.objects)

    @property
    def used(self) -> set[str]:
        """The targets whose resources were read or written; empty text for the operator's own identity."""
        return {place.target.name if place.target else "" for place in self.places}


@asynccontextmanager
async def running(default: str = "") -> AsyncIterator[Harness]:
    harness = Harness(default)
    async with running_controller(engine=harness.engine, targets=harness.chosen) as harness.found:
        harness.kind.status = lambda: harness.found.status
        harness.put("one")
        harness.put("two")
        yield harness


def stored(status: Document, *, is_deleted: bool = False, **about: Any) -> Document:
    """An object with the finalizer and a status."""
    metadata: Document = {"finalizers": [names.FINALIZER], **({"deletionTimestamp": GOING} if is_deleted else {})}
    return configured({"a": "1"}, metadata=metadata, status=status, **about)


@pytest.mark.parametrize(
    ("default", "recorded"),
    [("one", {"target": "one", "account": ACCOUNT, "region": REGION}), ("", {"region": REGION})],
)
def test_place_is_recorded_before_the_first_write(default: str, recorded: dict[str, str]) -> None:
    async def scenario() -> None:
        async with running(default) as harness:
            harness.found.applied(configured({"a": "1"}, finalizers=[]))
            await harness.until("InSync")
            seen = harness.kind.seen[0]
            assert {name: seen[name] for name in ("target", "account", "region") if name in seen} == recorded
            status = harness.found.status
            assert {name: status[name] for name in ("target", "account", "region") if name in status} == recorded

    asyncio.run(scenario())


LEGACY_START = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "Unknown", "reason": "Applying"}]}


@pytest.mark.parametrize(
    ("status", "place"),
    [
        # The second pass of a deletion: nothing is listed any more.
        ({**OBSERVED, "target": "one", "account": ACCOUNT}, "one"),
        (OBSERVED, ""),
        # The first write was interrupted.
        ({"observedGeneration": 1, "target": "one", "account": ACCOUNT, "region": REGION}, "one"),
        ({"observedGeneration": 1, "region": REGION}, ""),
        # Written by a version that knew no targets.
        ({**OBSERVED, "parameters": [{"name": "/app/a", "version": 1}]}, ""),
        ({"observedGeneration": 1, "lastObservedTime": GOING}, ""),
        (LEGACY_START, ""),
        ({"observedGeneration": -1}, "two"),
    ],
)
@pytest.mark.parametrize("is_deleted", [True, False])
def test_recorded_place_decides_after_a_change_of_the_default_target(
    status: Document, place: str, *, is_deleted: bool
) -> None:
    async def scenario() -> None:
        async with running("two") as harness:
            harness.found.applied(stored(status, is_deleted=is_deleted))
            await (harness.until_gone() if is_deleted else harness.until("InSync"))
            assert harness.used == {place}

    asyncio.run(scenario())


def test_region_of_an_object_that_lists_nothing_is_that_of_its_status() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.found.applied(stored({**OBSERVED, "region": "us-east-1"}, is_deleted=True))
            await harness.until_gone()
            assert {place.region for place in harness.places} == {"us-east-1"}

    asyncio.run(scenario())


@pytest.mark.parametrize("is_deleted", [True, False])
def test_target_created_again_in_another_account_is_refused_and_can_be_abandoned(*, is_deleted: bool) -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.found.applied(stored({**OBSERVED, "target": "one", "account": "333333333333"}, target="one"))
            await harness.until("TargetChanged")
            assert "account 333333333333" in harness.found.status["conditions"][0]["message"]
            document = harness.found.server.objects[KEY]
            document["metadata"]["deletionTimestamp"] = GOING
            harness.found.deliver("MODIFIED", document)
            if is_deleted:
                await harness.found.server.until(lambda: "failingSince" in harness.found.status)
            assert harness.found.reason == "TargetChanged"
            assert harness.places == []
            document["metadata"]["annotations"] = {names.ABANDON: "true"}
            harness.found.deliver("MODIFIED", document)
            await harness.until_gone()
            assert harness.places == []

    asyncio.run(scenario())


def test_terminating_target_lets_old_objects_go_on_and_refuses_new_ones() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.put("one", deletionTimestamp=GOING)
            harness.found.applied(configured({"a": "1"}, target="one", finalizers=[]))
            await harness.until("TargetTerminating")
            assert harness.found.server.objects[KEY]["metadata"]["finalizers"] == []
            using = harness.found.controller.objects.using
            assert using("one", is_terminating=True).keys == ()
            status = {**OBSERVED, "target": "one", "account": ACCOUNT}
            harness.found.applied(stored(status, target="one", generation=2))
            await harness.until("InSync")
            assert using("one", is_terminating=True).keys == (KEY,)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_deleted", [True, False])
def test_namespace_without_a_rule_uses_no_role_and_keeps_no_target(*, is_deleted: bool) -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.put("one", namespace="others")
            harness.found.applied(
                configured({"a": "1"}, target="one", finalizers=[], adoptionPolicy="IfUnowned", region="us-east-1")
            )
            await harness.until("PathNotAllowed")
            assert harness.found.controller.objects.using("one").keys == ()
            if is_deleted:
                document = harness.found.server.objects[KEY]
                document["metadata"] |= {"deletionTimestamp": GOING, "finalizers": [names.FINALIZER]}
                harness.found.deliver("MODIFIED", document)
                await harness.until_gone()
            assert harness.accounts.verified == []
            assert harness.places == []

    asyncio.run(scenario())


def test_resources_stay_used_and_deletable_after_the_rule_is_gone() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.put("one", namespace="others")
            status = {**OBSERVED, "target": "one", "account": ACCOUNT}
            harness.found.applied(stored(status, is_deleted=True, target="one", region="us-east-1"))
            await harness.until_gone()
            # Kinds of a target are in its region only: others would evict them.
            assert {(place.region, place.target and place.target.name) for place in harness.places} == {(REGION, "one")}

    asyncio.run(scenario())


def test_abandonment_waits_while_aws_throttles() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.accounts.error = Throttled("slow down")
            document = stored({**OBSERVED, "target": "one", "account": ACCOUNT}, is_deleted=True, target="one")
            document["metadata"]["annotations"] = {names.ABANDON: "true"}
            harness.found.applied(document)
            await harness.until("Throttled")
            harness.accounts.error = None
            harness.put("one", generation=2)
            await harness.until_gone()
            assert harness.used == {"one"}

    asyncio.run(scenario())


def test_change_of_a_target_reconciles_its_objects_with_the_lowest_priority() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.found.applied(stored({**OBSERVED, "target": "one", "account": ACCOUNT}, target="one"))
            await harness.until("InSync")
            controller = harness.found.controller
            await controller.objects.ended(0)
            harness.put("one", generation=2)
            assert {
                priority: backlog.count for priority, backlog in controller.backlogs().items() if backlog.count
            } == {Priority.RESYNC: 1}

    asyncio.run(scenario())


def test_place_is_not_recorded_while_aws_was_never_reached() -> None:
    async def scenario() -> None:
        async with running("one") as harness:
            harness.kind.unreachable = Unavailable("down")
            harness.found.applied(configured({"a": "1"}, finalizers=[]))
            await harness.until("Unavailable")
            assert not {"target", "account", "region"} & harness.found.status.keys()

    asyncio.run(scenario())


FAILURES: dict[str, dict[str, Any]] = {
    "a bug after a write": {"bug": TypeError("bug")},
    "a neighbour may have handed over a parameter": {"unreachable": Unavailable("down"), "adoptionPolicy": "IfUnowned"},
    "status was lost": {"unreachable": Unavailable("down"), "finalizers": [names.FINALIZER]},
    "AWS was observed": {"unreachable": Unavailable("down"), "status": {"lastObservedTime": GOING, "target": "one"}},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_place_stays_recorded_where_something_may_have_been_written(failure: dict[str, Any]) -> None:
    async def scenario() -> None:
        about = dict(failure)
        async with running("one") as harness:
            harness.kind.bug, harness.kind.unreachable = about.pop("bug", None), about.pop("unreachable", None)
            harness.found.applied(configured({"a": "1"}, **{"finalizers": [], **about}))
            await harness.until("InternalError" if harness.kind.bug else "Unavailable")
            assert harness.found.status["target"] == "one"
            # With another default target, or after the rules are withdrawn, it is still deleted where it was written.
            harness.put("one", namespace="others")
            harness.kind.bug = harness.kind.unreachable = None
            document = harness.found.server.objects[KEY]
            document["metadata"]["deletionTimestamp"] = GOING
            harness.found.deliver("MODIFIED", document)
            await harness.until_gone()
            assert harness.kind.store == {}
            assert harness.used == {"one"}

    asyncio.run(scenario())


@pytest.mark.parametrize("adoption", ["Never", "IfUnowned"])
def test_place_is_recorded_before_the_finalizer(adoption: str) -> None:
    async def scenario() -> None:
        async with running("one") as harness:

            async def stop_operator(request: web.Request) -> web.Response | None:
                is_finalizer = request.method == "PATCH" and "finalizers" in await request.text()
                return status(503, "stopped") if is_finalizer else None

            harness.found.server.before = stop_operator
            invalid: dict[str, Any] = {"resyncInterval": "never"} if adoption == "IfUnowned" else {}
            harness.found.applied(configured({"a": "1"}, finalizers=[], adoptionPolicy=adoption, **invalid))
            await harness.found.server.until(lambda: "target" in harness.found.status)
            assert harness.found.server.objects[KEY]["metadata"]["finalizers"] == []
            harness.found.server.before = None
            harness.found.controller.requeue(KEY)
            await harness.until("InvalidSpec" if invalid else "InSync")
            document = harness.found.server.objects[KEY]
            assert (document["metadata"]["finalizers"], document["status"]["observedGeneration"]) == (
                [names.FINALIZER],
                1,
            )

    asyncio.run(scenario())


@pytest.mark.parametrize("adoption", ["Never", "IfUnowned"])
def test_nothing_is_written_if_the_crd_does_not_have_the_target_in_status(adoption: str) -> None:
    async def scenario() -> None:
        async with running("one") as harness:
            harness.found.server.pruned = ("target", "account")
            invalid: dict[str, Any] = {"resyncInterval": "never"} if adoption == "IfUnowned" else {}
            harness.found.applied(configured({"a": "1"}, finalizers=[], adoptionPolicy=adoption, **invalid))
            await harness.until("InvalidSpec" if invalid else "Refused")
            assert harness.found.server.objects[KEY]["metadata"]["finalizers"] == []
            assert harness.kind.store == {}

    asyncio.run(scenario())


def test_abandoned_object_keeps_its_finalizer_while_aws_throttles() -> None:
    fake = FakeKind()
    fake.by_hand("/app/a", owner=OWNER.tag)
    fake.failures["/app/a"] = Throttled("slow down")
    found = fake.engine().abandon(deletion({"a": "1"}))
    assert (found.is_over, str(found.throttled)) == (False, "slow down")
    fake.failures.clear()
    assert fake.engine().abandon(deletion({"a": "1"})).is_over
