"""What is about to be created stands in status before it is created, so that a death in between costs no rollback."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from tests.engine.shelf import Shelf, Stage
from tests.engine.test_rollback import stable
from tests.engine.toy import Thing
from tests.kube.apiserver import status
from tests.kube.desk import KEY, configured, desk

from dynconfig.engine.reconcile import Engine


class WatchedShelf(Shelf):
    """A shelf that notes what status lists when something is put."""

    listed: Any = ()

    def put(self, desired: Thing, observed: Thing | None) -> Thing:
        """Note it first."""
        if observed is None:
            self.calls.append(f"listed {self.listed()}")
        return super().put(desired, observed)


def before(stage: Stage) -> WatchedShelf:
    """The AWS of a stage, watched."""
    return WatchedShelf(store=stage.shelf.store, kept=stage.shelf.kept, labelled=stage.shelf.labelled)


@pytest.mark.parametrize("refused", [[], [403], [409], [503]])
def test_status_lists_a_creation_before_it_is_made(refused: list[int]) -> None:
    stage = stable()
    shelf = before(stage)
    engine = Engine(lambda _place: (shelf, stage.bell), lambda _place: shelf)

    async def refusing(request: web.Request) -> web.Response | None:
        return status(refused.pop(), "not now") if request.method == "PATCH" and refused else None

    async def act() -> None:
        async with desk(engine=engine) as found:
            shelf.listed = lambda: found.status.get("createdSinceStable")
            edited = configured(
                {"a": "2", "b": "1", "c": "1"}, generation=2, status=stage.status, rollout={"bakeTime": "10m"}
            )
            found.server.put(edited)
            found.server.before = refusing if refused else None
            found.says("MODIFIED", edited)
            await found.server.until(lambda: "/app/c" in str(found.server.objects[KEY]["status"].get("parameters")))

    asyncio.run(act())
    assert [call for call in shelf.calls if call.startswith("listed")] == ["listed ['/app/c']"]
