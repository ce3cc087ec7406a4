"""Planned creations are recorded in status first, so that a crash in between does not prevent their rollback."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import Thing
from tests.kube.apiserver import status
from tests.kube.controller_harness import KEY, configured, running_controller
from tests.rollout.rollout_harness import FakeVersionedKind, RolloutHarness
from tests.rollout.test_rollback import stable

from dynconfig.engine.reconcile import Engine


class WatchedVersionedKind(FakeVersionedKind):
    """A versioned kind that records what status lists at each put."""

    listed: Any = ()

    def put(self, desired: Thing, observed: Thing | None) -> Thing:
        """Record the status first."""
        if observed is None:
            self.calls.append(f"listed {self.listed()}")
        return super().put(desired, observed)


def before(harness: RolloutHarness) -> WatchedVersionedKind:
    """The AWS of a harness, watched."""
    return WatchedVersionedKind(
        store=harness.versioned.store, kept=harness.versioned.kept, labelled=harness.versioned.labelled
    )


@pytest.mark.parametrize("refused", [[], [403], [409], [503]])
def test_status_lists_a_resource_before_it_is_created(refused: list[int]) -> None:
    harness = stable()
    versioned = before(harness)
    engine = Engine(lambda _place: (versioned, harness.alarm), lambda _place: versioned)

    async def refusing(request: web.Request) -> web.Response | None:
        return status(refused.pop(), "not now") if request.method == "PATCH" and refused else None

    async def act() -> None:
        async with running_controller(engine=engine) as found:
            versioned.listed = lambda: found.status.get("createdSinceStable")
            edited = configured(
                {"a": "2", "b": "1", "c": "1"}, generation=2, status=harness.status, rollout={"bakeTime": "10m"}
            )
            found.server.put(edited)
            found.server.before = refusing if refused else None
            found.deliver("MODIFIED", edited)
            await found.server.until(lambda: "/app/c" in str(found.server.objects[KEY]["status"].get("parameters")))

    asyncio.run(act())
    assert [call for call in versioned.calls if call.startswith("listed")] == ["listed ['/app/c']"]
