"""What AWS rejects in alarms and metric data beyond its API model: codes and texts of AWS. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_query import STATISTICS, check_statistic

Request = Mapping[str, Any]

MISSING_DATA = ("breaching", "notBreaching", "ignore", "missing")
COMPARISONS = (
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)
ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
DAY, WEEK, HOUR = 86_400, 604_800, 3600
MOST_TAGS = 50
MOST_REQUEST_BYTES = 120 * 1024
_ELSEWHERE = (
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
    "ActionsSuppressor",
)


def check_metric_alarm(request: Request, region: str) -> None:
    """Raise AwsError if AWS rejects a PutMetricAlarm."""
    check_emulated(request)
    for name in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        _require(request, name)
    if request["ComparisonOperator"] not in COMPARISONS:
        raise _invalid("An anomaly detection comparison operator needs the parameter ThresholdMetricId.")
    if ("MetricName" in request) == bool(request.get("Metrics")):
        raise _invalid("Exactly one of MetricName and Metrics must be specified.")
    _check_period(_checked_math(request) if request.get("Metrics") else _checked_metric(request), request)
    _check_evaluation(request)
    check_actions(request, region)
    check_tags(request.get("Tags", []))


def check_emulated(request: Request) -> None:
    """Raise AwsError for features of AWS that the lab does not emulate."""
    for name in _ELSEWHERE:
        if name in request:
            raise AwsError("NotEmulated", f"The lab does not emulate {name} of alarms.")


def check_actions(request: Request, region: str) -> None:
    """Raise AwsError for an invalid ARN or an ARN of another region."""
    for arn in (arn for name in ACTIONS for arn in request.get(name) or ()):
        parts = arn.split(":")
        if len(parts) < 6 or parts[0] != "arn":
            raise _invalid(f"Invalid arn syntax: {arn}")
        if parts[3] not in ("", region):
            raise _invalid(f"Invalid region {parts[3]} specified. Only {region} is supported.")


def check_tags(tags: Sequence[Mapping[str, str]], present: int = 0) -> None:
    """Raise AwsError for reserved keys, duplicate keys and more than fifty tags."""
    keys = [tag["Key"] for tag in tags]
    if any(key.lower().startswith("aws:") for key in keys):
        raise AwsError("InvalidParameterValue", "System tags cannot be added or updated by requester.")
    if len(set(keys)) < len(keys):
        raise AwsError("InvalidParameterValue", "Duplicate tag keys found.")
    if len(keys) + present > MOST_TAGS:
        raise AwsError("InvalidParameterValue", f"The maximum number of tags on a resource is {MOST_TAGS}.")


def check_metric_data(request: Request, now: datetime) -> None:
    """Raise AwsError if AWS rejects a PutMetricData."""
    if request.get("EntityMetricData"):
        raise AwsError("NotEmulated", "The lab does not emulate metric data of entities.")
    if request["Namespace"].startswith("AWS/"):
        raise AwsError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    data = request.get("MetricData") or []
    if len(data) > 1000:
        raise AwsError("ValidationError", "The collection MetricData must not have a size greater than 1000.")
    for number, datum in enumerate(data, 1):
        _check_datum(datum, f"MetricData.member.{number}", now)


def _checked_metric(request: Request) -> int:
    """The period of an alarm on one metric."""
    for name in ("Namespace", "Period"):
        _require(request, name)
    if ("Statistic" in request) == ("ExtendedStatistic" in request):
        raise _invalid("Must specify exactly one of Statistic and ExtendedStatistic.")
    if "ExtendedStatistic" in request:
        if request["ExtendedStatistic"] in STATISTICS:
            raise AwsError("InvalidParameterValue", "ExtendedStatistic takes percentiles; use Statistic.")
        check_statistic(request["ExtendedStatistic"], "ExtendedStatistic")
    period: int = request["Period"]
    return period


def _checked_math(request: Request) -> int:
    """The period of an alarm on an expression: all its metrics have the same period."""
    others = [name for name in ("Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit") if name in request]
    if others:
        raise _invalid(f"{others[0]} cannot be specified together with Metrics.")
    queries = request["Metrics"]
    if sum(query.get("ReturnData", True) for query in queries) != 1:
        raise _invalid("Exactly one element of the metrics list should return data.")
    for query in queries:
        if ("MetricStat" in query) == ("Expression" in query):
            raise _invalid(f"Metric {query['Id']} needs either MetricStat or Expression.")
    periods = {query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}
    if len(periods) != 1:
        raise _invalid("All metrics of an alarm must have the same period.")
    period: int = periods.pop()
    return period


def _check_period(period: int, request: Request) -> None:
    if period not in (10, 20, 30) and period % 60:
        raise _invalid("Period must be 10, 20, 30 or a multiple of 60")
    total = period * request["EvaluationPeriods"]
    if period < HOUR and total > DAY:
        raise _invalid(
            f"Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= {DAY}) for alarms "
            f"using period < {HOUR}"
        )
    if total > WEEK:
        raise _invalid(
            f"Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= {WEEK}) for alarms "
            f"using period >= {HOUR}"
        )


def _check_evaluation(request: Request) -> None:
    if request.get("DatapointsToAlarm", 1) > request["EvaluationPeriods"]:
        raise _invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    treated = request.get("TreatMissingData", "missing")
    if treated not in MISSING_DATA:
        raise _invalid(
            f"The value {treated} is not supported for TreatMissingData parameter. Supported values are "
            f"[{', '.join(MISSING_DATA)}]."
        )
    low = request.get("EvaluateLowSampleCountPercentile", "evaluate")
    if low not in ("evaluate", "ignore"):
        raise _invalid(
            f"Option {low} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are evaluate "
            "and ignore."
        )


def _check_datum(datum: Request, where: str, now: datetime) -> None:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        raise AwsError(
            "InvalidParameterCombination",
            f"Exactly one of the parameters {where}.Value, {where}.Values and {where}.StatisticValues must be specified.",
        )
    values, counts = datum.get("Values", [datum.get("Value", 0.0)]), datum.get("Counts")
    if counts is not None and len(counts) != len(values):
        raise _value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    if len(values) > 150:
        raise _value(f"The collection {where}.Values must not have a size greater than 150.")
    if not all(math.isfinite(value) for value in values):
        raise _value(f"The value for parameter {where}.Value must be a number.")
    at = datum.get("Timestamp", now)
    if not now - timedelta(days=14) <= at <= now + timedelta(hours=2):
        raise _value(f"The parameter {where}.Timestamp must be between two weeks ago and two hours from now.")


def _require(request: Request, name: str) -> None:
    if request.get(name) is None:
        raise AwsError("MissingParameter", f"The parameter {name} is required.")


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationError", text)


def _value(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text)
