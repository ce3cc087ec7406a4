"""A lost status stays known as lost until everything was tried: what others changed is reported, not overwritten."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import OWNER, FakeKind, Thing
from tests.kube.apiserver import status
from tests.kube.controller_harness import GOING, KEY, ControllerHarness, configured, running_controller

from dynconfig.api import names
from dynconfig.cli.object_status import ObjectStage, object_status
from dynconfig.model.errors import AccessDenied, Throttled
from dynconfig.validation.declare import is_status_lost

WITHOUT_STATUS: dict[str, Any] = {"finalizers": [names.FINALIZER]}
Interruption = Callable[[ControllerHarness], None]


def is_status(request: web.Request) -> bool:
    return request.method == "PATCH" and request.path.endswith("/status")


def annotated(found: ControllerHarness) -> None:
    """Request a reconcile while the place is recorded."""
    writes = 0

    async def before(request: web.Request) -> None:
        nonlocal writes
        writes += is_status(request)
        if is_status(request) and writes == 1:
            metadata = found.server.objects[KEY]["metadata"]
            metadata["annotations"] = {names.RECONCILE_REQUESTED_AT: "now"}
            metadata["resourceVersion"] = "2"
            found.deliver("MODIFIED", found.server.objects[KEY])

    found.server.before = before
    found.applied(lost())


def unavailable(found: ControllerHarness) -> None:
    """Fail at the write after the place was recorded, as if the operator had been killed."""
    writes = 0

    async def before(request: web.Request) -> web.Response | None:
        nonlocal writes
        writes += is_status(request)
        return status(500, "no") if is_status(request) and writes == 2 else None

    found.server.before = before
    found.applied(lost())


def invalid(found: ControllerHarness) -> None:
    """Report a failure right after the place was recorded; then the spec is corrected."""
    is_corrected = False

    async def after(request: web.Request) -> None:
        nonlocal is_corrected
        if is_status(request) and found.reason == "InvalidSpec" and not is_corrected:
            is_corrected = True
            found.server.put(lost(generation=2, status=found.status))
            found.deliver("MODIFIED", found.server.objects[KEY])

    found.server.after = after
    wrong = lost(adoptionPolicy="IfUnowned")
    wrong["spec"]["parameters"][0]["name"] = "a b"
    found.applied(wrong)


def lost(**about: Any) -> dict[str, Any]:
    """An object that was restored without its status."""
    return configured({"a": "declared"}, metadata=WITHOUT_STATUS, driftPolicy="Report", **about)


@pytest.mark.parametrize("interrupt", [annotated, unavailable, invalid])
def test_changes_by_others_are_reported_after_an_interruption(interrupt: Interruption) -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.fake.store["/app/a"] = Thing(name="/app/a", owner=OWNER.tag, value="theirs", version=2)
            interrupt(found)
            await found.server.until(lambda: "appliedGeneration" in found.status, 5)
            drifted = [item for item in found.status["conditions"] if item["type"] == "Drifted"]
            assert [item["status"] for item in drifted] == ["True"]
            assert (found.fake.values, found.fake.writes) == ({"/app/a": "theirs"}, [])

    asyncio.run(act())


class Denied(FakeKind):
    """A kind that cannot be read."""

    def observe(self, _scope: Any, _desired: Any) -> Any:
        """Deny it."""
        raise AccessDenied("ssm:GetParameters is denied")


@pytest.mark.parametrize("before", [{}, {"observedGeneration": -1}])
def test_failure_of_an_object_with_a_lost_status_is_shown(before: dict[str, Any]) -> None:
    async def act() -> None:
        async with running_controller(engine=Denied().engine()) as found:
            found.applied(lost(status=before))
            await found.server.until(lambda: found.reason == "AccessDenied", 5)
            assert (found.status["observedGeneration"], found.status["statusLost"]) == (1, True)
            document = found.server.objects[KEY]
            document["metadata"]["creationTimestamp"] = GOING
            shown = object_status(document, time.time())
            assert shown.stage is ObjectStage.STALLED
            assert "ssm:GetParameters is denied" in shown.message

    asyncio.run(act())


def test_retry_after_an_incomplete_reconcile_overwrites_nothing() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.fake.store["/app/a"] = Thing(name="/app/a", owner=OWNER.tag, value="theirs", version=2)
            found.fake.failures["/app/b"] = Throttled("slow", delay=0.05)
            found.applied(configured({"a": "declared", "b": "1"}, metadata=WITHOUT_STATUS, driftPolicy="Report"))
            await found.server.until(lambda: found.reason == "Throttled", 5)
            assert found.status["statusLost"] is True
            found.fake.failures.clear()
            await found.server.until(lambda: "appliedGeneration" in found.status, 5)
            assert found.fake.values == {"/app/a": "theirs", "/app/b": "1"}
            assert "statusLost" not in found.status

    asyncio.run(act())


def test_message_says_that_the_status_was_lost() -> None:
    async def act() -> None:
        async with running_controller() as found:
            messages: list[str] = []

            async def after(request: web.Request) -> None:
                if is_status(request):
                    messages.append(found.status["conditions"][0]["message"])

            found.server.after = after
            found.applied(lost())
            await found.server.until(lambda: "appliedGeneration" in found.status, 5)
            assert "status of this object was lost" in messages[0]
            assert not [text for text in messages if "first time" in text]

    asyncio.run(act())


@pytest.mark.parametrize("about", [{}, {"suspend": True}])
def test_new_object_has_a_status_before_it_has_the_finalizer(about: dict[str, Any]) -> None:
    async def act() -> None:
        async with running_controller() as found:
            seen: list[bool] = []

            async def after(_request: web.Request) -> None:
                document = found.server.objects[KEY]
                if names.FINALIZER in document["metadata"].get("finalizers", ()):
                    seen.append(is_status_lost(document))

            found.server.after = after
            found.applied(configured({"a": "1"}, finalizers=[], status={"observedGeneration": -1}, **about))
            await found.server.until(lambda: "lastObservedTime" in found.status, 5)
            assert seen
            assert not any(seen)

    asyncio.run(act())


INCOMPLETE: dict[str, Any] = {"observedGeneration": 1, "region": "eu-west-1", "conditions": []}


@pytest.mark.parametrize(
    "status",
    [{}, {**INCOMPLETE, "statusLost": True}, INCOMPLETE, {**INCOMPLETE, "appliedGeneration": 1, "statusLost": True}],
)
def test_removed_parameter_that_status_does_not_list_waits_for_silent_watches(status: dict[str, Any]) -> None:
    async def act() -> None:
        async with running_controller() as found:
            asked: list[str] = []
            known_until = found.controller.moves.known_until

            def answer(version: str) -> float | None:
                asked.append(version)
                return known_until(version)

            found.controller.moves.known_until = answer
            found.fake.store["/app/b"] = Thing(name="/app/b", owner=OWNER.tag, value="1", version=2)
            found.applied(configured({"a": "1"}, metadata=WITHOUT_STATUS, generation=2, status=status))
            await found.server.until(lambda: found.status.get("appliedGeneration") == 2, 5)
            assert found.fake.values == {"/app/a": "1"}
            assert all(asked)

    asyncio.run(act())


def test_status_that_was_erased_is_restored_at_once() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "declared"}))
            await found.server.until(lambda: found.reason == "InSync", 5)
            found.deliver("MODIFIED", found.server.objects[KEY])
            for _ in range(2):
                found.server.objects[KEY] = {**found.server.objects[KEY], "status": {"observedGeneration": -1}}
                found.deliver("MODIFIED", found.server.objects[KEY])
                await found.server.until(lambda: found.reason == "InSync", 5)
                found.deliver("MODIFIED", found.server.objects[KEY])
            assert found.fake.writes == ["put /app/a"]

    asyncio.run(act())
