"""The alarms of a configuration: four by default, and of one's own what PutMetricAlarm takes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dynconfig.api.model import HELD_ELSEWHERE, Flag, Model, Number, Rule, WholeNumber

MAX_CUSTOM, MAX_NOTIFY, MAX_DIMENSIONS = 20, 5, 30
HOUR, DAY, WEEK = 3600, 86400, 604800
PERIOD, PERIODS = 300, 1
# The default alarms look at three periods at most, so that an override which names none stays within the week.
MOST_DEFAULT_PERIODS = 3
UNHEALTHY, DRIFT = "unhealthy", "Drift"
"""The alarm over all others, and the one on what somebody changed in AWS; no other may have these names."""

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
"""Whose metrics are where; those that the function writes itself have dimensions FunctionName and Config."""
DRIFTED_FIELDS = "DriftedFields"
"""What the operator writes there, with dimension Config: how many fields are not as declared."""


class Statistic(StrEnum):
    """How the values of one period become one number."""

    SUM = "Sum"
    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    SAMPLE_COUNT = "SampleCount"


class Comparison(StrEnum):
    """How that number is held against the threshold."""

    GREATER = "GreaterThanThreshold"
    GREATER_OR_EQUAL = "GreaterThanOrEqualToThreshold"
    LESS = "LessThanThreshold"
    LESS_OR_EQUAL = "LessThanOrEqualToThreshold"


class MissingData(StrEnum):
    """What a period without data means."""

    MISSING = "missing"
    NOT_BREACHING = "notBreaching"
    BREACHING = "breaching"
    IGNORE = "ignore"


DEFAULT_NAMES = ("Errors", "Duration", "FailedParameterRetrievals", "ConfigurationErrors")


class AlarmSpec(Model):
    """One alarm. With the name of a default one and no metric, it overrides what it says and keeps the rest."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=ALARM_NAME)]
    """Name within this object. With the name of a default alarm and without a metric, it overrides that alarm."""
    metric: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    """Name of the metric. It is case sensitive: a typo is an alarm that never has data."""
    namespace: Annotated[str | None, Field(min_length=1, max_length=255, pattern=r"^[^:].*$")] = None
    """Namespace of the metric, for example AWS/Lambda."""
    dimensions: Annotated[
        dict[Annotated[str, Field(max_length=255)], Annotated[str, Field(min_length=1, max_length=1024)]],
        Field(max_length=MAX_DIMENSIONS),
    ] = Field(default_factory=dict)
    """Dimensions of the metric: exactly those it is published with."""
    statistic: Statistic | None = None
    """Statistic of each period; or give extendedStatistic."""
    extended_statistic: Annotated[str | None, Field(min_length=1, max_length=64, pattern=EXTENDED_STATISTIC)] = None
    """Percentile or other extended statistic of each period, for example p99 or TM(10%:90%); or give statistic."""
    period_seconds: Annotated[WholeNumber | None, Field(ge=10, le=DAY)] = None
    """Length of a period in seconds: 10, 20, 30 or a multiple of 60; 300 if absent."""
    threshold: Number | None = None
    """What the statistic is compared with."""
    comparison: Comparison | None = None
    """How the statistic is compared with threshold."""
    evaluation_periods: Annotated[WholeNumber | None, Field(ge=1, le=8640)] = None
    """How many of the last periods are looked at, 1 if absent; a day in all at most, seven with periods of an hour or more."""
    datapoints_to_alarm: Annotated[WholeNumber | None, Field(ge=1, le=8640)] = None
    """How many of these periods have to breach; all of them if absent. Needs evaluationPeriods."""
    treat_missing_data: MissingData | None = None
    """What a period without data means; missing if absent."""
    unit: Unit | None = None
    """Unit of the metric; if given, values in other units are not seen."""
    description: Annotated[str | None, Field(max_length=1024)] = None
    """What whoever is woken by the alarm should know."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.periodSeconds) || self.periodSeconds in [10, 20, 30] || self.periodSeconds % 60 == 0",
            message="periodSeconds must be 10, 20, 30 or a multiple of 60",
            holds=lambda alarm: (
                alarm.period_seconds is None or alarm.period_seconds in (10, 20, 30) or alarm.period_seconds % 60 == 0
            ),
            field="periodSeconds",
        ),
        Rule(
            cel=f"(has(self.periodSeconds) ? self.periodSeconds : {PERIOD}) * "
            f"(has(self.evaluationPeriods) ? self.evaluationPeriods : (has(self.metric) ? {PERIODS} : "
            f"{MOST_DEFAULT_PERIODS})) <= (has(self.periodSeconds) && self.periodSeconds >= {HOUR} ? {WEEK} : {DAY})",
            message="periodSeconds times evaluationPeriods must not be above 86400 (one day), or above 604800 (seven days) "
            "where periodSeconds is 3600 or more",
            holds=lambda alarm: _span(alarm) <= (WEEK if (alarm.period_seconds or PERIOD) >= HOUR else DAY),
            field="evaluationPeriods",
        ),
        Rule(
            cel="!has(self.datapointsToAlarm) || "
            "(has(self.evaluationPeriods) && self.datapointsToAlarm <= self.evaluationPeriods)",
            message="datapointsToAlarm needs evaluationPeriods and must not be above it",
            holds=lambda alarm: (
                alarm.datapoints_to_alarm is None or alarm.datapoints_to_alarm <= (alarm.evaluation_periods or 0)
            ),
            field="datapointsToAlarm",
        ),
        Rule(
            cel="has(self.metric) ? has(self.statistic) != has(self.extendedStatistic) "
            ": !(has(self.statistic) && has(self.extendedStatistic))",
            message="exactly one of statistic and extendedStatistic must be given",
            advice=HELD_ELSEWHERE,
            holds=lambda alarm: (
                (alarm.statistic is None) != (alarm.extended_statistic is None)
                if alarm.metric
                else alarm.statistic is None or alarm.extended_statistic is None
            ),
        ),
        Rule(
            cel="has(self.metric) ? has(self.namespace) && has(self.threshold) && has(self.comparison) "
            f": self.name in {list(DEFAULT_NAMES)}",
            message="an alarm needs metric, namespace, threshold and comparison, unless it overrides a default one by its "
            f"name: {', '.join(DEFAULT_NAMES)}",
            holds=lambda alarm: (
                None not in (alarm.namespace, alarm.threshold, alarm.comparison)
                if alarm.metric
                else alarm.name in DEFAULT_NAMES
            ),
        ),
        Rule(
            cel="has(self.metric) || "
            "!(has(self.namespace) || has(self.unit) || (has(self.dimensions) && size(self.dimensions) > 0))",
            message="namespace, dimensions and unit need metric; a default alarm that is overridden keeps its own",
            holds=lambda alarm: bool(alarm.metric) or not (alarm.namespace or alarm.unit or alarm.dimensions),
        ),
        Rule(
            cel="!has(self.dimensions) || self.dimensions.all(name, size(name) >= 1 && size(name) <= 255 && "
            "!name.startsWith(':'))",
            message="names in dimensions have 1 to 255 characters and do not begin with a colon",
            holds=lambda alarm: all(name and not name.startswith(":") for name in alarm.dimensions),
            field="dimensions",
        ),
        Rule(
            cel=f"!(self.name in {[UNHEALTHY, DRIFT]})",
            message=f"name must not be {UNHEALTHY} or {DRIFT}: so are called the alarm over all others and the one on drift",
            holds=lambda alarm: alarm.name not in (UNHEALTHY, DRIFT),
            field="name",
        ),
    )

    @property
    def is_default(self) -> bool:
        """Whether it is a default alarm, overridden or not: it watches the function of this object."""
        return self.metric is None


class AlarmsSpec(Model):
    """What is watched, and who hears of it."""

    defaults: Flag = True
    """Watch the function: its Errors and Duration, FailedParameterRetrievals and ConfigurationErrors. Needs function."""
    drift: Flag = False
    """Watch for drift: an alarm that goes off when something was changed in AWS, and is well when all is as declared again."""
    notify: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=320, pattern=SNS_TOPIC)]], Field(max_length=MAX_NOTIFY)
    ] = Field(default_factory=list, json_schema_extra={"x-kubernetes-list-type": "set"})
    """ARNs of SNS topics, in the region of this object, that hear when any alarm goes off and when all are well again."""
    custom: Annotated[list[AlarmSpec], Field(max_length=MAX_CUSTOM)] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """More alarms, each name once; those with the name of a default one override it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        # The API server says both by itself of a set and of a list-map; a file on a laptop has nobody else to say it.
        Rule(
            cel="",
            message="notify must not repeat a topic",
            holds=lambda alarms: len(set(alarms.notify)) == len(alarms.notify),
        ),
        Rule(
            cel="",
            message="custom must not repeat a name",
            holds=lambda alarms: len({alarm.name for alarm in alarms.custom}) == len(alarms.custom),
        ),
    )

    @property
    def all(self) -> tuple[AlarmSpec, ...]:
        """The alarms that are to be, as declared: a default one that nobody overrides says nothing but its name."""
        defaults = {name: AlarmSpec(name=name) for name in DEFAULT_NAMES} if self.defaults else {}
        return tuple({**defaults, **{alarm.name: alarm for alarm in self.custom}}.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all alarms of this object; first the one over those that say how it is doing."""
        over, drift = (UNHEALTHY,) if self.all else (), (DRIFT,) if self.drift else ()
        return (*over, *(alarm.name for alarm in self.all), *drift)

    @property
    def needs_function(self) -> bool:
        """Whether an alarm watches the function of this object."""
        return any(alarm.is_default for alarm in self.all)


def region_of(topic: str) -> str:
    """The region in the ARN of a topic."""
    return topic.split(":")[3]


def _span(alarm: AlarmSpec) -> int:
    periods = alarm.evaluation_periods or (PERIODS if alarm.metric else MOST_DEFAULT_PERIODS)
    return (alarm.period_seconds or PERIOD) * periods
