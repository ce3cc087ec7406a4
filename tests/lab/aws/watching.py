"""Alarms for tests, each with its own name and deleted afterwards."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dynconfig_lab.aws import AwsLab

ALARM_ARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm"


@dataclass
class Watched:
    """Creates alarms on its own metric, stores data, and describes them."""

    lab: AwsLab
    cloudwatch: Any
    namespace: str = field(default_factory=lambda: f"test-{uuid.uuid4()}")
    names: list[str] = field(default_factory=list)

    def name(self) -> str:
        self.names.append(f"alarm-{uuid.uuid4()}")
        return self.names[-1]

    def alarm(self, **fields: Any) -> str:
        """The name of a new alarm that fires when one value is above five; a field that is None is omitted."""
        usual: dict[str, Any] = {
            "AlarmName": self.name(),
            "Namespace": self.namespace,
            "MetricName": "errors",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        wanted = {name: value for name, value in {**usual, **fields}.items() if value is not None}
        self.cloudwatch.put_metric_alarm(**wanted)
        return str(wanted["AlarmName"])

    def composite(self, rule: str, **fields: Any) -> str:
        name = self.name()
        self.cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule, **fields)
        return name

    def put(self, *values: float, seconds_ago: float = 0, **fields: Any) -> None:
        """Store values of the metric of the alarms."""
        at = {"Timestamp": datetime.now(UTC) - timedelta(seconds=seconds_ago)} if seconds_ago else {}
        data = [{"MetricName": "errors", "Value": value, **at, **fields} for value in values]
        self.cloudwatch.put_metric_data(Namespace=self.namespace, MetricData=data)

    def set(self, name: str, state: str, reason: str = "for a test") -> None:
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason)

    def see(self, name: str) -> dict[str, Any]:
        """The alarm as DescribeAlarms returns it."""
        both = ["MetricAlarm", "CompositeAlarm"]
        found = self.cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=both)
        alarms: list[dict[str, Any]] = found["MetricAlarms"] + found["CompositeAlarms"]
        assert len(alarms) == 1
        return alarms[0]

    def state(self, name: str) -> str:
        return str(self.see(name)["StateValue"])

    def take_down(self) -> None:
        """Composite alarms are deleted first."""
        for name in reversed(self.names):
            self.cloudwatch.delete_alarms(AlarmNames=[name])
