"""What CloudWatch has for the charts and alarms of a dashboard."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from dynconfig.cli.drawing.scene import AlarmState, Metric, Points

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

T = TypeVar("T")

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
QUERIES = 500
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
NAMES = 100


def series(
    cloudwatch: "CloudWatchClient", metrics: Sequence[Metric], *, start: float, end: float, period: int
) -> dict[Metric, Points]:
    """The values of each metric between two times, oldest first."""
    found: dict[Metric, list[tuple[float, float]]] = {metric: [] for metric in metrics}
    for batch in _batches(metrics, QUERIES):
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[_query(number, metric, period) for number, metric in enumerate(batch)],
            StartTime=datetime.fromtimestamp(start, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            ScanBy="TimestampAscending",
        )
        for result in (item for page in pages for item in page["MetricDataResults"]):
            times = (at.timestamp() for at in result["Timestamps"])
            found[batch[int(result["Id"][1:])]] += zip(times, result["Values"], strict=True)
    return {metric: tuple(points) for metric, points in found.items()}


def states(cloudwatch: "CloudWatchClient", names: Sequence[str]) -> dict[str, AlarmState]:
    """The state of each alarm that there is."""
    found: dict[str, AlarmState] = {}
    for batch in _batches(names, NAMES):
        answer = cloudwatch.describe_alarms(
            AlarmNames=batch, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=NAMES
        )
        for alarm in (*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])):
            since = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
            found[alarm["AlarmName"]] = AlarmState(alarm["AlarmName"], alarm["StateValue"], since.timestamp())
    return found


def _query(number: int, metric: Metric, period: int) -> "MetricDataQueryTypeDef":
    return {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": period,
            "Stat": metric.stat,
        },
    }


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
