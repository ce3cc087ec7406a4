"""A lost status stays known as lost until AWS has been observed: what others changed is reported, not overwritten."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import OWNER, Thing
from tests.kube.apiserver import status
from tests.kube.controller_harness import KEY, ControllerHarness, configured, running_controller

from dynconfig.api import names

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
            await found.server.until(lambda: found.status.get("observedGeneration", 0) > 0, 5)
            drifted = [item for item in found.status["conditions"] if item["type"] == "Drifted"]
            assert [item["status"] for item in drifted] == ["True"]
            assert (found.fake.values, found.fake.writes) == ({"/app/a": "theirs"}, [])

    asyncio.run(act())
