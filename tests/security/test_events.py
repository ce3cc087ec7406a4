"""Messages in the event queue: forged ones take no more of the operator's time than an event."""

import json
from typing import Any

import pytest
from tests.cpu import cpu_time
from tests.events.concerned import concerned

from dynconfig.events import signals
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.signals import Signal, Unreadable, parse
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner
from dynconfig.model.writes import PUT

BOUND_SECONDS = 1.0
AT = "2027-01-15T08:00:00Z"


def event(kind: str, **detail: Any) -> str:
    """An AWS event as the queue delivers it."""
    return json.dumps({"detail-type": kind, "region": "eu-west-1", "time": AT, "detail": detail})


def call(**request: Any) -> str:
    """A call that CloudTrail recorded."""
    return event(
        "AWS API Call via CloudTrail", eventSource="ssm.amazonaws.com", eventName="X", requestParameters=request
    )


@pytest.mark.parametrize("name", ["/" * 250_000, "a/" * 120_000, "x" * 250_000])
def test_name_longer_than_any_valid_one_is_ignored(name: str) -> None:
    with pytest.raises(Unreadable):
        parse(event("Parameter Store Change", operation="Update", name=name))
    with pytest.raises(Unreadable):
        parse(event("CloudWatch Alarm State Change", alarmName=name, state={"value": "ALARM"}))


def test_message_larger_than_an_event_is_not_parsed() -> None:
    with pytest.raises(Unreadable):
        parse(event("Parameter Store Change", operation="Update", name="/app/a", padding="x" * 300_000))


def test_call_keeps_only_the_names_that_calls_have() -> None:
    found = parse(call(names=["/app/a", "/" * 100_000, *(f"/app/{number}" for number in range(9_000))]))
    assert found is not None
    assert found.parameters[:2] == ("/app/a", "/app/0")
    assert len(found.parameters) == signals.MOST_PARAMETERS


@pytest.mark.parametrize("name", ["/" * 250_000, "/a" * 100_000])
def test_name_of_many_levels_is_looked_up_as_fast_as_others(name: str) -> None:
    index = ResourceIndex("eu-west-1")
    index.update(Key("shop", "app"), {"spec": {"path": "/app", "parameters": [{"name": "a"}]}, "metadata": {}})
    with cpu_time() as taken:
        assert concerned(index, Signal("eu-west-1", 0.0, PUT, parameters=(name,))) == {}
        assert index.successor(Owner("home", "shop", "other", "uid"), "eu-west-1", name) is None
    assert taken.ordinary < BOUND_SECONDS
