"""Nothing about a deleted object stays in memory, wherever the controller keeps its state."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.kube.controller_harness import GOING, KEY, ControllerHarness, configured, running_controller
from tests.kube.test_kept_memory import kept

from dynconfig.events.signals import Signal
from dynconfig.kube import work_queue
from dynconfig.kube.client import Kube
from dynconfig.model.key import Key
from dynconfig.model.writes import PUT

UID = "uid-of-the-deleted"
REGION = "eu-west-1"
PATIENCE = 5.0
OTHERS = "arn:other"
SECRET = {"name": "b", "valueFrom": {"secretKeyRef": {"name": "missing", "key": "k"}}}


@pytest.fixture(autouse=True)
def without_outdated_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work queue may keep a limited number of places of deleted objects, whatever else is queued; here it keeps none."""
    monkeypatch.setattr(work_queue, "FEW_OUTDATED", -1_000_000)


def traces(root: object) -> list[str]:
    """The places that name the object in all data reachable from the controller, each as the path from the root."""
    seen, left, found = set[int](), [(root, "")], list[str]()
    while left:
        item, way = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if item in (KEY, KEY.name, str(KEY)) or (isinstance(item, str) and UID in item):
            found.append(f"{way}: {item!r}")
        left += [(part, f"{way}/{name}") for name, part in _parts(item)]
    return sorted(found)


def _parts(item: object) -> Iterator[tuple[str, object]]:
    module = type(item).__module__.partition(".")[0]
    if isinstance(item, Mapping):
        for key, part in tuple(item.items()):
            yield from ((str(key)[:30], each) for each in (key, part))
    elif module in ("dynconfig", "prometheus_client") and not isinstance(item, Kube | type):
        yield from ((type(item).__name__, part) for part in gc.get_referents(item) if not isinstance(part, type))
    elif module in ("builtins", "collections") and hasattr(item, "__iter__") and not isinstance(item, str | bytes):
        yield from (("", part) for part in gc.get_referents(item) if not isinstance(part, type))


def kept_state(found: ControllerHarness) -> Mapping[str, object]:
    """The state of the controller, the engine, the metrics and the recorder of Events."""
    return {**kept(found.controller), "recorder": found.controller._deps.recorder}


def unchanged(_found: ControllerHarness) -> None:
    """Nothing happens before the deletion."""


def drifted(found: ControllerHarness) -> None:
    """A parameter is changed by hand, and an event reports it."""
    found.fake.by_hand("/app/a")
    found.controller.router.route([Signal(REGION, 1.8e9, PUT, parameters=("/app/a",), request="r-1")])


def edited(found: ControllerHarness) -> None:
    """Declare one parameter less."""
    document = found.server.objects[KEY]
    document["metadata"]["generation"] = 2
    document["spec"]["parameters"] = document["spec"]["parameters"][:1]
    found.deliver("MODIFIED", document)


@dataclass(frozen=True)
class Case:
    """The history of an object before its deletion."""

    reason: str
    happens: Callable[[ControllerHarness], None] = unchanged
    about: Mapping[str, Any] = field(default_factory=dict)
    is_taken: bool = False


CASES = {
    "in sync": Case("InSync"),
    "drifted": Case("InSync", drifted),
    "reported": Case("InSync", drifted, {"driftPolicy": "Report"}),
    "edited": Case("InSync", edited),
    "source missing": Case("SourceMissing", about={"parameters": [SECRET]}),
    "owned by another": Case("NotOwned", is_taken=True),
    "invalid": Case("InvalidSpec", about={"region": "zz-nowhere-1"}),
    "suspended": Case("Suspended", about={"suspend": True}),
}


@pytest.mark.parametrize("is_current", [True, False], ids=["the watch is current", "the watch lags"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_deleted_object_leaves_no_state(case: Case, *, is_current: bool) -> None:
    async def act() -> None:
        async with running_controller() as found:
            if case.is_taken:
                found.fake.by_hand("/app/a", owner=OTHERS)
            found.applied(configured({"a": "1", "z": "2"}, uid=UID, **case.about))
            await found.server.until(lambda: found.reason == case.reason)
            assert any(UID in trace for trace in traces(kept_state(found)))
            case.happens(found)
            going = found.server.objects[KEY]
            going["metadata"]["deletionTimestamp"] = GOING
            going["spec"]["suspend"] = False
            found.deliver("MODIFIED", going)
            await found.server.until(lambda: KEY not in found.server.objects)
            if is_current:
                found.deliver("DELETED", going)
            assert await without_traces(found) == []

    asyncio.run(act())


def test_state_of_other_objects_stays() -> None:
    other = Key(KEY.namespace, "other")

    async def act() -> None:
        async with running_controller() as found:
            stays = configured({"b": "1"}, uid="uid-2", metadata={"name": other.name}, path="/other")
            for document in (configured({"a": "1"}, uid=UID), stays):
                found.applied(document)
            await found.server.until(
                lambda: all("InSync" in str(item.get("status")) for item in found.server.objects.values())
            )
            going = found.server.objects[KEY]
            going["metadata"]["deletionTimestamp"] = GOING
            found.deliver("MODIFIED", going)
            await found.server.until(lambda: KEY not in found.server.objects)
            assert await without_traces(found) == []
            assert found.controller.existing().uids == {"uid-2"}

    asyncio.run(act())


async def without_traces(found: ControllerHarness) -> list[str]:
    """The remaining state after the last reconcile."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while (left := traces(kept_state(found))) and loop.time() < until:
        await asyncio.sleep(0.02)
    return left
