"""Validation of alarms in local files, and the default alarms."""

from typing import Any

import pytest
from pydantic import ValidationError

from dynconfig.api.alarm_defaults import DEFAULTS, whole
from dynconfig.api.alarms import DEFAULT_NAMES, AlarmSpec, AlarmsSpec, Comparison, MissingData
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig_function import metrics

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ops"
QUEUE: dict[str, Any] = {
    "name": "Backlog",
    "metric": "ApproximateNumberOfMessagesVisible",
    "namespace": "AWS/SQS",
    "dimensions": {"QueueName": "orders"},
    "statistic": "Maximum",
    "threshold": 100,
    "comparison": "GreaterThanThreshold",
}


def spec(alarms: dict[str, Any], **more: Any) -> DynamicConfigSpec:
    return DynamicConfigSpec.model_validate({"path": "/myapp/config", "function": {}, "alarms": alarms, **more})


def alarm(**changes: Any) -> AlarmSpec:
    return AlarmSpec.model_validate({key: value for key, value in {**QUEUE, **changes}.items() if value is not None})


def test_empty_alarms_create_the_default_alarms() -> None:
    assert DynamicConfigSpec.model_validate({"path": "/myapp/config"}).alarms is None
    alarms = spec({}).alarms
    assert alarms
    assert [one.name for one in alarms.all] == list(DEFAULT_NAMES)


def test_default_alarms_are_complete_and_ignore_missing_data() -> None:
    for one in AlarmsSpec().all:
        found = whole(one)
        assert found.metric == one.name
        assert found.comparison is Comparison.GREATER
        assert found.treat_missing_data is MissingData.NOT_BREACHING
        assert found.description


def test_default_alarms_use_metrics_of_the_function() -> None:
    own = {name for name, one in DEFAULTS.items() if one["namespace"] == "DynamicConfig"}
    assert own == {metrics.FAILURES, metrics.ERRORS}


def test_override_keeps_unset_fields_of_the_default_alarm() -> None:
    alarms = spec({"custom": [{"name": "Duration", "threshold": 500, "extendedStatistic": "p99"}]}).alarms
    assert alarms
    (found,) = (whole(one) for one in alarms.all if one.name == "Duration")
    assert (found.threshold, found.statistic, found.extended_statistic) == (500, None, "p99")
    assert (found.metric, found.period_seconds, found.evaluation_periods) == ("Duration", 300, 3)


def test_override_without_default_alarms() -> None:
    alarms = spec({"defaults": False, "custom": [{"name": "Errors", "threshold": 9}]}).alarms
    assert alarms
    assert [whole(one).threshold for one in alarms.all] == [9]


def test_custom_alarm_with_metric_replaces_the_default_alarm() -> None:
    alarms = spec({"custom": [{**QUEUE, "name": "Errors"}]}).alarms
    assert alarms
    (errors,) = (one for one in alarms.all if one.name == "Errors")
    assert whole(errors).namespace == "AWS/SQS"
    assert whole(errors).dimensions == {"QueueName": "orders"}


@pytest.mark.parametrize(
    "statistic", ["p99", "p99.9", "p100", "tm90", "wm98", "IQM", "TM(10%:90%)", "PR(:300)", "TC(2%:)"]
)
def test_valid_extended_statistics(statistic: str) -> None:
    assert alarm(statistic=None, extendedStatistic=statistic).extended_statistic == statistic


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"periodSeconds": 45}, "periodSeconds must be 10, 20, 30 or a multiple of 60"),
        ({"periodSeconds": 90}, "periodSeconds must be 10, 20, 30 or a multiple of 60"),
        ({"periodSeconds": 5}, "periodSeconds"),
        ({"periodSeconds": 86460}, "periodSeconds"),
        ({"periodSeconds": 300, "evaluationPeriods": 289}, "periodSeconds times evaluationPeriods"),
        ({"evaluationPeriods": 289}, "periodSeconds times evaluationPeriods"),
        ({"periodSeconds": 3600, "evaluationPeriods": 169}, "periodSeconds times evaluationPeriods"),
        ({"evaluationPeriods": 2, "datapointsToAlarm": 3}, "datapointsToAlarm requires evaluationPeriods"),
        ({"datapointsToAlarm": 1}, "datapointsToAlarm requires evaluationPeriods"),
        ({"statistic": None}, "exactly one of statistic and extendedStatistic"),
        ({"extendedStatistic": "p99"}, "exactly one of statistic and extendedStatistic"),
        ({"statistic": "Median"}, "statistic"),
        ({"statistic": None, "extendedStatistic": "p101"}, "extendedStatistic"),
        ({"statistic": None, "extendedStatistic": "median"}, "extendedStatistic"),
        ({"comparison": "IsAbove"}, "comparison"),
        ({"threshold": float("inf")}, "threshold"),
        ({"threshold": None}, "an alarm needs metric, namespace, threshold and comparison"),
        ({"namespace": None}, "an alarm needs metric, namespace, threshold and comparison"),
        ({"metric": None}, "an alarm needs metric, namespace, threshold and comparison"),
        ({"metric": None, "name": "Errors", "namespace": None}, "namespace, dimensions and unit require metric"),
        ({"namespace": ":x"}, "namespace"),
        ({"dimensions": {":x": "y"}}, "dimension names"),
        ({"dimensions": {"x": ""}}, "dimensions"),
        ({"dimensions": {f"d{number}": "x" for number in range(31)}}, "dimensions"),
        ({"treatMissingData": "good"}, "treatMissingData"),
        ({"unit": "Parsecs"}, "unit"),
        ({"name": "unhealthy"}, "name must not be unhealthy"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"description": "x" * 1025}, "description"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_invalid_alarm_is_rejected_with_its_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        alarm(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"periodSeconds": 10, "evaluationPeriods": 8640, "datapointsToAlarm": 8640},
        {"periodSeconds": 300, "evaluationPeriods": 288},
        {"periodSeconds": 3600, "evaluationPeriods": 168},
        {"periodSeconds": 86400, "evaluationPeriods": 7},
        {"threshold": -0.5},
    ],
)
def test_limits_are_inclusive(changes: dict[str, Any]) -> None:
    assert alarm(**changes)


@pytest.mark.parametrize(
    ("alarms", "more", "message"),
    [
        ({}, {"function": None}, "alarms.defaults requires function"),
        ({"defaults": False, "custom": [{"name": "Errors"}]}, {"function": None}, "alarms.defaults requires function"),
        (
            {"notify": [TOPIC]},
            {"region": "us-east-1"},
            "alarms.notify must only have topics in the region of this object",
        ),
        ({"notify": [TOPIC] * 2}, {}, "notify must not repeat a topic"),
        ({"notify": [f"{TOPIC}-{number}" for number in range(6)]}, {}, "notify"),
        ({"notify": ["arn:aws:sqs:eu-west-1:123456789012:queue"]}, {}, "notify"),
        ({"notify": ["ops@example.org"]}, {}, "notify"),
        ({"custom": [QUEUE, QUEUE]}, {}, "custom must not repeat a name"),
        ({"custom": [{**QUEUE, "name": f"a{number}"} for number in range(21)]}, {}, "custom"),
    ],
)
def test_alarms_that_contradict_other_fields_are_rejected(
    alarms: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(alarms, **more)


def test_custom_alarms_do_not_require_a_function() -> None:
    assert spec({"defaults": False, "custom": [QUEUE]}, function=None).alarms


@pytest.mark.parametrize(
    ("override", "description"),
    [
        ({"name": "Errors"}, "The function fails: Sum of Errors above 5 in 2 of 2 periods of 5 min."),
        (
            {"name": "Errors", "threshold": 1, "periodSeconds": 30, "evaluationPeriods": 3, "datapointsToAlarm": 2},
            "The function fails: Sum of Errors above 1 in 2 of 3 periods of 30 s.",
        ),
        (
            {"name": "Duration", "extendedStatistic": "p99", "comparison": "GreaterThanOrEqualToThreshold"},
            "The function is slow, in milliseconds: p99 of Duration at or above 2400 in 3 of 3 periods of 5 min.",
        ),
        ({"name": "Errors", "threshold": 1, "description": "Call us"}, "Call us"),
    ],
)
def test_description_has_the_effective_numbers(override: dict[str, Any], description: str) -> None:
    assert whole(AlarmSpec.model_validate(override), timeout_seconds=3).description == description


@pytest.mark.parametrize(("timeout", "threshold"), [(3, 2400.0), (30, 24000.0), (900, 720000.0), (None, 10000.0)])
def test_duration_threshold_is_below_the_timeout(timeout: int | None, threshold: float) -> None:
    assert whole(AlarmSpec(name="Duration"), timeout).threshold == threshold
