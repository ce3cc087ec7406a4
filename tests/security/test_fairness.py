"""The CPU time that one tenant can use, and that others are served meanwhile: the real controller, no AWS."""

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from tests.cpu import cpu_time
from tests.engine.fake_kind import document
from tests.kube.controller_harness import configured, running_controller

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.validation import checking, inspection
from dynconfig.validation import declare as declaring
from dynconfig.validation.declare import faults, parse_spec


def slow(count: int) -> list[dict[str, Any]]:
    """Parameters that each use the maximum time of a JSON Schema."""
    schema = {"type": "json", "jsonSchema": {"allOf": [{"items": {"type": "integer"}}] * 450}}
    value = json.dumps([1] * 4000, separators=(",", ":"))
    return [{"name": f"p{number}", "value": value, "tier": "Advanced", "schema": schema} for number in range(count)]


def test_one_object_is_validated_no_longer_than_its_limit() -> None:
    rules = [{"rule": f"[1, 2, 3].all(a, a > {-number})"} for number in range(64)]
    with cpu_time() as taken:
        found = faults(document({}, parameters=slow(100), rules=rules), lambda source: None)
    assert found
    # The last started check is completed, and reporting takes time.
    assert taken.ordinary < checking.SECONDS + 1.5


def test_rules_count_towards_the_time_of_the_object(monkeypatch: Any) -> None:
    monkeypatch.setattr(checking, "SECONDS", 0.0)
    monkeypatch.setattr(inspection, "SECONDS", 0.0)
    found = faults(document({}, parameters=[], rules=[{"rule": "1 == 1"}, {"rule": "1 == 2"}]), lambda source: None)
    assert [text.partition(",")[0] for text in found] == ["spec.rules[0]: was not evaluated"]


def test_another_tenant_waits_for_a_few_checks_only() -> None:
    waited: list[int] = []

    async def act() -> None:
        async with running_controller() as found:
            for number in range(30):
                about = {"namespace": "evil", "name": f"o{number}"}
                found.applied(configured({}, uid=f"evil-{number}", metadata=about, parameters=slow(1)))
            await asyncio.sleep(0)
            mine = configured({"a": "1"}, uid="mine")
            found.applied(mine)
            await found.server.until(lambda: found.reason == "InSync", 60)
            done = [key for key, item in found.server.objects.items() if key.namespace == "evil" and reason(item)]
            waited.append(len(done))

    asyncio.run(act())
    assert waited[0] <= 4


def test_specs_are_not_parsed_in_the_event_loop_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []

    def parse(document: Mapping[str, Any]) -> DynamicConfigSpec:
        parsed.append(threading.get_ident())
        return parse_spec(document)

    monkeypatch.setattr(declaring, "parse_spec", parse)

    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InSync")

    asyncio.run(act())
    assert parsed
    assert threading.get_ident() not in parsed


def reason(item: dict[str, Any]) -> str:
    """The reason of an object that is not Ready."""
    conditions = (item.get("status") or {}).get("conditions")
    return str(conditions[0]["reason"]) if conditions else ""
