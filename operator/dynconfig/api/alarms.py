"""The CloudWatch alarms of a configuration: four default alarms, and custom ones with the arguments of PutMetricAlarm.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dynconfig.api.model import HELD_ELSEWHERE, Flag, Model, Number, Rule, WholeNumber

MAX_CUSTOM, MAX_NOTIFY, MAX_DIMENSIONS = 20, 5, 30
HOUR, DAY, WEEK = 3600, 86400, 604800
PERIOD, PERIODS = 300, 1
# No default alarm evaluates more than three periods, so an override without evaluationPeriods stays within a week.
MOST_DEFAULT_PERIODS = 3
UNHEALTHY, DRIFT = "unhealthy", "Drift"
"""Reserved names: the composite alarm over all others, and the drift alarm."""

ALARM_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$"
SNS_TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[a-zA-Z0-9_-]{1,256}(\.fifo)?$"
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
EXTENDED_STATISTIC = (
    r"^((p|tm|tc|ts|wm)(100|[0-9]{1,2}(\.[0-9]{1,10})?)"
    r"|IQM"
    r"|(PR|TC|TM|TS|WM)\(([0-9.]+%?)?:([0-9.]+%?)?\))$"
)

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
Unit = Literal[
    "Seconds", "Microseconds", "Milliseconds",
    "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes",
    "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits",
    "Percent", "Count", "Count/Second",
    "Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
    "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second",
    "None",
]  # fmt: skip

LAMBDA_NAMESPACE, OWN_NAMESPACE = "AWS/Lambda", "DynamicConfig"
"""Metric namespaces. The metrics that the function emits itself have the dimensions FunctionName and Config."""
DRIFTED_FIELDS = "DriftedFields"
"""Metric of the operator in OWN_NAMESPACE, with dimension Config: the number of drifted fields."""


class Statistic(StrEnum):
    """How the datapoints of one period are aggregated."""

    SUM = "Sum"
    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    SAMPLE_COUNT = "SampleCount"


class Comparison(StrEnum):
    """How the statistic is compared with the threshold."""

    GREATER = "GreaterThanThreshold"
    GREATER_OR_EQUAL = "GreaterThanOrEqualToThreshold"
    LESS = "LessThanThreshold"
    LESS_OR_EQUAL = "LessThanOrEqualToThreshold"


class MissingData(StrEnum):
    """How missing data is treated."""

    MISSING = "missing"
    NOT_BREACHING = "notBreaching"
    BREACHING = "breaching"
    IGNORE = "ignore"


DEFAULT_NAMES = ("Errors", "Duration", "FailedParameterRetrievals", "ConfigurationErrors")


class AlarmSpec(Model):
    """One alarm. With the name of a default alarm and no metric, it overrides only the fields it sets."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=ALARM_NAME)]
    """Name within this object. The name of a default alarm, without metric, overrides that alarm."""
    metric: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    """Name of the metric. Case-sensitive; an alarm on a misspelled metric never has data."""
    namespace: Annotated[str | None, Field(min_length=1, max_length=255, pattern=r"^[^:].*$")] = None
    """Namespace of the metric, for example AWS/Lambda."""
    dimensions: Annotated[
        dict[Annotated[str, Field(max_length=255)], Annotated[str, Field(min_length=1, max_length=1024)]],
        Field(max_length=MAX_DIMENSIONS),
    ] = Field(default_factory=dict)
    """Dimensions of the metric. They must match the published dimensions exactly."""
    statistic: Statistic | None = None
    """Statistic of each period. Mutually exclusive with extendedStatistic."""
    extended_statistic: Annotated[str | None, Field(min_length=1, max_length=64, pattern=EXTENDED_STATISTIC)] = None
    """Percentile or other extended statistic of each period, e.g. p99 or TM(10%:90%). Mutually exclusive with statistic."""
    period_seconds: Annotated[WholeNumber | None, Field(ge=10, le=DAY)] = None
    """Length of a period in seconds: 10, 20, 30 or a multiple of 60. Defaults to 300."""
    threshold: Number | None = None
    """Value that the statistic is compared with."""
    comparison: Comparison | None = None
    """How the statistic is compared with threshold."""
    evaluation_periods: Annotated[WholeNumber | None, Field(ge=1, le=8640)] = None
    """Number of recent periods to evaluate. Defaults to 1. At most one day in total, or seven days with periods of an hour."""
    datapoints_to_alarm: Annotated[WholeNumber | None, Field(ge=1, le=8640)] = None
    """Number of evaluated periods that must breach. Defaults to evaluationPeriods, which must be set."""
    treat_missing_data: MissingData | None = None
    """How periods without data are treated. Defaults to missing."""
    unit: Unit | None = None
    """Unit of the metric. If set, datapoints in other units are ignored."""
    description: Annotated[str | None, Field(max_length=1024)] = None
    """Description of the alarm, shown to the person who responds to it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.periodSeconds) || self.periodSeconds in [10, 20, 30] || self.periodSeconds % 60 == 0",
            message="periodSeconds must be 10, 20, 30 or a multiple of 60",
            field="periodSeconds",
        ),
        Rule(
            cel=f"(has(self.periodSeconds) ? self.periodSeconds : {PERIOD}) * "
            f"(has(self.evaluationPeriods) ? self.evaluationPeriods : (has(self.metric) ? {PERIODS} : "
            f"{MOST_DEFAULT_PERIODS})) <= (has(self.periodSeconds) && self.periodSeconds >= {HOUR} ? {WEEK} : {DAY})",
            message="periodSeconds times evaluationPeriods must not exceed 86400 (one day), or 604800 (seven days) "
            "if periodSeconds is 3600 or more",
            field="evaluationPeriods",
        ),
        Rule(
            cel="!has(self.datapointsToAlarm) || "
            "(has(self.evaluationPeriods) && self.datapointsToAlarm <= self.evaluationPeriods)",
            message="datapointsToAlarm requires evaluationPeriods and must not exceed it",
            field="datapointsToAlarm",
        ),
        Rule(
            cel="has(self.metric) ? has(self.statistic) != has(self.extendedStatistic) "
            ": !(has(self.statistic) && has(self.extendedStatistic))",
            message="exactly one of statistic and extendedStatistic must be set",
            advice=HELD_ELSEWHERE,
        ),
        Rule(
            cel="has(self.metric) ? has(self.namespace) && has(self.threshold) && has(self.comparison) "
            f": self.name in {list(DEFAULT_NAMES)}",
            message="an alarm needs metric, namespace, threshold and comparison, unless its name is that of a default alarm: "
            f"{', '.join(DEFAULT_NAMES)}",
        ),
        Rule(
            cel="has(self.metric) || "
            "!(has(self.namespace) || has(self.unit) || (has(self.dimensions) && size(self.dimensions) > 0))",
            message="namespace, dimensions and unit require metric; an overridden default alarm keeps its own",
        ),
        Rule(
            cel="!has(self.dimensions) || self.dimensions.all(name, size(name) >= 1 && size(name) <= 255 && "
            "!name.startsWith(':'))",
            message="dimension names must have 1 to 255 characters and must not begin with a colon",
            field="dimensions",
        ),
        Rule(
            cel=f"!(self.name in {[UNHEALTHY, DRIFT]})",
            message=f"name must not be {UNHEALTHY} or {DRIFT}, which are reserved for the composite alarm and the drift alarm",
            field="name",
        ),
    )

    @property
    def is_default(self) -> bool:
        """Whether it is a default alarm, overridden or not. Default alarms watch the function of this object."""
        return self.metric is None


class AlarmsSpec(Model):
    """CloudWatch alarms and their notifications."""

    defaults: Flag = True
    """Create the default alarms of the function: Errors, Duration, FailedParameterRetrievals, ConfigurationErrors.
    Requires function."""
    drift: Flag = False
    """Create an alarm that fires on drift and returns to OK once it is resolved."""
    notify: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=320, pattern=SNS_TOPIC)]], Field(max_length=MAX_NOTIFY)
    ] = Field(default_factory=list, json_schema_extra={"x-kubernetes-list-type": "set"})
    """ARNs of SNS topics, in the region of this object, to notify when any alarm fires and when all are OK again."""
    topic: Flag | None = None
    """Create an SNS topic that is notified in addition to those in notify. Subscribe to its ARN, which status.resources lists.
    Deleting the topic removes its subscriptions."""
    custom: Annotated[list[AlarmSpec], Field(max_length=MAX_CUSTOM)] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Additional alarms with unique names. An alarm with the name of a default alarm overrides it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        # CloudWatch allows five actions for each state of an alarm.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
        Rule(
            cel=f"!(has(self.topic) && self.topic) || !has(self.notify) || size(self.notify) < {MAX_NOTIFY}",
            message=f"notify must have at most {MAX_NOTIFY - 1} topics if topic is true",
            field="notify",
        ),
        # The API server enforces both for a set and a list-map; these rules check files locally.
        Rule(
            message="notify must not repeat a topic",
            holds=lambda alarms: len(set(alarms.notify)) == len(alarms.notify),
        ),
        Rule(
            message="custom must not repeat a name",
            holds=lambda alarms: len({alarm.name for alarm in alarms.custom}) == len(alarms.custom),
        ),
    )

    @property
    def all(self) -> tuple[AlarmSpec, ...]:
        """The desired alarms as declared. A default alarm that is not overridden has a name only."""
        defaults = {name: AlarmSpec(name=name) for name in DEFAULT_NAMES} if self.defaults else {}
        return tuple({**defaults, **{alarm.name: alarm for alarm in self.custom}}.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all alarms of this object, the composite alarm first."""
        over, drift = (UNHEALTHY,) if self.all else (), (DRIFT,) if self.drift else ()
        return (*over, *(alarm.name for alarm in self.all), *drift)


def region_of(topic: str) -> str:
    """Return the region in the ARN of a topic."""
    return topic.split(":")[3]
