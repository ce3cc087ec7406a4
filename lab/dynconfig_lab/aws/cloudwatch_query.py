"""GetMetricData, GetMetricStatistics and ListMetrics over the stored data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from dynconfig_lab.aws import cloudwatch_math
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_metrics import Metric, Metrics, Sample, is_percentile, statistic

Document = dict[str, Any]
Bounds = Callable[[float], Sequence[float]]
"""For a period, where its intervals begin and, last, where the last one ends."""

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
MOST_QUERIES = 500
MOST_DATAPOINTS = 1440
PAGE = 500


@dataclass(frozen=True)
class Point:
    """One value and its number of samples."""

    value: float
    count: float


def evaluate(queries: Sequence[Mapping[str, Any]], metrics: Metrics, bounds: Bounds) -> dict[str, dict[float, Point]]:
    """The values of each query by interval start, for intervals with data. Raises AwsError."""
    found: dict[str, dict[float, Point]] = {}
    for query in queries:
        if "MetricStat" in query:
            found[query["Id"]] = _measured(query["MetricStat"], metrics, bounds)
    # An expression may refer to a later one.
    waiting = [query for query in queries if "MetricStat" not in query]
    period = min((query["MetricStat"]["Period"] for query in queries if "MetricStat" in query), default=60)
    while waiting:
        query = next((item for item in waiting if not _mentions(item, waiting)), waiting[0])
        waiting.remove(query)
        named = {name: {at: point.value for at, point in points.items()} for name, points in found.items()}
        series = cloudwatch_math.evaluate(query["Expression"], named, bounds(query.get("Period") or period)[:-1])
        found[query["Id"]] = {at: Point(value, 1.0) for at, value in series.items()}
    return found


def get_metric_data(request: Mapping[str, Any], metrics: Metrics) -> Document:
    """The response of GetMetricData, on one page. Raises AwsError."""
    queries = request["MetricDataQueries"]
    _check_queries(queries, request)
    start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
    found = evaluate(queries, metrics, lambda period: _aligned(start, end, period))
    backwards = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    labels = _labels(queries)
    results = []
    for query in queries:
        if query.get("ReturnData", True):
            points = sorted(found[query["Id"]].items(), reverse=backwards)
            results.append(
                {
                    "Id": query["Id"],
                    "Label": labels[query["Id"]],
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in points],
                    "Values": [point.value for _, point in points],
                    "StatusCode": "Complete",
                }
            )
    return {"MetricDataResults": results, "Messages": []}


def get_metric_statistics(request: Mapping[str, Any], metrics: Metrics) -> Document:
    """The response of GetMetricStatistics: a datapoint for each period and unit. Raises AwsError."""
    start, end, period = request["StartTime"].timestamp(), request["EndTime"].timestamp(), request["Period"]
    _check_range(request, start, end)
    names = [*request.get("Statistics", ()), *request.get("ExtendedStatistics", ())]
    datapoints: list[Document] = []
    for begin, until in pairwise(_aligned(start, end, period)):
        samples = metrics.between(Metric.of(request), begin, until, request.get("Unit"))
        datapoints += [
            _datapoint([sample for sample in samples if sample.unit == unit], names, begin, unit)
            for unit in sorted({sample.unit for sample in samples})
        ]
    return {"Label": request["MetricName"], "Datapoints": datapoints}


def list_metrics(request: Mapping[str, Any], metrics: Metrics) -> Document:
    """The response of ListMetrics."""
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise AwsError("InvalidParameterValue", "The value of NextToken is not valid.")
    start = int(token)
    found = [metric for metric in metrics.all() if _listed(metric, request)]
    page = [
        {
            "Namespace": metric.namespace,
            "MetricName": metric.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
        }
        for metric in found[start : start + PAGE]
    ]
    more = {"NextToken": str(start + PAGE)} if start + PAGE < len(found) else {}
    return {"Metrics": page, **more}


def check_statistic(name: str, parameter: str) -> None:
    """Raise AwsError for an invalid or unsupported statistic."""
    if name not in STATISTICS and not is_percentile(name):
        if name[:2].lower() in ("tm", "wm", "tc", "ts", "pr") or name.lower() == "iqm":
            raise AwsError("NotEmulated", f"The lab does not emulate the statistic {name}.")
        raise AwsError("InvalidParameterValue", f"The value {name} for parameter {parameter} is not supported.")


def _measured(wanted: Mapping[str, Any], metrics: Metrics, bounds: Bounds) -> dict[float, Point]:
    metric, edges = Metric.of(wanted["Metric"]), bounds(wanted["Period"])
    samples = metrics.between(metric, edges[0], edges[-1], wanted.get("Unit"))
    found: dict[float, Point] = {}
    for begin, inside in _sorted_in(samples, edges):
        value = statistic(inside, wanted["Stat"])
        if value is not None:
            found[begin] = Point(value, sum(sample.count for sample in inside))
    return found


def _sorted_in(samples: Sequence[Sample], edges: Sequence[float]) -> Iterator[tuple[float, list[Sample]]]:
    """The samples of each interval with data; both inputs are sorted, so one pass is enough."""
    position = 0
    for begin, until in pairwise(edges):
        inside = []
        while position < len(samples) and samples[position].at < until:
            inside.append(samples[position])
            position += 1
        if inside:
            yield begin, inside


def _aligned(start: float, end: float, period: float) -> list[float]:
    """Intervals at multiples of the period, as in AWS for any start."""
    first, count = math.floor(start / period), math.ceil(end / period) - math.floor(start / period)
    return [(first + number) * period for number in range(count + 1)]


def _mentions(query: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    return any(other is not query and other["Id"] in query["Expression"] for other in others)


def _check_queries(queries: Sequence[Mapping[str, Any]], request: Mapping[str, Any]) -> None:
    if len(queries) > MOST_QUERIES:
        raise AwsError(
            "ValidationError", f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )
    if request["StartTime"] >= request["EndTime"]:
        raise AwsError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    ids = [query["Id"] for query in queries]
    if len(set(ids)) < len(ids):
        raise AwsError("ValidationError", "The values for parameter id in MetricDataQueries must be unique.")
    if request.get("NextToken"):
        raise AwsError("InvalidNextToken", "The lab returns one page and no NextToken.")
    for number, query in enumerate(queries, 1):
        _check_query(query, number)


def _check_query(query: Mapping[str, Any], number: int) -> None:
    if ("MetricStat" in query) == ("Expression" in query):
        raise AwsError("ValidationError", f"MetricDataQueries.member.{number} needs either MetricStat or Expression.")
    if not query["Id"][:1].islower():
        raise AwsError(
            "ValidationError",
            f"The value {query['Id']} for parameter MetricDataQueries.member.{number}.Id is not matching the expected pattern "
            "^[a-z][a-zA-Z0-9_]*$.",
        )
    if "MetricStat" in query:
        check_statistic(query["MetricStat"]["Stat"], f"MetricDataQueries.member.{number}.MetricStat.Stat")


def _labels(queries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The default label as AWS builds it: the metric's name, plus statistic and period if they differ between queries."""
    measured = [query["MetricStat"] for query in queries if "MetricStat" in query]
    same_name = len({item["Metric"]["MetricName"] for item in measured}) == 1
    stats, periods = len({item["Stat"] for item in measured}) > 1, len({item["Period"] for item in measured}) > 1
    found = {}
    for query in queries:
        wanted = query.get("MetricStat")
        parts = [query["Id"]]
        if wanted:
            parts = [wanted["Metric"]["MetricName"]]
            parts += [wanted["Stat"]] if stats and same_name else []
            parts += [str(wanted["Period"])] if periods and same_name else []
        found[query["Id"]] = query.get("Label") or " ".join(parts)
    return found


def _check_range(request: Mapping[str, Any], start: float, end: float) -> None:
    names = request.get("Statistics", ()), request.get("ExtendedStatistics", ())
    if not any(names):
        raise AwsError("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    for name in names[1]:
        check_statistic(name, "ExtendedStatistics")
    if start >= end:
        raise AwsError("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    wanted = math.ceil((end - start) / request["Period"])
    if wanted > MOST_DATAPOINTS:
        raise AwsError(
            "InvalidParameterCombination",
            f"You have requested up to {wanted:,} datapoints, which exceeds the limit of {MOST_DATAPOINTS:,}. You may reduce the "
            "datapoints requested by increasing Period, or decreasing the time range.",
        )


def _datapoint(samples: Sequence[Sample], names: Sequence[str], begin: float, unit: str) -> Document:
    values = {name: statistic(samples, name) for name in names}
    plain = {name: value for name, value in values.items() if name in STATISTICS}
    extended = {name: value for name, value in values.items() if name not in STATISTICS and value is not None}
    more = {"ExtendedStatistics": extended} if extended else {}
    return {"Timestamp": datetime.fromtimestamp(begin, UTC), "Unit": unit, **plain, **more}


def _listed(metric: Metric, request: Mapping[str, Any]) -> bool:
    wanted = {"Namespace": metric.namespace, "MetricName": metric.name}
    if any(request.get(name) not in (None, value) for name, value in wanted.items()):
        return False
    pairs = dict(metric.dimensions)
    return all(
        item["Name"] in pairs and item.get("Value") in (None, pairs[item["Name"]])
        for item in request.get("Dimensions") or ()
    )
