"""Rejected API writes are reported in status if possible, and logged once."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.controller_harness import KEY, configured, running_controller

from dynconfig.api import names
from dynconfig.validation.tenancy import Tenant

SEEN = {"lastObservedTime": "2027-01-15T08:00:00Z"}
IS_REFUSED = "is forbidden"


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages logged as errors."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def has(items: list[str], least: int) -> Callable[[], bool]:
    """Whether there are this many."""
    return lambda: len(items) >= least


def test_object_deleted_before_its_status_is_written_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    asked = list[str]()

    async def act() -> None:
        async with running_controller() as found:

            async def vanish(request: web.Request) -> web.Response | None:
                asked.append(request.method)
                if request.method == "PATCH" and request.path.endswith("/status"):
                    found.server.objects.clear()
                return None

            found.server.before = vanish
            found.applied(configured({"a": "1"}, finalizers=[names.FINALIZER]))
            await found.server.until(lambda: "GET" in asked[asked.index("PATCH") :] if "PATCH" in asked else False)

    asyncio.run(act())
    assert errors(caplog) == []


def test_rejected_finalizer_is_reported_in_status(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        async with running_controller() as found:

            async def refuse(request: web.Request) -> web.Response | None:
                is_refused = request.method == "PATCH" and not request.path.endswith("/status")
                return status(403, IS_REFUSED) if is_refused else None

            found.server.before = refuse
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "AccessDenied")
            assert IS_REFUSED in found.status["conditions"][0]["message"]
            assert not found.fake.store

    asyncio.run(act())
    assert errors(caplog) == []


def test_rejected_status_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    refused = list[str]()

    async def act() -> None:
        async with running_controller() as found:

            async def refuse(request: web.Request) -> web.Response | None:
                if request.method != "PATCH" or not request.path.endswith("/status"):
                    return None
                refused.append(request.path)
                return status(403, IS_REFUSED)

            found.server.before = refuse
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: len(refused) >= 5)

    asyncio.run(act())
    (message,) = errors(caplog)
    assert IS_REFUSED in message


def test_object_with_a_rejected_finalizer_is_reconciled_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    refused = list[str]()

    async def act() -> None:
        async with running_controller() as found:

            async def refuse(request: web.Request) -> web.Response | None:
                if request.method == "PATCH" and names.FINALIZER in json.dumps((await request.json())["metadata"]):
                    refused.append(request.path)
                    return status(422, "spec.region: Invalid value")
                return None

            found.server.before = refuse
            found.applied({**configured({"a": "1"}, finalizers=[]), "status": SEEN})
            await found.server.until(lambda: found.reason == "InSync")
            for number in (2, 3):
                found.controller.requeue(KEY)
                await found.server.until(has(refused, number))

    asyncio.run(act())
    (message,) = errors(caplog)
    assert "cannot add the finalizer" in message


@pytest.mark.parametrize(
    "given",
    [
        {"tenant_of": lambda namespace: Tenant(namespace, is_trusted=False)},
        {"spec": {"region": "nowhere-1"}},
        {"allowed_regions": ("us-east-1",), "spec": {"region": "eu-west-1"}},
        {"spec": {"alarms": {"notify": ["arn:aws:sns:us-east-1:123456789012:x"]}}},
        {"spec": {"resyncInterval": 7}},
    ],
    ids=["path", "unknown region", "region", "topic", "structure"],
)
def test_no_source_is_read_for_an_object_denied_in_its_namespace(given: dict[str, Any]) -> None:
    """What needs no value is checked before a Secret or ConfigMap is read, and a change of one reconciles nothing."""
    asked = list[str]()
    spec = given.pop("spec", {})
    parameters = [
        {"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "b", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ]

    async def act() -> None:
        async with running_controller(**given) as found:

            async def record(request: web.Request) -> web.Response | None:
                asked.append(request.path)
                return None

            found.server.before = record
            found.applied(configured({}, parameters=parameters, **spec))
            await found.server.until(lambda: bool(found.reason))
            assert found.reason in ("PathNotAllowed", "NotAllowed", "InvalidSpec")
            for ref in (("Secret", KEY.namespace, "s"), ("ConfigMap", KEY.namespace, "c")):
                assert not found.controller.references.is_referenced(ref)

    asyncio.run(act())
    assert not [path for path in asked if "/secrets/" in path or "/configmaps/" in path]
