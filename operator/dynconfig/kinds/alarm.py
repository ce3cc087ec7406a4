"""The CloudWatch alarms of a configuration, each on one metric.

They have no actions of their own: one fault usually shows in several metrics and should notify once. The composite alarm over
all of them notifies, and its reason names the alarms that are in ALARM. The drift alarm is not part of it and notifies by
itself: drift does not make a configuration unhealthy.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api import alarm_defaults
from dynconfig.api.alarms import (
    DRIFT,
    DRIFTED_FIELDS,
    LAMBDA_NAMESPACE,
    OWN_NAMESPACE,
    PERIOD,
    PERIODS,
    AlarmSpec,
    Comparison,
    MissingData,
    Statistic,
)
from dynconfig.api.function import Mode
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine import drift_metrics
from dynconfig.kinds._shared import tags
from dynconfig.kinds._shared.alarm_base import METRIC, NOTIFIES, AlarmBase, Answer
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model import errors
from dynconfig.model.allowed import METADATA, NAMED_LIKE_OURS, NEW, OWN, Grant, anything, with_alarms
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotFound
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.naming import PREFIX, Names
from dynconfig.model.resource import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudwatch.client import CloudWatchClient

_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm(AlarmBase):
    """An alarm on one metric. Fields that CloudWatch omits in its response have their default here."""

    kind: ClassVar[str] = "Alarm"
    metric: str
    namespace: str
    dimensions: Pairs
    statistic: str
    """A statistic, or an extended one such as p99."""
    period: int
    evaluation_periods: int
    datapoints: int
    threshold: float
    comparison: str
    missing_data: str
    unit: str = ""
    low_samples: str = "evaluate"
    """Whether percentiles of few samples are evaluated; the operator never sets it."""


class Alarms:
    """Manage the metric alarms of one place."""

    value = Alarm
    named_after = ("Function", "Attachment")
    needs = NOTIFIES
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._cloudwatch: CloudWatchClient = context.client("cloudwatch")
        self._api = context.alarms
        self._arns = context.arns

    def desired(self, declaration: Declaration) -> Iterable[Alarm]:
        """Return the default alarms unless disabled, the custom alarms, and the drift alarm if enabled."""
        alarms = declaration.alarms
        if alarms is None:
            return
        for spec in alarms.all:
            yield self._desired(spec, declaration)
        if alarms.drift:
            yield self._on_drift(declaration, self._api.notified(declaration))

    def observe(self, scope: Scope, desired: Sequence[Alarm]) -> Iterator[Alarm]:
        """Return each alarm that is desired, reported, or named after the owner."""
        names = scope.where(Alarm.kind, desired, *(names.alarms for names in scope.names.versions))
        for answer, labels in self._api.read(METRIC, scope, desired, names):
            yield _observed(answer, self._api.common(answer, labels))

    def refuse(self, desired: Alarm, observed: Alarm | None) -> None:
        """Nothing to check: the CRD validates all fields."""

    def put(self, desired: Alarm, observed: Alarm | None) -> Alarm:
        """Create the alarm with its tags, or update what differs."""
        return self._api.put(desired, observed, lambda is_new: self._write(desired, is_new=is_new))

    def delete(self, observed: Sequence[Alarm]) -> None:
        """Delete up to 100 alarms in one call; existing ones are deleted even if others are missing."""
        for alarm in observed:
            self._api.forget(alarm.name)
        try:
            self._cloudwatch.delete_alarms(AlarmNames=[alarm.name for alarm in observed])
        except NotFound:
            return

    def release(self, observed: Alarm) -> None:
        """Remove the owner tag."""
        self._api.release(observed)

    def _write(self, desired: Alarm, *, is_new: bool) -> Any:
        request: dict[str, Any] = {**_request(desired), **self._api.request(desired, is_new=is_new)}
        return self._cloudwatch.put_metric_alarm(**request)

    def _desired(self, spec: AlarmSpec, declaration: Declaration) -> Alarm:
        whole = alarm_defaults.whole(spec, _timeout(declaration))
        name = declaration.names.alarm(spec.name)
        periods = whole.evaluation_periods or PERIODS
        dimensions = watched_function(whole.namespace or "", declaration) if spec.is_default else whole.dimensions
        return Alarm(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.alarm(name),
            description=whole.description or "",
            metric=whole.metric or "",
            namespace=whole.namespace or "",
            dimensions=tags.pairs(dimensions),
            statistic=whole.extended_statistic or str(whole.statistic),
            period=whole.period_seconds or PERIOD,
            evaluation_periods=periods,
            datapoints=whole.datapoints_to_alarm or periods,
            threshold=float(whole.threshold or 0.0),
            comparison=str(whole.comparison),
            missing_data=str(whole.treat_missing_data or MissingData.MISSING),
            unit=whole.unit or "",
            tags=declaration.tags,
        )

    def _on_drift(self, declaration: Declaration, topics: tuple[str, ...]) -> Alarm:
        name = declaration.names.alarm(DRIFT)
        return Alarm(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.alarm(name),
            description=f"AWS has drifted from DynamicConfig {declaration.owner.title}. To list the differences, run "
            f"kubectl -n {declaration.owner.namespace} describe dcfg {declaration.owner.name}",
            alarm_actions=topics,
            ok_actions=topics,
            metric=DRIFTED_FIELDS,
            namespace=OWN_NAMESPACE,
            dimensions=(("Config", declaration.owner.title),),
            statistic=Statistic.MAXIMUM.value,
            period=drift_metrics.PERIOD,
            evaluation_periods=PERIODS,
            datapoints=PERIODS,
            threshold=0.0,
            comparison=Comparison.GREATER.value,
            # The metric has data only when drift begins and when it ends.
            missing_data=MissingData.IGNORE.value,
            tags=declaration.tags,
        )


def _timeout(declaration: Declaration) -> int | None:
    """Return the timeout of a managed function in seconds; None for an attached function."""
    function = declaration.function
    return function.timeout_seconds if function and function.mode is Mode.MANAGED else None


def watched_function(namespace: str, declaration: Declaration) -> "Mapping[str, str]":
    """Return the metric dimensions of the function; the metrics of its library also have the dimension Config."""
    function = {"FunctionName": declaration.names.function}
    return function if namespace == LAMBDA_NAMESPACE else {**function, "Config": declaration.owner.title}


def _observed(answer: Answer, common: dict[str, Any]) -> Alarm:
    periods = answer.get("EvaluationPeriods", PERIODS)
    return Alarm(
        **common,
        metric=answer.get("MetricName", ""),
        namespace=answer.get("Namespace", ""),
        dimensions=tuple(sorted((item["Name"], item["Value"]) for item in answer.get("Dimensions", ()))),
        statistic=answer.get("ExtendedStatistic") or answer.get("Statistic", ""),
        period=answer.get("Period", 0),
        evaluation_periods=periods,
        datapoints=answer.get("DatapointsToAlarm", periods),
        threshold=float(answer.get("Threshold", 0.0)),
        comparison=answer.get("ComparisonOperator", ""),
        missing_data=answer.get("TreatMissingData", MissingData.MISSING.value),
        unit=answer.get("Unit", ""),
        low_samples=answer.get("EvaluateLowSampleCountPercentile", "evaluate"),
    )


def _request(alarm: Alarm) -> dict[str, Any]:
    statistic = "Statistic" if alarm.statistic in _STATISTICS else "ExtendedStatistic"
    return {
        "MetricName": alarm.metric,
        "Namespace": alarm.namespace,
        "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions],
        statistic: alarm.statistic,
        "Period": alarm.period,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": alarm.missing_data,
        **({"Unit": alarm.unit} if alarm.unit else {}),
    }


def _names(spec: DynamicConfigSpec, names: Names) -> Iterator[tuple[str, str]]:
    if spec.alarms:
        yield "spec.alarms", f"{names.alarms}*"


# All alarms of the operator begin with the prefix, whatever the function is called; see model/naming.py.
_ARNS = with_alarms(lambda _allowed, arns: [arns.alarm(f"{PREFIX}*")])

FACTS = Facts(
    kind=Alarm.kind,
    service="cloudwatch",
    noun="alarm",
    named_by=("AlarmName",),
    event_source=EventSource("monitoring"),
    grants=(
        # A narrower scope excludes composite alarms.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
        Grant(
            statement=METADATA,
            rank=2,
            actions=("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms"),
            resources=with_alarms(anything),
        ),
        Grant(statement=NAMED_LIKE_OURS, rank=2, actions=("cloudwatch:ListTagsForResource",), resources=_ARNS),
        Grant(statement=NEW, rank=0, actions=("cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"), resources=_ARNS),
        Grant(
            statement=OWN,
            rank=0,
            actions=(
                "cloudwatch:DeleteAlarms",
                "cloudwatch:PutMetricAlarm",
                "cloudwatch:TagResource",
                "cloudwatch:UntagResource",
            ),
            resources=_ARNS,
        ),
    ),
    errors={"LimitExceededFault": errors.QuotaExceeded, "InvalidFormat": errors.Refused},
    quotas=(
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
        Group("cloudwatch.Describe", ("cloudwatch.DescribeAlarms",), 9.0),
        Group("cloudwatch.History", ("cloudwatch.DescribeAlarmHistory",), 3.0),
        Group("cloudwatch.Put", ("cloudwatch.PutMetricAlarm",), 3.0),
        Group("cloudwatch.Delete", ("cloudwatch.DeleteAlarms",), 3.0),
        Group(
            "cloudwatch.Tag",
            ("cloudwatch.ListTagsForResource", "cloudwatch.TagResource", "cloudwatch.UntagResource"),
            10.0,
        ),
    ),
    indexed_as="cloudwatch:alarm",
    default_names=_names,
)

build = Alarms
