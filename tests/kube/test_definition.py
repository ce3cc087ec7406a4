"""Objects that go with their definition leave AWS as it is: nobody asked for what they own to be deleted."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.desk import GOING, configured, desk

from dynconfig.kube.answers import DEFINITIONS

Answer = Callable[[], web.Response]


def definitions(*metadata: dict[str, str]) -> Answer:
    """How the API server lists definitions."""
    return lambda: web.json_response({"metadata": {}, "items": [{"metadata": item} for item in metadata]})


def left_in_aws(answer: Answer) -> tuple[list[str], dict[str, str]]:
    """What the deletion of an object wrote, and the owners of what is there afterwards."""

    async def before(request: web.Request) -> web.Response | None:
        return answer() if request.path == DEFINITIONS else None

    async def act() -> tuple[list[str], dict[str, str]]:
        async with desk() as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            found.server.before = before
            found.toy.calls.clear()
            (going,) = found.server.objects.values()
            going["metadata"]["deletionTimestamp"] = GOING
            found.says("MODIFIED", going)
            await found.server.until(lambda: not found.server.objects)
            return found.toy.writes, {name: thing.owner for name, thing in found.toy.store.items()}

    return asyncio.run(act())


def test_nothing_is_deleted_in_aws_while_the_definition_goes() -> None:
    writes, owners = left_in_aws(definitions({"name": "dynamicconfigs.dynconfig.dev", "deletionTimestamp": GOING}))
    assert writes == ["release /app/a"]
    assert owners == {"/app/a": ""}


@pytest.mark.parametrize(
    "answer", [definitions({"name": "dynamicconfigs.dynconfig.dev"}), definitions(), lambda: status(403, "forbidden")]
)
def test_else_an_object_takes_along_what_it_owns(answer: Answer) -> None:
    assert left_in_aws(answer) == (["delete /app/a"], {})
