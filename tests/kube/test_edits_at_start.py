"""An edit that reaches the API server while a new object is accepted is reconciled at once, and not taken for the first state."""

import asyncio
from typing import Any

from aiohttp import web
from tests.kube.controller_harness import KEY, ControllerHarness, configured, running_controller

NEW: dict[str, Any] = {"finalizers": []}


def edit(found: ControllerHarness) -> None:
    """Store a second generation."""
    edited = configured({"a": "new"}, generation=2, metadata={**NEW, "resourceVersion": "2"})
    edited["status"] = found.server.objects[KEY].get("status", {})
    found.server.put(edited)


def edit_during_acceptance(found: ControllerHarness) -> None:
    """Edit right before the first write to status; the watch lags and delivers the edit after the second one."""
    writes = 0

    def is_status(request: web.Request) -> bool:
        return request.method == "PATCH" and request.path.endswith("/status")

    async def before(request: web.Request) -> None:
        if is_status(request) and writes == 0:
            edit(found)

    async def after(request: web.Request) -> None:
        nonlocal writes
        writes += is_status(request)
        if is_status(request) and writes == 2:
            found.deliver("MODIFIED", found.server.objects[KEY])

    found.server.before, found.server.after = before, after


async def settled(found: ControllerHarness) -> None:
    """Wait for the second generation."""
    await found.server.until(lambda: found.status.get("observedGeneration") == 2 and found.reason == "InSync", 5)
    assert found.fake.values == {"/app/a": "new"}


def test_edit_before_the_first_reconcile_replaces_the_created_object() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "old"}, metadata=NEW))
            edit(found)
            found.deliver("MODIFIED", found.server.objects[KEY])
            await settled(found)
            assert found.fake.writes == ["put /app/a"]

    asyncio.run(act())


def test_edit_while_the_object_is_accepted_is_reconciled() -> None:
    async def act() -> None:
        async with running_controller() as found:
            edit_during_acceptance(found)
            found.applied(configured({"a": "old"}, metadata=NEW))
            await settled(found)

    asyncio.run(act())


def test_edit_while_the_place_of_an_invalid_object_is_recorded_is_reconciled() -> None:
    async def act() -> None:
        async with running_controller() as found:
            edit_during_acceptance(found)
            invalid = configured({"a": "old"}, metadata=NEW, adoptionPolicy="IfUnowned")
            invalid["spec"]["parameters"][0]["name"] = "a b"
            found.applied(invalid)
            await settled(found)

    asyncio.run(act())
