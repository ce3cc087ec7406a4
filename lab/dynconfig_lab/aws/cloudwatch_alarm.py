"""An alarm of the emulated CloudWatch: its configuration and its state.

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

from dynconfig_lab.aws import accounts, cloudwatch_expression
from dynconfig_lab.aws.cloudwatch_evaluation import Criteria, stamp

Document = dict[str, Any]

# Moto's state is shared by the whole process and is not thread-safe.
LOCK = threading.RLock()

_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")


@dataclass(frozen=True)
class State:
    """The state of an alarm, its reason and since when."""

    value: str
    reason: str
    at: float
    since: float
    data: str = ""

    def to_json(self) -> Document:
        """In the format of events."""
        described = {"value": self.value, "reason": self.reason, "timestamp": stamp(self.at)}
        return {**described, "reasonData": self.data} if self.data else described


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
    evaluated_at: float
    """When it was evaluated last."""

    @property
    def alarm_arn(self) -> str:
        """The attribute name that moto uses when it lists tagged alarms."""
        return f"arn:aws:cloudwatch:{self.region}:{accounts.current()}:alarm:{self.name}"

    @property
    def is_composite(self) -> bool:
        """Whether its state depends on other alarms."""
        return "AlarmRule" in self.fields

    @property
    def kind(self) -> str:
        """The value used in AlarmTypes."""
        return "CompositeAlarm" if self.is_composite else "MetricAlarm"

    @cached_property
    def children(self) -> tuple[str, ...]:
        """The alarms that a composite alarm refers to."""
        return self.rule.children if self.is_composite else ()

    @cached_property
    def rule(self) -> cloudwatch_expression.Rule:
        """The rule of a composite alarm."""
        return cloudwatch_expression.parse(self.fields["AlarmRule"])

    @cached_property
    def queries(self) -> list[Document]:
        """The metric queries of a metric alarm; exactly one of them returns data."""
        if "Metrics" in self.fields:
            return list(self.fields["Metrics"])
        names = ("Namespace", "MetricName", "Dimensions")
        metric = {name: self.fields[name] for name in names if name in self.fields}
        stat = self.fields.get("Statistic") or self.fields["ExtendedStatistic"]
        measured = {"Metric": metric, "Period": self.fields["Period"], "Stat": stat}
        unit = {"Unit": self.fields["Unit"]} if "Unit" in self.fields else {}
        # AWS generates this id for events.
        made_up = str(uuid.uuid5(uuid.NAMESPACE_URL, self.alarm_arn))
        return [{"Id": made_up, "MetricStat": {**measured, **unit}, "ReturnData": True}]

    @property
    def period(self) -> int:
        """In seconds, as declared."""
        return next(int(query["MetricStat"]["Period"]) for query in self.queries if "MetricStat" in query)

    def criteria(self, period: float) -> Criteria:
        """The settings of the evaluation, and the period in seconds."""
        return Criteria.of(self.fields, period)

    def described(self) -> Document:
        """In the format of DescribeAlarms."""
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
    """Store the configuration; return the alarm and whether it is new. An existing alarm keeps its state, as in AWS."""
    name, left_out = request["AlarmName"], ("Tags", "ActionsEnabled", "AlarmName")
    fields = {field: value for field, value in request.items() if field not in left_out}
    existing = alarms_of(region).get(name)
    state = (
        State("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation", now, now)
        if existing is None
        else existing.state
    )
    alarm = Alarm(name, region, fields, request.get("ActionsEnabled", True), now, state, now)
    alarms_of(region)[name] = alarm
    return alarm, existing is None


def changed(alarm: Alarm, value: str, reason: str, data: str, now: float) -> Alarm:
    """A copy of the alarm with another state, or another reason for the same state."""
    since = alarm.state.since if alarm.state.value == value else now
    return replace(alarm, state=State(value, reason[:1023], now, since, data), evaluated_at=now)


def alarms_of(region: str) -> dict[str, Alarm]:
    """Alarms by name. Stored in moto's backend, so that a reset clears them and tags are listed."""
    backend: Any = cloudwatch_backends[accounts.current()][region]
    alarms: dict[str, Alarm] = backend.alarms
    return alarms


def regions() -> list[str]:
    """The regions in which CloudWatch was used."""
    return list(cloudwatch_backends[accounts.current()])


def switched(alarm: Alarm, enabled: bool) -> Alarm:
    """Enable or disable the actions; the timestamp of the configuration does not change."""
    return replace(alarm, actions_enabled=enabled)
