"""The EventBridge rule."""

import json

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case

from dynconfig.kinds.rule import Rule

TRIGGERS = {"parameterChange": True}
PATTERN = json.dumps({"source": ["aws.ssm"]})


def rule_name(harness: AwsHarness) -> str:
    return f"{harness.name}-parameters"


def create(harness: AwsHarness, name: str) -> None:
    harness.aws("events").put_rule(Name=name, EventPattern=PATTERN)


def repattern(harness: AwsHarness) -> None:
    events = harness.aws("events")
    described = events.describe_rule(Name=rule_name(harness))["Description"]
    events.put_rule(Name=rule_name(harness), EventPattern=PATTERN, State="ENABLED", Description=described)


def retarget(harness: AwsHarness) -> None:
    target = {"Id": "function", "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}
    harness.aws("events").put_targets(Rule=rule_name(harness), Targets=[target])


def retag(harness: AwsHarness) -> None:
    arn = f"arn:aws:events:eu-west-1:123456789012:rule/{rule_name(harness)}"
    harness.aws("events").tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "other"}])


def listed(harness: AwsHarness) -> set[str]:
    found = harness.aws("events").list_rules(NamePrefix=harness.name)
    return {rule["Name"] for rule in found["Rules"]}


RULE = Case(
    value=Rule,
    base={"function": {"triggers": TRIGGERS}, "tags": {"team": "shop"}},
    feature={"function": {"triggers": {"parameterChange": True}}},
    edits={"tags": {"function": {"triggers": TRIGGERS}, "tags": {"stage": "dev"}}},
    tampers={
        "pattern": repattern,
        "state": lambda harness: harness.aws("events").disable_rule(Name=rule_name(harness)),
        "targets": retarget,
        "tags": retag,
    },
    list_names=listed,
    create_similar=lambda harness: create(harness, f"{rule_name(harness)}-theirs"),
    create_foreign=lambda harness: create(harness, rule_name(harness)),
    writes=(
        "events.PutRule",
        "events.PutTargets",
        "events.RemoveTargets",
        "events.TagResource",
        "events.UntagResource",
        "events.DeleteRule",
    ),
    busy="ConcurrentModificationException",
    not_editable=frozenset({"pattern", "state", "targets"}),
)
