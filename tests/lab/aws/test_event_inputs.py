"""The input that a target receives for an event."""

import json
from typing import Any

import pytest

from dynconfig_lab.aws.event_inputs import render

RULE = "arn:aws:events:eu-west-1:123456789012:rule/mine"
EVENT = {
    "source": "aws.ssm",
    "time": "2027-01-01T00:00:00Z",
    "resources": ["arn:one"],
    "detail": {"name": "/a/b", "size": 3, "text": 'say "red"'},
}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"colour": "red"}'}, {"colour": "red"}),
        ({"InputPath": "$.detail"}, EVENT["detail"]),
        ({"InputPath": "$.detail.name"}, "/a/b"),
        ({"InputPath": "$.resources[0]"}, "arn:one"),
        ({"InputPath": "$.detail['size']"}, 3),
        ({"InputPath": "$.detail.none.at.all"}, None),
    ],
)
def test_target_receives_the_event_a_part_or_a_constant(target: dict[str, Any], expected: object) -> None:
    assert json.loads(render(target, EVENT, RULE)) == expected


PATHS = {"name": "$.detail.name", "size": "$.detail.size", "text": "$.detail.text", "all": "$.detail"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('"<name> changed"', "/a/b changed"),
        ('"<text>, they <size>"', 'say "red", they 3'),
        ('{"name": <name>, "size": <size>, "all": <all>}', {"name": "/a/b", "size": 3, "all": EVENT["detail"]}),
        ('{"name": "<name>", "size": "<size>"}', {"name": "/a/b", "size": "3"}),
        ('{"title": "about <name>!"}', {"title": "about /a/b!"}),
        ('"<aws.events.rule-name> at <aws.events.event.ingestion-time>"', "mine at 2027-01-01T00:00:00Z"),
        ('{"rule": <aws.events.rule-arn>}', {"rule": RULE}),
        ('{"event": <aws.events.event.json>}', {"event": EVENT}),
    ],
)
def test_template_is_filled_in(template: str, expected: object) -> None:
    target = {"InputTransformer": {"InputPathsMap": PATHS, "InputTemplate": template}}
    assert json.loads(render(target, EVENT, RULE)) == expected
