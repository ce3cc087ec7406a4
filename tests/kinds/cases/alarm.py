"""The metric alarms and the composite alarm."""

from typing import Any

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, ExternalAction, Spec

from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.composite_alarm import CompositeAlarm

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ops"
OTHER_TOPIC = "arn:aws:sns:eu-west-1:123456789012:others"
# Members that DescribeAlarms returns and PutMetricAlarm does not accept.
ANSWERED = (
    "AlarmArn",
    "AlarmConfigurationUpdatedTimestamp",
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
)
BACKLOG: dict[str, Any] = {
    "name": "Backlog",
    "metric": "ApproximateAgeOfOldestMessage",
    "namespace": "AWS/SQS",
    "dimensions": {"QueueName": "orders"},
    "extendedStatistic": "p90",
    "periodSeconds": 60,
    "threshold": 100,
    "comparison": "GreaterThanThreshold",
    "evaluationPeriods": 3,
    "datapointsToAlarm": 2,
    "treatMissingData": "ignore",
    "unit": "Seconds",
    "description": "Orders wait.",
}


def spec(*, notify: tuple[str, ...] = (), tags: Any = None, others: tuple[Any, ...] = (), **changes: Any) -> Spec:
    """The default alarms and one more."""
    custom = {key: value for key, value in {**BACKLOG, **changes}.items() if value is not None}
    return {
        "function": {},
        "alarms": {"custom": [custom, *others], "notify": list(notify)},
        "tags": tags or {"team": "shop"},
    }


def name_of(harness: AwsHarness, alarm: str = "Backlog") -> str:
    return f"{harness.name}/{alarm}"


def described(harness: AwsHarness, kind: str = "MetricAlarm") -> dict[str, dict[str, Any]]:
    """All alarms of one type with the prefix of this test, by name."""
    found = harness.aws("cloudwatch").describe_alarms(AlarmNamePrefix=harness.name, AlarmTypes=[kind])
    return {alarm["AlarmName"]: alarm for alarm in found[f"{kind}s"]}


def reput(**changes: Any) -> ExternalAction:
    """Change one member of the alarm, like a user in the console."""

    def deed(harness: AwsHarness) -> None:
        found = described(harness)[name_of(harness)]
        request = {key: value for key, value in found.items() if key not in ANSWERED}
        harness.aws("cloudwatch").put_metric_alarm(**{**request, **changes})

    return deed


def recompose(**changes: Any) -> ExternalAction:
    """Change one member of the composite alarm, like a user in the console."""

    def deed(harness: AwsHarness) -> None:
        found = described(harness, "CompositeAlarm")[name_of(harness, "unhealthy")]
        request = {key: value for key, value in found.items() if key not in ANSWERED}
        harness.aws("cloudwatch").put_composite_alarm(**{**request, **changes})

    return deed


def retag(alarm: str) -> ExternalAction:
    def deed(harness: AwsHarness) -> None:
        arn = f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name_of(harness, alarm)}"
        harness.aws("cloudwatch").tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "other"}])

    return deed


def create(harness: AwsHarness, name: str) -> None:
    harness.aws("cloudwatch").put_metric_alarm(
        AlarmName=name,
        MetricName="theirs",
        Namespace="theirs",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )


def compose(harness: AwsHarness, name: str) -> None:
    harness.aws("cloudwatch").put_composite_alarm(AlarmName=name, AlarmRule="FALSE")


def neighbours(harness: AwsHarness) -> None:
    """A foreign alarm with a similar name, and one of an object whose name has this one as prefix."""
    create(harness, name_of(harness, "theirs"))
    create(harness, f"{harness.name}-2/Backlog")


ALARM = Case(
    value=Alarm,
    base=spec(),
    feature={"alarms": {"custom": [BACKLOG]}},
    edits={
        "description": spec(description=None),
        "metric": spec(metric="ApproximateNumberOfMessagesVisible"),
        "namespace": spec(namespace="Orders"),
        "dimensions": spec(dimensions={"QueueName": "others"}),
        "statistic": spec(extendedStatistic=None, statistic="Maximum"),
        "period": spec(periodSeconds=300),
        "evaluation_periods": spec(evaluationPeriods=4),
        "datapoints": spec(datapointsToAlarm=None),
        "threshold": spec(threshold=100.5),
        "comparison": spec(comparison="LessThanThreshold"),
        "missing_data": spec(treatMissingData=None),
        "unit": spec(unit=None),
        "tags": spec(tags={"stage": "dev"}),
    },
    tampers={
        "description": reput(AlarmDescription="theirs"),
        "actions_enabled": lambda harness: harness.aws("cloudwatch").disable_alarm_actions(
            AlarmNames=[name_of(harness)]
        ),
        "alarm_actions": reput(AlarmActions=[TOPIC]),
        "ok_actions": reput(OKActions=[TOPIC]),
        "insufficient_data_actions": reput(InsufficientDataActions=[TOPIC]),
        "metric": reput(MetricName="theirs"),
        "namespace": reput(Namespace="theirs"),
        "dimensions": reput(Dimensions=[]),
        "statistic": reput(ExtendedStatistic="p50"),
        "period": reput(Period=120),
        "evaluation_periods": reput(EvaluationPeriods=5),
        "datapoints": reput(DatapointsToAlarm=1),
        "threshold": reput(Threshold=1.0),
        "comparison": reput(ComparisonOperator="LessThanThreshold"),
        "missing_data": reput(TreatMissingData="breaching"),
        "unit": reput(Unit="Count"),
        "low_samples": reput(EvaluateLowSampleCountPercentile="ignore"),
        "tags": retag("Backlog"),
    },
    list_names=lambda harness: set(described(harness)),
    create_similar=neighbours,
    create_foreign=lambda harness: create(harness, name_of(harness)),
    writes=(
        "cloudwatch.PutMetricAlarm",
        "cloudwatch.TagResource",
        "cloudwatch.UntagResource",
        "cloudwatch.DeleteAlarms",
    ),
    busy="ConcurrentModificationException",
    not_editable=frozenset(
        {"actions_enabled", "alarm_actions", "ok_actions", "insufficient_data_actions", "low_samples"},
    ),
)

COMPOSITE_ALARM = Case(
    value=CompositeAlarm,
    base=spec(notify=(TOPIC,)),
    feature={"alarms": {}},
    edits={
        "rule": spec(notify=(TOPIC,), others=({**BACKLOG, "name": "Another"},)),
        "alarm_actions": spec(notify=(TOPIC, OTHER_TOPIC)),
        "ok_actions": spec(),
        "tags": spec(notify=(TOPIC,), tags={"stage": "dev"}),
    },
    tampers={
        "description": recompose(AlarmDescription="theirs"),
        "actions_enabled": lambda harness: harness.aws("cloudwatch").disable_alarm_actions(
            AlarmNames=[name_of(harness, "unhealthy")]
        ),
        "alarm_actions": recompose(AlarmActions=[OTHER_TOPIC]),
        "ok_actions": recompose(OKActions=[]),
        "insufficient_data_actions": recompose(InsufficientDataActions=[TOPIC]),
        "rule": recompose(AlarmRule="FALSE"),
        "tags": retag("unhealthy"),
    },
    list_names=lambda harness: set(described(harness, "CompositeAlarm")),
    create_similar=lambda harness: compose(harness, name_of(harness, "unhealthy-theirs")),
    create_foreign=lambda harness: compose(harness, name_of(harness, "unhealthy")),
    writes=(
        "cloudwatch.PutCompositeAlarm",
        "cloudwatch.TagResource",
        "cloudwatch.UntagResource",
        "cloudwatch.DeleteAlarms",
    ),
    busy="ConcurrentModificationException",
    needs=(Alarm,),
    not_editable=frozenset({"description", "actions_enabled", "insufficient_data_actions", "suppressor"}),
    not_tamperable=frozenset({"suppressor"}),
)
