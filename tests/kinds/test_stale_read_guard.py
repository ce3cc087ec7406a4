"""Stale reads after own writes are not external changes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.wire import answers

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.stale_read_guard import LATE_SECONDS
from dynconfig.model.errors import Conflict
from dynconfig.model.plan import AnyKind

pytestmark = pytest.mark.lab


def spec(value: str) -> dict[str, Any]:
    return {"parameters": [{"name": "one", "value": value}]}


def run(harness: AwsHarness, kind: AnyKind, value: str, **about: Any) -> Outcome:
    return Engine(lambda _place: (kind,)).run(harness.declare(spec(value), **about))


def late(harness: AwsHarness) -> Callable[[dict[str, Any]], None]:
    """Record current responses of SSM, to replay them later."""
    before = harness.aws().get_parameters(Names=[f"{harness.path}/one"], WithDecryption=False)["Parameters"]

    def answer_late(answer: dict[str, Any]) -> None:
        answer["Parameters"] = [dict(item) for item in before]

    return answer_late


def test_stale_read_is_not_drift(harness: AwsHarness) -> None:
    kind = harness.parameters()
    run(harness, kind, "a")
    before = late(harness)
    status = harness.status(run(harness, kind, "b", generation=2))
    with answers(harness, "ssm", "GetParameters", before):
        outcome = run(harness, kind, "b", generation=2, status=status)
    assert isinstance(outcome.error, Conflict)
    assert outcome.error.delay == 1.0
    assert "/one: AWS returned version 1 after version 2 was written (stale read); retrying" in str(outcome.error)
    assert outcome.drift == ()
    assert harness.versions() == {"one": 2}
    assert run(harness, kind, "b", generation=2, status=status).plan.is_empty


def test_older_version_is_accepted_after_ten_seconds(harness: AwsHarness) -> None:
    kind = harness.parameters()
    run(harness, kind, "a")
    before = late(harness)
    run(harness, kind, "b", generation=2)
    harness.clock.now += LATE_SECONDS
    with answers(harness, "ssm", "GetParameters", before):
        assert run(harness, kind, "b", generation=2).error is None
    assert harness.versions() == {"one": 3}


def test_recreated_parameter_is_accepted_at_once(harness: AwsHarness) -> None:
    kind = harness.parameters()
    run(harness, kind, "a")
    run(harness, kind, "b", generation=2)
    name = f"{harness.path}/one"
    tags = harness.aws().list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    harness.aws().delete_parameter(Name=name)
    harness.aws().put_parameter(Name=name, Value="theirs", Type="String", Tags=tags)

    def later(answer: dict[str, Any]) -> None:
        for item in answer["Parameters"]:
            item["LastModifiedDate"] += timedelta(seconds=2)

    with answers(harness, "ssm", "GetParameters", later):
        outcome = run(harness, kind, "b", generation=2)
    assert {because.field for step in outcome.applied for because in step.because} == {"value"}
    assert harness.value("one") == "b"
