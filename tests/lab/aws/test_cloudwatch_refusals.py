"""What CloudWatch rejects in alarms is rejected with its code and text."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.watching import Watched

pytestmark = pytest.mark.lab

STAT = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
ON_MATH: dict[str, Any] = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))


def math(*queries: dict[str, Any]) -> dict[str, Any]:
    return {**ON_MATH, "Metrics": list(queries)}


REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    (
        {"AlarmName": "x" * 256},
        "ValidationError",
        "'alarmName' failed to satisfy constraint: Member must have length less than",
    ),
    ({"AlarmDescription": "x" * 1025}, "ValidationError", "'alarmDescription' failed to satisfy constraint"),
    (
        {"AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:t"] * 6},
        "ValidationError",
        "length less than or equal to 5",
    ),
    ({"Statistic": "Median"}, "ValidationError", "Member must satisfy enum value set: [SampleCount, Average, Sum,"),
    ({"ComparisonOperator": "Above"}, "ValidationError", "'comparisonOperator' failed to satisfy constraint"),
    ({"Unit": "Apples"}, "ValidationError", "'unit' failed to satisfy constraint"),
    ({"Namespace": ":n"}, "ValidationError", "must satisfy regular expression pattern: [^:].*"),
    ({"Dimensions": [{"Name": str(n), "Value": "v"} for n in range(31)]}, "ValidationError", "'dimensions' failed"),
    ({"Statistic": None}, "ValidationError", "exactly one of Statistic and ExtendedStatistic"),
    ({"ExtendedStatistic": "p99"}, "ValidationError", "exactly one of Statistic and ExtendedStatistic"),
    ({"Statistic": None, "ExtendedStatistic": "p101"}, "InvalidParameterValue", "The value p101 for parameter"),
    ({"Statistic": None, "ExtendedStatistic": "Sum"}, "InvalidParameterValue", "use Statistic"),
    ({"Statistic": None, "ExtendedStatistic": "tm90"}, "NotEmulated", "tm90"),
    ({"Namespace": None}, "MissingParameter", "The parameter Namespace is required."),
    ({"Period": None}, "MissingParameter", "The parameter Period is required."),
    ({"Threshold": None}, "MissingParameter", "The parameter Threshold is required."),
    ({"ComparisonOperator": None}, "MissingParameter", "The parameter ComparisonOperator is required."),
    ({"EvaluationPeriods": None}, "MissingParameter", "The parameter EvaluationPeriods is required."),
    ({"MetricName": None}, "ValidationError", "Exactly one of MetricName and Metrics"),
    ({"Period": 7}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
    ({"Period": 40}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
    ({"Period": 90}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
    (
        {"Period": 60, "EvaluationPeriods": 1441},
        "ValidationError",
        "more than a day (EvaluationPeriods * Period must be <= 86400)",
    ),
    (
        {"Period": 3600, "EvaluationPeriods": 169},
        "ValidationError",
        "more than a week (EvaluationPeriods * Period must be <= 604800)",
    ),
    ({"DatapointsToAlarm": 2}, "ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
    ({"TreatMissingData": "nope"}, "ValidationError", "[breaching, notBreaching, ignore, missing]"),
    ({"EvaluateLowSampleCountPercentile": "nope"}, "ValidationError", "Option nope is not supported."),
    ({"OKActions": ["people"]}, "ValidationError", "Invalid arn syntax: people"),
    (
        {"OKActions": ["arn:aws:sns:us-east-1:1:t"]},
        "ValidationError",
        "Invalid region us-east-1 specified. Only eu-west-1",
    ),
    ({"Tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidParameterValue", "System tags"),
    ({"Tags": [{"Key": "x", "Value": ""}] * 2}, "InvalidParameterValue", "Duplicate tag keys"),
    ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError", "ThresholdMetricId"),
    ({"ThresholdMetricId": "band"}, "NotEmulated", "ThresholdMetricId"),
    (math({"Id": "a", "MetricStat": STAT}, {"Id": "b", "MetricStat": STAT}), "ValidationError", "should return data"),
    (math({"Id": "a"}), "ValidationError", "needs either MetricStat or Expression"),
    ({"Metrics": [{"Id": "a", "MetricStat": STAT}]}, "ValidationError", "Exactly one of MetricName and Metrics"),
    (
        {**math({"Id": "a", "MetricStat": STAT}), "Statistic": "Sum"},
        "ValidationError",
        "Statistic cannot be specified together with Metrics",
    ),
)


@pytest.mark.parametrize(("fields", "code", "message"), REFUSED, ids=[text[:40] for *_, text in REFUSED])
def test_invalid_alarm_is_rejected(watched: Watched, fields: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(ClientError) as refused:
        watched.alarm(**fields)
    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]
    assert watched.cloudwatch.describe_alarms(AlarmNames=watched.names)["MetricAlarms"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"Period": 10},
        {"Period": 30},
        {"Period": 60, "EvaluationPeriods": 1440},
        {"Period": 3600, "EvaluationPeriods": 168},
        {"Period": 86400, "EvaluationPeriods": 7},
        {"EvaluationPeriods": 3, "DatapointsToAlarm": 3},
        {"AlarmName": "x" * 255},
        math({"Id": "a", "MetricStat": STAT, "ReturnData": False}, {"Id": "e", "Expression": "a * 2"}),
    ],
    ids=str,
)
def test_values_at_the_limits_are_accepted(watched: Watched, fields: dict[str, Any]) -> None:
    name = watched.alarm(**fields)
    watched.names.append(name)
    assert watched.state(name) == "INSUFFICIENT_DATA"


def test_several_errors_are_reported_together(watched: Watched) -> None:
    with pytest.raises(ClientError) as refused:
        watched.alarm(ComparisonOperator="Above", Statistic="Median")
    message = refused.value.response["Error"]["Message"]
    assert message.startswith(
        "2 validation errors detected: Value 'Median' at 'statistic' failed to satisfy constraint: "
    )
    assert "; Value 'Above' at 'comparisonOperator' failed to satisfy constraint: " in message


def test_request_over_120_kilobytes_is_rejected(watched: Watched) -> None:
    queries = [{"Id": f"m{n}", "Expression": "1 + " * 500 + "1", "ReturnData": n == 0} for n in range(70)]
    with pytest.raises(ClientError, match="120 KB"):
        watched.alarm(**math(*queries))


def test_invalid_composite_alarm_is_rejected(watched: Watched) -> None:
    metric = watched.alarm()
    for rule, message in (
        ("ALARM(none) OR ALARM(other)", r"alarms \[none, other\] in the alarm rule do not exist"),
        ("ALARM(", "AlarmRule is invalid"),
        (" TRUE", "leading or trailing whitespace"),
        ("TRUE OR " * 1300 + "TRUE", "length less than or equal to 10240"),
    ):
        with pytest.raises(ClientError, match=message) as refused:
            watched.composite(rule)
        assert refused.value.response["Error"]["Code"] == "ValidationError"
    with pytest.raises(ClientError, match="is the name of a metric alarm"):
        watched.cloudwatch.put_composite_alarm(AlarmName=metric, AlarmRule="TRUE")
    with pytest.raises(ClientError, match="Only eu-west-1 is supported"):
        watched.composite("TRUE", AlarmActions=["arn:aws:sns:us-east-1:123456789012:t"])
    with pytest.raises(ClientError, match="is the name of a composite alarm"):
        watched.alarm(AlarmName=watched.composite("FALSE"))


def test_more_than_a_hundred_names_are_rejected(watched: Watched) -> None:
    names = [str(number) for number in range(101)]
    for call in (watched.cloudwatch.delete_alarms, watched.cloudwatch.describe_alarms):
        with pytest.raises(ClientError, match="less than or equal to 100"):
            call(AlarmNames=names)
    with pytest.raises(ClientError, match="cannot be specified together"):
        watched.cloudwatch.describe_alarms(AlarmNames=["a"], AlarmNamePrefix="a")
