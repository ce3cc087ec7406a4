"""Which events the operator wants to hear: the patterns of its EventBridge rules. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.model.naming import PREFIX, fitting

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
PATTERN_LENGTH = 2048
# Calls that change, of services of which the operator keeps resources. Where no trail exists, such events never come.
# Those of IAM come in us-east-1 only.
_WATCHED = ("apigateway", "events", "iam", "lambda", "monitoring", "scheduler")
# Parameter Store tells of values by its own events, and of tags by no other.
_TAG_CALLS = ("AddTagsToResource", "RemoveTagsFromResource")


@dataclass(frozen=True, slots=True)
class EventRule:
    """One rule on the default bus."""

    name: str
    pattern: str
    description: str


def event_rules(cluster: str, paths: Sequence[str] = ()) -> tuple[EventRule, ...]:
    """The rules of a cluster's operator, for parameters below `paths`, or for all parameters where there are none."""
    wanted = {
        "parameters": (_parameters(paths), "Tells the DynamicConfig operator of changes of parameters"),
        "alarms": (_ALARMS, "Tells the DynamicConfig operator of alarms that change their state"),
        "calls": (_CALLS, "Tells the DynamicConfig operator of API calls that change what it keeps"),
    }
    return tuple(
        EventRule(fitting(f"{PREFIX}{cluster}-{name}"), json.dumps(pattern, sort_keys=True), description)
        for name, (pattern, description) in wanted.items()
    )


def _parameters(paths: Sequence[str]) -> dict[str, Any]:
    """Changes of parameters. Too many paths for a pattern are left out: what is nobody's is then dropped on arrival."""
    everything = {"source": ["aws.ssm"], "detail-type": ["Parameter Store Change"]}
    prefixes = [{"prefix": f"{path.rstrip('/')}/"} for path in sorted(set(paths))]
    limited = {**everything, "detail": {"name": prefixes}}
    return limited if prefixes and len(json.dumps(limited)) <= PATTERN_LENGTH else everything


_ALARMS = {
    "source": ["aws.cloudwatch"],
    "detail-type": ["CloudWatch Alarm State Change"],
    "detail": {"alarmName": [{"prefix": PREFIX}]},
}
_CALLS = {
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {
        "$or": [
            {"eventSource": [f"{service}.amazonaws.com" for service in _WATCHED]},
            {"eventSource": ["ssm.amazonaws.com"], "eventName": list(_TAG_CALLS)},
        ]
    },
}
