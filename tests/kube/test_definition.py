"""Deleting the CRD keeps the AWS resources of its objects."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.controller_harness import GOING, configured, running_controller

from dynconfig.kube.responses import DEFINITIONS

Answer = Callable[[], web.Response]


def definitions(*metadata: dict[str, str]) -> Answer:
    """How the API server lists definitions."""
    return lambda: web.json_response({"metadata": {}, "items": [{"metadata": item} for item in metadata]})


def left_in_aws(answer: Answer) -> tuple[list[str], dict[str, str]]:
    """Delete an object; return the AWS writes and the owners of the remaining resources."""

    async def before(request: web.Request) -> web.Response | None:
        return answer() if request.path == DEFINITIONS else None

    async def act() -> tuple[list[str], dict[str, str]]:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            found.server.before = before
            found.fake.calls.clear()
            (going,) = found.server.objects.values()
            going["metadata"]["deletionTimestamp"] = GOING
            found.deliver("MODIFIED", going)
            await found.server.until(lambda: not found.server.objects)
            return found.fake.writes, {name: thing.owner for name, thing in found.fake.store.items()}

    return asyncio.run(act())


NAME = "dynamicconfigs.dynconfig.dev"
EARLIER, LATER = "2027-01-15T07:59:59Z", "2027-01-15T08:00:01Z"


@pytest.mark.parametrize(
    "definition",
    [
        {"name": NAME, "creationTimestamp": EARLIER, "deletionTimestamp": GOING},
        {"name": NAME, "creationTimestamp": LATER},
        {"name": NAME, "creationTimestamp": GOING},
    ],
    ids=["leaves", "was-created-again", "was-created-again-at-once"],
)
def test_deleting_the_crd_keeps_aws_resources(definition: dict[str, str]) -> None:
    writes, owners = left_in_aws(definitions(definition))
    assert writes == ["release /app/a"]
    assert owners == {"/app/a": ""}


@pytest.mark.parametrize(
    "answer",
    [definitions({"name": NAME, "creationTimestamp": EARLIER}), definitions(), lambda: status(403, "forbidden")],
)
def test_deleting_the_object_deletes_its_aws_resources(answer: Answer) -> None:
    assert left_in_aws(answer) == (["delete /app/a"], {})
