"""A failure in a reconcile is a condition of that object, and affects no other object."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import FakeKind, declared
from tests.kube.apiserver import status
from tests.kube.controller_harness import GOING, KEY, configured, running_controller

from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kube.client import Document
from dynconfig.kube.metrics import Metrics
from dynconfig.model.declaration import Declaration
from dynconfig.model.timestamps import timestamp

CANARY = "-".join(("canary", "value"))
MISSING = {"name": "a", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "a"}}}


class Broken(Engine):
    """An engine with a bug that quotes a value."""

    def __init__(self, kind: FakeKind) -> None:
        super().__init__(lambda _place: (kind,))
        self.is_broken = True

    def run(self, declaration: Declaration, *about: Any) -> Outcome:
        """Fail for one object, until it is mended."""
        if self.is_broken and declaration.owner.name == KEY.name:
            raise KeyError(CANARY)
        return super().run(declaration, *about)


def named(found: Document, name: str) -> Document:
    """The object under another name."""
    return {**found, "metadata": {**found["metadata"], "name": name, "uid": f"uid-{name}"}}


@pytest.mark.parametrize("metadata", [{}, {"deletionTimestamp": GOING}], ids=["lives", "deleted"])
def test_bug_is_reported_in_a_condition_and_affects_no_other_object(
    metadata: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def act() -> None:
        async with running_controller(engine=Broken(FakeKind())) as found:
            broken = configured({"a": "1"}, metadata=metadata)
            other = named(configured({"b": "1"}), "other")
            for each in (broken, other):
                found.server.put(each)
                found.deliver("ADDED", each)
            await found.server.until(lambda: found.reason == "InternalError" and "Warning" in str(found.server.events))
            ready = found.status["conditions"][0]
            assert ready["status"] == "Unknown"
            assert "KeyError in" in ready["message"]
            assert CANARY not in ready["message"]
            assert ("failingSince" in found.status) is bool(metadata)
            (key,) = (key for key in found.server.objects if key.name == "other")
            await found.server.until(lambda: "InSync" in str(found.server.objects[key].get("status")))
            assert [event["reason"] for event in found.server.events if event["type"] == "Warning"] == ["InternalError"]

    with caplog.at_level(logging.ERROR):
        asyncio.run(act())
    assert "in run" in caplog.text
    assert CANARY not in caplog.text


def test_object_recovers_when_the_bug_is_fixed() -> None:
    async def act() -> None:
        engine = Broken(FakeKind())
        async with running_controller(engine=engine) as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InternalError")
            engine.is_broken = False
            await found.server.until(lambda: found.reason == "InSync")

    asyncio.run(act())


def test_reconcile_that_cannot_be_reported_is_logged_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Metrics):
        """Fails once."""

        failures = 0

        def reconciled(self, reason: str, seconds: float) -> None:
            """Fail at the first time."""
            self.failures += 1
            if self.failures == 1:
                raise ValueError("a bug")
            super().reconciled(reason, seconds)

    async def act() -> None:
        metrics = Failing(lambda: 0.0, dict, dict, tuple)
        async with running_controller(metrics=metrics) as found:
            found.applied(configured({"a": "1"}))
            async with asyncio.timeout(10.0):
                while metrics.failures < 2:
                    await asyncio.sleep(0.01)

    with caplog.at_level(logging.ERROR):
        asyncio.run(act())
    assert "Reporting the status of" in caplog.text


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"deletionPolicy": "Orphan", "parameters": {"a": "1"}}, {"parameters": "none"}),
        ({"function": "reader", "region": 7, "suspend": "perhaps"}, {"drift": [1], "conditions": {"type": "Ready"}}),
        (None, {"observedGeneration": "1", "resources": [{"kind": 1}], "failingSince": "long ago"}),
    ],
)
def test_object_with_an_unparsable_spec_is_deleted(spec: Any, status: Any) -> None:
    async def act() -> None:
        async with running_controller() as found:
            misfit = {**configured({}, metadata={"deletionTimestamp": GOING}), "spec": spec, "status": status}
            found.server.put(misfit)
            found.deliver(None, misfit)
            await found.server.until(lambda: not found.server.objects)

    asyncio.run(act())


def test_object_with_an_unparsable_spec_can_be_abandoned() -> None:
    async def act() -> None:
        async with running_controller(engine=Broken(FakeKind())) as found:
            metadata = {"deletionTimestamp": GOING}
            misfit = configured(
                {}, metadata=metadata, annotations={names.ABANDON: "true"}, parameters=[7, {"name": "a"}]
            )
            found.server.put(misfit)
            found.deliver(None, misfit)
            await found.server.until(lambda: not found.server.objects)
            assert "/app/a" in found.server.events[0]["message"]

    asyncio.run(act())


def test_status_that_is_too_large_is_shortened() -> None:
    async def act() -> None:
        async with running_controller() as found:
            odd = configured({"a": "1"}, status={"drift": "none", "parameters": [7], "lastObservedTime": 7})
            found.server.put(odd)
            found.deliver(None, odd)
            await found.server.until(lambda: found.reason == "InSync")
            assert "drift" not in found.status
            assert [item["name"] for item in found.status["parameters"]] == ["/app/a"]

    asyncio.run(act())


def test_status_is_written_before_the_first_aws_write() -> None:
    async def act() -> None:
        reported: list[str] = []

        class Slow(FakeKind):
            def put(self, desired: Any, observed: Any) -> Any:
                reported.append(found.reason)
                return super().put(desired, observed)

        fake = Slow()
        async with running_controller(engine=fake.engine()) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            assert reported == ["Applying"]

    asyncio.run(act())


def test_missing_source_is_an_event_at_once_and_stalls_after_five_minutes() -> None:
    async def act() -> None:
        now = [time.time()]
        async with running_controller(now=lambda: now[0]) as found:
            found.applied(configured({}, finalizers=[], parameters=[MISSING]))
            await found.server.until(lambda: found.reason == "SourceMissing" and bool(found.server.events))
            assert found.status["conditions"][0]["status"] == "Unknown"
            assert found.server.events[0]["type"] == "Warning"
            assert "parameter a: ConfigMap flags does not exist" in found.server.events[0]["message"]
            now[0] += 301
            found.controller.requeue(KEY)
            await found.server.until(lambda: found.status["conditions"][0]["status"] == "False")
            assert found.status["conditions"][1]["type"] == "Stalled"
            assert len(found.server.events) == 1
            assert found.status["failingSince"] < found.status["conditions"][0]["lastTransitionTime"]

    asyncio.run(act())


def test_waiting_for_a_source_does_not_count_as_failing_deletion() -> None:
    async def act() -> None:
        now = [time.time()]
        async with running_controller(now=lambda: now[0], engine=Broken(FakeKind())) as found:
            waiting = configured({}, parameters=[MISSING])
            found.applied(waiting)
            await found.server.until(lambda: found.reason == "SourceMissing")
            now[0] += 4000
            found.server.objects[KEY]["metadata"]["deletionTimestamp"] = GOING
            found.deliver("MODIFIED", found.server.objects[KEY])
            await found.server.until(lambda: found.reason == "InternalError")
            assert found.status["failingSince"] == timestamp(now[0])
            now[0] += 3600
            found.controller.requeue(KEY)
            await found.server.until(lambda: found.reason == "DeletionFailing")

    asyncio.run(act())


@pytest.mark.parametrize("limit", [900, 0], ids=["a short one fits", "none fits"])
def test_object_with_a_rejected_status_is_deleted_at_normal_speed(limit: int) -> None:
    async def act() -> None:
        async def refuse(request: web.Request) -> web.Response | None:
            if request.path.endswith("/status") and len(await request.text()) > limit:
                return status(500, "etcdserver: request is too large")
            return None

        async with running_controller() as found:
            values = {f"p{number}": "1" for number in range(20)}
            found.fake.engine().run(declared(values))
            found.server.before = refuse
            going = configured(values, metadata={"deletionTimestamp": GOING})
            found.server.put(going)
            found.deliver(None, going)
            await found.server.until(lambda: not found.server.objects, 5)
            assert found.fake.store == {}

    asyncio.run(act())


def test_finalizer_is_removed_from_an_invalid_object() -> None:
    async def act() -> None:
        async def refuse(request: web.Request) -> web.Response | None:
            # As the API server does for each write of an object that has a number where the CRD has a string.
            if request.method == "PATCH" and "parameters" not in json.loads(await request.text()).get("spec", {}):
                return status(422, "spec.parameters[0]: invalid data, expected string, got int64 evaluating rule")
            return None

        async with running_controller() as found:
            found.server.before = refuse
            going = configured({}, metadata={"deletionTimestamp": GOING}, parameters=[{"name": "a", "value": 7}])
            found.server.put(going)
            found.deliver(None, going)
            await found.server.until(lambda: not found.server.objects)

    asyncio.run(act())
