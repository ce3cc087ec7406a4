"""Which events the operator wants to hear: the patterns of its EventBridge rules. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.kinds.registry import ALL
from dynconfig.model.facts import EventSource
from dynconfig.model.naming import PREFIX, RESERVED, fitting

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
PATTERN_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class EventRule:
    """One rule on the default bus."""

    name: str
    pattern: str
    description: str

    @property
    def other_name(self) -> str:
        """Its name where `name` belongs to someone else, as to an object that has it by default: this one is no default name."""
        return fitting(f"{RESERVED}{self.name.removeprefix(PREFIX)}")


def of_shard(name: str, shard: int, target: str = "") -> str:
    """Return the name of a shard's queue or rule; those of the first shard are named as if it were the only one.

    Several targets may name one account and region, so those of a target are named after it.
    """
    return fitting(f"{PREFIX}{name}{f'-{shard}' if shard else ''}{f'-in-{target}' if target else ''}")


def event_rules(cluster: str, paths: Sequence[str] = (), shard: int = 0, target: str = "") -> tuple[EventRule, ...]:
    """The rules of a shard, for parameters below `paths`, or for all parameters where there are none."""
    wanted = {
        "parameters": (_parameters(paths), "Delivers changes of parameters to the DynamicConfig operator"),
        "alarms": (_ALARMS, "Delivers state changes of alarms to the DynamicConfig operator"),
        "calls": (
            _calls(facts.event_source for facts in ALL),
            "Delivers API calls that change its resources to the DynamicConfig operator",
        ),
    }
    return tuple(
        EventRule(of_shard(f"{cluster}-{name}", shard, target), json.dumps(pattern, sort_keys=True), description)
        for name, (pattern, description) in wanted.items()
    )


def _parameters(paths: Sequence[str]) -> dict[str, Any]:
    """Changes of parameters: of all, if the paths do not fit; events without an object are then dropped on receipt."""
    everything = {"source": ["aws.ssm"], "detail-type": ["Parameter Store Change"]}
    prefixes = [{"prefix": f"{path.rstrip('/')}/"} for path in sorted(set(paths))]
    limited = {**everything, "detail": {"name": prefixes}}
    return limited if prefixes and len(json.dumps(limited)) <= PATTERN_LENGTH else everything


_ALARMS = {
    "source": ["aws.cloudwatch"],
    "detail-type": ["CloudWatch Alarm State Change"],
    "detail": {"alarmName": [{"prefix": PREFIX}]},
}


def _calls(sources: Iterable[EventSource | None]) -> dict[str, Any]:
    """Calls that change resources of these sources. They are received only if the account has a trail, IAM's in us-east-1."""
    found = sorted({(source.name, source.calls) for source in sources if source is not None})
    whole = [_domain(name) for name, chosen in found if not chosen]
    limited = [{"eventSource": [_domain(name)], "eventName": list(chosen)} for name, chosen in found if chosen]
    return {"detail-type": ["AWS API Call via CloudTrail"], "detail": {"$or": [{"eventSource": whole}, *limited]}}


def _domain(name: str) -> str:
    return f"{name}.amazonaws.com"
