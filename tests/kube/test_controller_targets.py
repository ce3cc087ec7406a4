"""Objects in targets: they wait for their target, write nothing without it, and need the events of its account."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import Document
from tests.kube.controller_harness import GOING, KEY, REGION, ControllerHarness, configured, running_controller

from dynconfig.api import names
from dynconfig.kube.chosen_targets import VerifiedTargets
from dynconfig.kube.targets import Targets
from dynconfig.model.errors import AccessDenied, DynConfigError
from dynconfig.model.fence import Fence
from dynconfig.model.target import Target

OTHER_REGION = "us-east-1"


class Accounts:
    """Roles that may be assumed unless there is an error."""

    error: DynConfigError | None = None

    def verify(self, _target: Target) -> None:
        if self.error:
            raise self.error

    def forget(self, name: str) -> None:
        """Nothing is remembered."""


class Harness:
    """A controller, and targets that the test puts."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.targets = Targets(lambda name: self.found.controller.objects.requeue_target(name))
        self.targets.is_listed = True
        self.chosen = VerifiedTargets(self.targets, self.accounts, lambda _namespace: {}, lambda: 0.0)
        self.found: ControllerHarness

    def put(self, generation: int = 1, path: str = "/app", region: str = REGION) -> None:
        spec = {
            "region": region,
            "account": "210987654321",
            "allow": [{"namespaces": ["shop"], "paths": [path], "resources": ["parameters"]}],
        }
        self.targets.put({"metadata": {"name": "prod", "uid": "t", "generation": generation}, "spec": spec})

    async def until(self, reason: str) -> None:
        await self.found.server.until(lambda: self.found.reason == reason)

    @property
    def message(self) -> str:
        return str(self.found.status["conditions"][0]["message"])


@asynccontextmanager
async def running() -> AsyncIterator[Harness]:
    harness = Harness()
    async with running_controller(targets=harness.chosen) as harness.found:
        yield harness


def in_target(**more: Any) -> Document:
    return configured({"a": "1"}, target="prod", **more)


def test_object_is_written_in_its_target_and_needs_its_events() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.put(region=OTHER_REGION)
            harness.found.applied(in_target())
            await harness.until("InSync")
            assert (harness.found.status["target"], harness.found.status["region"]) == ("prod", OTHER_REGION)
            harness.found.deliver("MODIFIED", harness.found.server.objects[KEY])
            # Another replica serves it for a while.
            objects = harness.found.controller.objects
            objects.ending(0)
            await objects.ended(0)
            await objects.lost(0)
            objects.acquired(Fence(0, lambda: 0.0, 0.0, float("inf")), is_whole=True)
            assert harness.found.listened == [f"target prod (210987654321/{OTHER_REGION})"] * 2
            assert harness.found.left == []

    asyncio.run(scenario())


def test_object_waits_for_its_target_and_writes_nothing() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.found.applied(in_target(finalizers=[]))
            await harness.until("TargetNotFound")
            harness.accounts.error = AccessDenied("the role may not be assumed")
            harness.put()
            await harness.until("TargetNotReady")
            assert harness.message.endswith("nothing was written: the role may not be assumed")
            assert harness.found.server.objects[KEY]["metadata"]["finalizers"] == []
            assert harness.found.fake.store == {}
            harness.accounts.error = None
            harness.put(2)
            await harness.until("InSync")

    asyncio.run(scenario())


@pytest.mark.parametrize(("allowed", "reason"), [("/apple", "PathNotAllowed"), ("/app", "InSync")])
def test_rules_of_the_target_decide_and_their_change_is_noticed(allowed: str, reason: str) -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.put(path="/other")
            harness.found.applied(in_target())
            await harness.until("PathNotAllowed")
            assert "it may use paths below /other" in harness.message
            harness.put(2, path=allowed)
            await harness.found.server.until(
                lambda: harness.found.reason == reason and "/other" not in str(harness.found.status["conditions"])
            )
            assert bool(harness.found.fake.store) is (reason == "InSync")

    asyncio.run(scenario())


def test_deletion_waits_for_a_missing_target_and_can_be_abandoned() -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.put()
            harness.found.applied(in_target())
            await harness.until("InSync")
            harness.targets.remove("prod")
            await harness.until("TargetNotFound")
            stored = harness.found.server.objects[KEY]
            stored["metadata"]["deletionTimestamp"] = GOING
            harness.found.deliver("MODIFIED", stored)
            harness.found.controller.requeue(KEY)
            await harness.until("TargetNotFound")
            assert KEY in harness.found.server.objects
            stored["metadata"]["annotations"] = {names.ABANDON: "true"}
            harness.found.controller.requeue(KEY)
            await harness.found.server.until(lambda: KEY not in harness.found.server.objects)
            assert harness.found.fake.store
            assert any("AWSTarget prod does not exist" in str(event) for event in harness.found.server.events)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_listed", [True, False])
def test_object_that_adopts_gets_no_finalizer_before_its_target_can_be_used(*, is_listed: bool) -> None:
    async def scenario() -> None:
        async with running() as harness:
            harness.accounts.error = AccessDenied("the role may not be assumed")
            if is_listed:
                harness.put()
            harness.found.applied(in_target(finalizers=[], adoptionPolicy="IfUnowned"))
            await harness.until("TargetNotReady" if is_listed else "TargetNotFound")
            assert harness.found.server.objects[KEY]["metadata"]["finalizers"] == []

    asyncio.run(scenario())


def test_object_that_wrote_nothing_is_deleted_without_its_target() -> None:
    async def scenario() -> None:
        async with running() as harness:
            # An earlier version of the operator added the finalizer, and reported what failed.
            harness.found.applied(in_target(status={"observedGeneration": 1}))
            await harness.until("TargetNotFound")
            stored = harness.found.server.objects[KEY]
            assert stored["metadata"]["finalizers"] == [names.FINALIZER]
            stored["metadata"]["deletionTimestamp"] = GOING
            harness.found.deliver("MODIFIED", stored)
            await harness.found.server.until(lambda: KEY not in harness.found.server.objects)

    asyncio.run(scenario())


@pytest.mark.parametrize("failure", ["TargetNotFound", "InvalidSpec", "SourceMissing"])
def test_object_whose_status_was_lost_is_not_given_up_after_any_number_of_failures(failure: str) -> None:
    async def scenario() -> None:
        async with running() as harness:
            if failure != "TargetNotFound":
                harness.put()
            # A backup was restored: it has the finalizer, but no status.
            found = in_target(**({"resyncInterval": "never"} if failure == "InvalidSpec" else {}))
            if failure == "SourceMissing":
                found["spec"]["parameters"] = [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
            harness.found.applied(found)
            await harness.until(failure)
            harness.targets.remove("prod")
            stored = harness.found.server.objects[KEY]
            stored["metadata"]["deletionTimestamp"] = GOING
            for attempt in range(3):
                for condition in stored["status"]["conditions"]:
                    condition["message"] = f"before attempt {attempt}"
                harness.found.deliver("MODIFIED", stored)
                harness.found.controller.requeue(KEY)
                await harness.found.server.until(
                    lambda: (
                        "prod does not exist" in str(harness.found.status) or KEY not in harness.found.server.objects
                    )
                )
                assert KEY in harness.found.server.objects
            harness.put(2)
            await harness.found.server.until(lambda: KEY not in harness.found.server.objects)

    asyncio.run(scenario())


def test_target_that_is_deleted_meanwhile_is_the_reason() -> None:
    async def scenario() -> None:
        async with running() as harness:

            async def delete_target(request: web.Request) -> None:
                if "secrets" in request.path:
                    harness.targets.remove("prod")

            harness.put()
            harness.found.server.before = delete_target
            found = in_target(finalizers=[], adoptionPolicy="IfUnowned")
            found["spec"]["parameters"] = [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
            harness.found.applied(found)
            await harness.found.server.until(lambda: bool(harness.found.reason))
            assert harness.found.reason == "TargetNotFound"
            assert harness.found.server.objects[KEY]["metadata"]["finalizers"] == []

    asyncio.run(scenario())
