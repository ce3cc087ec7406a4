"""Objects that wait for an AWS quota: their order, their status, and the number of its writes."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from tests.engine.fake_kind import FakeKind, Thing, declared
from tests.kube.apiserver import Document
from tests.kube.controller_harness import KEY, configured, running_controller

from dynconfig.aws.quota import Quota
from dynconfig.engine.outcome import Outcome
from dynconfig.kube.quota_reports import REPORT_SECONDS, QuotaReports
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.quota_wait import QuotaWait

PUT = "ssm.PutParameter"
WAITING = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "Unknown", "reason": "Throttled"}]}


@dataclass
class LimitedKind(FakeKind):
    """A kind whose writes wait for the quota."""

    quota: Quota | None = None
    written: Callable[[], object] = lambda: None

    def put(self, desired: Thing, observed: Thing | None) -> Thing:
        """Write as soon as the quota allows it."""
        assert self.quota is not None
        self.quota.acquire("eu-west-1", PUT)
        try:
            return super().put(desired, observed)
        finally:
            self.written()


def of(key: Key, count: int) -> Document:
    found = configured({f"p{number}": "1" for number in range(count)}, uid=f"uid-{key}")
    found["metadata"].update(namespace=key.namespace, name=key.name)
    found["spec"]["path"] = f"/{key.namespace}/{key.name}"
    return found


def message(document: Document) -> str:
    conditions = (document.get("status") or {}).get("conditions") or [{}]
    return str(conditions[0].get("message", ""))


def reason(document: Document) -> str:
    conditions = (document.get("status") or {}).get("conditions") or [{}]
    return str(conditions[0].get("reason", ""))


def test_object_that_is_turned_away_says_so_and_continues_when_others_are_done() -> None:
    async def act() -> None:
        quota = Quota(time.monotonic, time.sleep, groups=(Group("put", (PUT,), 5.0),), workers=2)
        fake = LimitedKind(quota=quota)
        async with running_controller(engine=fake.engine(), quota=quota) as found:
            seen: list[str] = []
            keys = [Key("busy", "large"), Key("busy", "other")]

            async def record(_request: web.Request) -> None:
                seen.extend(message(document) for document in found.server.objects.values())

            found.server.after = record
            for key in keys:
                found.applied(of(key, 25))
                await found.server.until(lambda key=key: message(found.server.objects[key]) != "")  # type: ignore[misc]
            await found.server.until(
                lambda: all(reason(found.server.objects[key]) == "InSync" for key in keys), seconds=60.0
            )
            assert [text for text in seen if text.startswith(f"Waiting for AWS quota of {PUT} (5/s), ")]
            # The first one may also have been turned away, once, before the other had a place.
            assert fake.calls.count("observe") <= 6

    asyncio.run(act())


def test_small_edit_of_another_namespace_does_not_wait_for_a_large_object() -> None:
    async def act() -> None:
        quota = Quota(time.monotonic, time.sleep, groups=(Group("put", (PUT,), 5.0),), workers=2)
        fake = LimitedKind(quota=quota)
        async with running_controller(engine=fake.engine(), quota=quota) as found:
            large, small = Key("busy", "large"), Key("shop", "small")
            loop = asyncio.get_running_loop()
            fake.written = lambda: loop.call_soon_threadsafe(found.server.changed.set)
            found.applied(of(large, 60))
            await found.server.until(lambda: len(fake.store) >= 25, seconds=30.0)
            found.applied(of(small, 1))
            await found.server.until(lambda: reason(found.server.objects[small]) == "InSync", seconds=30.0)
            assert len(fake.store) <= 35

    asyncio.run(act())


def throttled(declaration: Any = None, **more: Any) -> Outcome:
    wait = QuotaWait(PUT, 3.0, 240.0)
    return Outcome(declaration or declared({"a": "1"}), stopped=Throttled(str(wait), wait=wait), **more)


class Reports:
    """The reports of one object with a manual clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self._reports = QuotaReports(lambda: self.now, ObjectState[Key]())

    def is_due(
        self,
        outcome: Outcome,
        status: Document | None = None,
        requested_at: str | None = None,
        *,
        is_background: bool = False,
    ) -> bool:
        previous = PreviousStatus.of(WAITING if status is None else status)
        return self._reports.is_due(KEY, outcome, previous, requested_at, is_background=is_background)


def test_waiting_object_is_reported_at_once_and_then_every_ten_seconds() -> None:
    reports = Reports()
    assert reports.is_due(throttled(), {})
    times = []
    for _ in range(100):
        reports.now += 0.5
        if reports.is_due(throttled()):
            times.append(reports.now)
    assert times == [100.0 + REPORT_SECONDS * number for number in range(1, 6)]


def test_news_about_a_waiting_object_is_reported_at_once() -> None:
    reports = Reports()
    assert reports.is_due(throttled())
    assert not reports.is_due(throttled())
    edited = replace(declared({"a": "1"}), generation=2)
    assert reports.is_due(throttled(edited))
    assert reports.is_due(throttled(), requested_at="now")
    assert reports.is_due(Outcome(declared({"a": "1"})))
    assert reports.is_due(Outcome(declared({"a": "1"}), stopped=Throttled("Rate exceeded")))


def test_waiting_resync_of_an_object_in_sync_is_not_reported() -> None:
    reports = Reports()
    ready = {"type": "Ready", "status": "True", "reason": "InSync", "observedGeneration": 1}
    in_sync = {"observedGeneration": 1, "conditions": [ready]}
    assert not reports.is_due(throttled(), in_sync, is_background=True)
    assert not reports.is_due(throttled(), in_sync, is_background=True)
    # A changed Secret, an earlier generation, a failure, and writes that wait are.
    assert reports.is_due(throttled(), in_sync)
    for other in ({"status": "False"}, {"observedGeneration": 7}):
        assert Reports().is_due(throttled(), {**in_sync, "conditions": [{**ready, **other}]}, is_background=True)
    assert Reports().is_due(replace(throttled(), was_observed=True), in_sync, is_background=True)
