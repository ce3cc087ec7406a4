"""An alarm as the emulated CloudWatch holds it: what was put, and the state that it is in.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
"""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from dynconfig_lab.aws import cloudwatch_expression
from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.aws.cloudwatch_evaluation import Criteria, stamp

Document = dict[str, Any]

# Moto's state is one for the process, and is not safe for threads.
LOCK = threading.RLock()

_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")


@dataclass(frozen=True)
class State:
    """What an alarm says, and since when."""

    value: str
    reason: str
    at: float
    since: float
    data: str = ""

    def to_json(self) -> Document:
        """As events have it."""
        told = {"value": self.value, "reason": self.reason, "timestamp": stamp(self.at)}
        return {**told, "reasonData": self.data} if self.data else told


@dataclass(frozen=True)
class Alarm:
    """A metric alarm or, with an AlarmRule, a composite one."""

    name: str
    region: str
    fields: Mapping[str, Any]
    """What was put, tags and ActionsEnabled excepted."""
    actions_enabled: bool
    configured_at: float
    state: State
    looked_at: float
    """When it was evaluated last."""

    @property
    def alarm_arn(self) -> str:
        """Named as moto names it, which lists tagged alarms by it."""
        return f"arn:aws:cloudwatch:{self.region}:{ACCOUNT}:alarm:{self.name}"

    @property
    def is_composite(self) -> bool:
        """Whether it goes by other alarms."""
        return "AlarmRule" in self.fields

    @property
    def kind(self) -> str:
        """As AlarmTypes names it."""
        return "CompositeAlarm" if self.is_composite else "MetricAlarm"

    @cached_property
    def children(self) -> tuple[str, ...]:
        """The alarms that a composite one names."""
        return self.rule.children if self.is_composite else ()

    @cached_property
    def rule(self) -> cloudwatch_expression.Rule:
        """The rule of a composite alarm."""
        return cloudwatch_expression.parse(self.fields["AlarmRule"])

    @cached_property
    def queries(self) -> list[Document]:
        """The queries that a metric alarm asks; one of them returns data."""
        if "Metrics" in self.fields:
            return list(self.fields["Metrics"])
        names = ("Namespace", "MetricName", "Dimensions")
        metric = {name: self.fields[name] for name in names if name in self.fields}
        stat = self.fields.get("Statistic") or self.fields["ExtendedStatistic"]
        measured = {"Metric": metric, "Period": self.fields["Period"], "Stat": stat}
        unit = {"Unit": self.fields["Unit"]} if "Unit" in self.fields else {}
        # Events name it by an id that AWS makes up.
        made_up = str(uuid.uuid5(uuid.NAMESPACE_URL, self.alarm_arn))
        return [{"Id": made_up, "MetricStat": {**measured, **unit}, "ReturnData": True}]

    @property
    def period(self) -> int:
        """In seconds, as declared."""
        return next(int(query["MetricStat"]["Period"]) for query in self.queries if "MetricStat" in query)

    def criteria(self, period: float) -> Criteria:
        """What is asked of the datapoints, each of so many seconds."""
        return Criteria.of(self.fields, period)

    def described(self) -> Document:
        """As DescribeAlarms answers."""
        lists: Document = {name: list(self.fields.get(name) or ()) for name in _LISTS}
        if "MetricName" in self.fields:
            lists["Dimensions"] = self.fields.get("Dimensions") or []
        data = {"StateReasonData": self.state.data} if self.state.data else {}
        return {
            **self.fields,
            **lists,
            **data,
            "AlarmName": self.name,
            "AlarmArn": self.alarm_arn,
            "ActionsEnabled": self.actions_enabled,
            "AlarmConfigurationUpdatedTimestamp": datetime.fromtimestamp(self.configured_at, UTC),
            "StateValue": self.state.value,
            "StateReason": self.state.reason,
            "StateUpdatedTimestamp": datetime.fromtimestamp(self.state.at, UTC),
            "StateTransitionedTimestamp": datetime.fromtimestamp(self.state.since, UTC),
        }


def put(region: str, request: Mapping[str, Any], now: float) -> tuple[Alarm, bool]:
    """Hold what was put, and whether it is new; a known alarm keeps its state, as AWS says."""
    name, left_out = request["AlarmName"], ("Tags", "ActionsEnabled", "AlarmName")
    fields = {field: value for field, value in request.items() if field not in left_out}
    known = alarms_of(region).get(name)
    state = State("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation", now, now) if known is None else known.state
    alarm = Alarm(name, region, fields, request.get("ActionsEnabled", True), now, state, now)
    alarms_of(region)[name] = alarm
    return alarm, known is None


def changed(alarm: Alarm, value: str, reason: str, data: str, now: float) -> Alarm:
    """The alarm with another state, or with another reason for the same."""
    since = alarm.state.since if alarm.state.value == value else now
    return replace(alarm, state=State(value, reason[:1023], now, since, data), looked_at=now)


def alarms_of(region: str) -> dict[str, Alarm]:
    """By name. Kept where moto keeps its own, so that they are forgotten with moto's state and listed by their tags."""
    backend: Any = cloudwatch_backends[ACCOUNT][region]
    kept: dict[str, Alarm] = backend.alarms
    return kept


def regions() -> list[str]:
    """Those in which CloudWatch was used."""
    return list(cloudwatch_backends[ACCOUNT])


def switched(alarm: Alarm, enabled: bool) -> Alarm:
    """The alarm with its actions enabled or disabled; that leaves its configuration's time stamp alone."""
    return replace(alarm, actions_enabled=enabled)
