"""The EventBridge rule."""

import json

from tests.kinds.cases.case import Case
from tests.kinds.workshop import Workshop

from dynconfig.kinds.rule import Rule

TRIGGERS = {"parameterChange": True}
PATTERN = json.dumps({"source": ["aws.ssm"]})


def rule_name(workshop: Workshop) -> str:
    return f"{workshop.name}-parameters"


def create(workshop: Workshop, name: str) -> None:
    workshop.aws("events").put_rule(Name=name, EventPattern=PATTERN)


def repattern(workshop: Workshop) -> None:
    events = workshop.aws("events")
    described = events.describe_rule(Name=rule_name(workshop))["Description"]
    events.put_rule(Name=rule_name(workshop), EventPattern=PATTERN, State="ENABLED", Description=described)


def retarget(workshop: Workshop) -> None:
    target = {"Id": "function", "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}
    workshop.aws("events").put_targets(Rule=rule_name(workshop), Targets=[target])


def retag(workshop: Workshop) -> None:
    arn = f"arn:aws:events:eu-west-1:123456789012:rule/{rule_name(workshop)}"
    workshop.aws("events").tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "other"}])


def listed(workshop: Workshop) -> set[str]:
    found = workshop.aws("events").list_rules(NamePrefix=workshop.name)
    return {rule["Name"] for rule in found["Rules"]}


RULE = Case(
    value=Rule,
    base={"function": {"triggers": TRIGGERS}, "tags": {"team": "shop"}},
    edits={"tags": {"function": {"triggers": TRIGGERS}, "tags": {"stage": "dev"}}},
    tampers={
        "pattern": repattern,
        "state": lambda workshop: workshop.aws("events").disable_rule(Name=rule_name(workshop)),
        "targets": retarget,
        "tags": retag,
    },
    listed=listed,
    neighbour=lambda workshop: create(workshop, f"{rule_name(workshop)}-theirs"),
    stranger=lambda workshop: create(workshop, rule_name(workshop)),
    writes=(
        "events.PutRule",
        "events.PutTargets",
        "events.RemoveTargets",
        "events.TagResource",
        "events.UntagResource",
        "events.DeleteRule",
    ),
    busy="ConcurrentModificationException",
    fixed=frozenset({"pattern", "state", "targets"}),
)
