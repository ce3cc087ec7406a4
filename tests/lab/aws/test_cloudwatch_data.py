"""Stored data is returned as series, statistics and lists."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dynconfig_lab.aws.cloudwatch_metrics import LARGEST_SERIES, Metric, Metrics
from dynconfig_lab.aws.embedded_metrics import embedded

pytestmark = pytest.mark.lab

# At a multiple of five minutes, at most an hour ago.
START = datetime.fromtimestamp(time.time() // 300 * 300 - 1800, UTC)
LINE = (
    '{"_aws": {"Timestamp": %d, "CloudWatchMetrics": [{"Namespace": "%s", "Dimensions": [["FunctionName", "Config"]], '
    '"Metrics": [{"Name": "CacheHits", "Unit": "Count"}]}]}, "FunctionName": "f", "Config": "c", "CacheHits": [3, 4]}'
)


class Data:
    """Metric data in a separate namespace."""

    def __init__(self, cloudwatch: Any) -> None:
        self.cloudwatch = cloudwatch
        self.namespace = f"data-{uuid.uuid4()}"

    def put(self, *values: float, name: str = "m", minute: float = 0, **fields: Any) -> None:
        at = START + timedelta(minutes=minute)
        data = [{"MetricName": name, "Value": value, "Timestamp": at, **fields} for value in values]
        self.cloudwatch.put_metric_data(Namespace=self.namespace, MetricData=data)

    def query(self, stat: str = "Sum", period: int = 60, name: str = "m", **more: Any) -> dict[str, Any]:
        """A query whose id is derived from its content."""
        dimensions = {"Dimensions": more.pop("Dimensions")} if "Dimensions" in more else {}
        unit = {"Unit": more.pop("Unit")} if "Unit" in more else {}
        metric = {"Namespace": self.namespace, "MetricName": name, **dimensions}
        measured = {"Metric": metric, "Period": period, "Stat": stat, **unit}
        made_up = f"{name}_{stat}_{period}".lower().replace(".", "_")
        return {"Id": made_up, "MetricStat": measured, **more}

    def get(self, *queries: dict[str, Any], minutes: float = 10, **more: Any) -> list[dict[str, Any]]:
        answer = self.cloudwatch.get_metric_data(
            MetricDataQueries=list(queries),
            StartTime=START,
            EndTime=START + timedelta(minutes=minutes),
            **{"ScanBy": "TimestampAscending", **more},
        )
        return list(answer["MetricDataResults"])

    def values(self, *queries: dict[str, Any], **more: Any) -> list[list[float]]:
        return [result["Values"] for result in self.get(*queries, **more)]


@pytest.fixture
def data(aws: Callable[[str], Any]) -> Data:
    return Data(aws("cloudwatch"))


# --- GetMetricData


def test_each_period_with_data_has_its_value_at_its_start(data: Data) -> None:
    data.put(1.0, 2.0)
    data.put(4.0, minute=0.9)
    data.put(8.0, minute=3)
    (result,) = data.get(data.query())
    assert result["Values"] == [7.0, 8.0]
    assert result["Timestamps"] == [START, START + timedelta(minutes=3)]
    assert result["StatusCode"] == "Complete"
    assert data.values(data.query(period=300)) == [[15.0]]
    assert data.values(data.query(), ScanBy="TimestampDescending") == [[8.0, 7.0]]


@pytest.mark.parametrize(
    ("stat", "value"),
    [
        ("Sum", 110.0),
        ("Average", 27.5),
        ("Minimum", 1.0),
        ("Maximum", 100.0),
        ("SampleCount", 4.0),
        ("p50", 3.0),
        ("p75", 6.0),
        ("p99.9", 100.0),
        ("p0", 1.0),
        ("p100", 100.0),
    ],
)
def test_each_statistic_is_returned(data: Data, stat: str, value: float) -> None:
    data.put(100.0, 1.0, 6.0, 3.0)
    assert data.values(data.query(stat)) == [[value]]


def test_values_with_counts_and_summaries_have_their_sample_count(data: Data) -> None:
    at = {"MetricName": "m", "Timestamp": START}
    summary = {"SampleCount": 2.0, "Sum": 30.0, "Minimum": 5.0, "Maximum": 25.0}
    data.cloudwatch.put_metric_data(
        Namespace=data.namespace,
        MetricData=[{**at, "Values": [1.0, 2.0], "Counts": [3.0, 1.0]}, {**at, "StatisticValues": summary}],
    )
    stats = ("Sum", "SampleCount", "Minimum", "Maximum", "p75")
    assert data.values(*(data.query(stat) for stat in stats)) == [[35.0], [6.0], [1.0], [25.0], [1.0]]


def test_data_with_other_dimensions_or_units_is_another_series(data: Data) -> None:
    one, other = [{"Name": "a", "Value": "1"}], [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
    data.put(1.0)
    data.put(2.0, Dimensions=one)
    data.put(4.0, Dimensions=other)
    data.put(8.0, Dimensions=other, Unit="Count")
    assert data.values(data.query()) == [[1.0]]
    assert data.values(data.query(Dimensions=one)) == [[2.0]]
    assert data.values(data.query(Dimensions=list(reversed(other)))) == [[12.0]]
    assert data.values(data.query(Dimensions=other, Unit="Count")) == [[8.0]]


def test_expressions_refer_to_queries_and_expressions_in_any_order(data: Data) -> None:
    data.put(6.0, name="hits")
    data.put(2.0, name="misses")
    data.put(1.0, name="hits", minute=1)
    queries: list[dict[str, Any]] = [
        {"Id": "percent", "Expression": "ratio * 100", "Label": "hit rate"},
        {"Id": "ratio", "Expression": "hits_sum_60 / (hits_sum_60 + FILL(misses_sum_60, 0))", "ReturnData": False},
        data.query(name="hits", ReturnData=False),
        data.query(name="misses", ReturnData=False),
    ]
    (result,) = data.get(*queries)
    assert (result["Label"], result["Values"]) == ("hit rate", [75.0, 100.0])


def test_labels_distinguish_otherwise_equal_series(data: Data) -> None:
    data.put(1.0)

    def labels(*queries: dict[str, Any]) -> list[str]:
        return [result["Label"] for result in data.get(*queries)]

    assert labels(data.query()) == ["m"]
    assert labels(data.query(), data.query(name="other")) == ["m", "other"]
    assert labels(data.query(), data.query("Minimum")) == ["m Sum", "m Minimum"]
    assert labels(data.query(), data.query(period=300)) == ["m 60", "m 300"]
    assert labels(data.query(), data.query("Minimum", 300)) == ["m Sum 60", "m Minimum 300"]
    assert labels(data.query(Label="mine")) == ["mine"]


def test_compressed_requests_are_decoded(data: Data) -> None:
    data.put(*[1.0] * 1000)
    assert data.values(data.query("SampleCount")) == [[1000.0]]


def test_metric_without_data_is_an_empty_series(data: Data) -> None:
    assert data.values(data.query()) == [[]]


# --- GetMetricStatistics, ListMetrics


def test_statistics_are_returned_for_each_period_and_unit(data: Data) -> None:
    data.put(1.0, 3.0, Unit="Count")
    data.put(5.0, Unit="Seconds")
    answer = data.cloudwatch.get_metric_statistics(
        Namespace=data.namespace,
        MetricName="m",
        StartTime=START,
        EndTime=START + timedelta(minutes=5),
        Period=300,
        Statistics=["Sum", "Average", "SampleCount"],
        ExtendedStatistics=["p99"],
    )
    assert answer["Label"] == "m"
    assert answer["Datapoints"] == [
        {
            "Timestamp": START,
            "Unit": "Count",
            "Sum": 4.0,
            "Average": 2.0,
            "SampleCount": 2.0,
            "ExtendedStatistics": {"p99": 3.0},
        },
        {
            "Timestamp": START,
            "Unit": "Seconds",
            "Sum": 5.0,
            "Average": 5.0,
            "SampleCount": 1.0,
            "ExtendedStatistics": {"p99": 5.0},
        },
    ]


def test_metrics_are_listed_by_namespace_name_and_dimension(data: Data) -> None:
    data.put(1.0)
    data.put(1.0, name="n", Dimensions=[{"Name": "a", "Value": "1"}])
    data.put(1.0, name="n", Dimensions=[{"Name": "a", "Value": "2"}])

    def listed(**more: Any) -> list[tuple[str, list[str]]]:
        found = data.cloudwatch.list_metrics(Namespace=data.namespace, **more)["Metrics"]
        return [(item["MetricName"], [pair["Value"] for pair in item["Dimensions"]]) for item in found]

    assert listed() == [("m", []), ("n", ["1"]), ("n", ["2"])]
    assert listed(MetricName="n", Dimensions=[{"Name": "a"}]) == [("n", ["1"]), ("n", ["2"])]
    assert listed(Dimensions=[{"Name": "a", "Value": "2"}]) == [("n", ["2"])]
    assert listed(Dimensions=[{"Name": "b"}]) == []


def test_many_metrics_are_listed_on_several_pages(data: Data) -> None:
    for first in range(0, 600, 200):
        entries = [{"MetricName": f"m{first + number:03}", "Value": 1.0} for number in range(200)]
        data.cloudwatch.put_metric_data(Namespace=data.namespace, MetricData=entries)
    pages = list(data.cloudwatch.get_paginator("list_metrics").paginate(Namespace=data.namespace))
    assert [len(page["Metrics"]) for page in pages] == [500, 100]


# --- the function's metrics


def test_metrics_in_log_lines_are_returned(data: Data) -> None:
    now = int(START.timestamp() * 1000)
    for namespace, found in embedded(LINE % (now, data.namespace)):
        data.cloudwatch.put_metric_data(Namespace=namespace, MetricData=found)
    dimensions = [{"Name": "FunctionName", "Value": "f"}, {"Name": "Config", "Value": "c"}]
    assert data.values(data.query(name="CacheHits", Dimensions=dimensions) | {"Id": "hits"}) == [[7.0]]


# --- errors


def test_invalid_data_is_rejected(data: Data) -> None:
    usual = {"MetricName": "m", "Value": 1.0}
    cases: list[tuple[str, list[dict[str, Any]], str]] = [
        ("AWS/Lambda", [usual], "InvalidParameterValue"),
        ("n", [{**usual, "Timestamp": datetime.now(UTC) - timedelta(days=15)}], "InvalidParameterValue"),
        ("n", [{**usual, "Timestamp": datetime.now(UTC) + timedelta(hours=3)}], "InvalidParameterValue"),
        ("n", [{**usual, "Values": [1.0]}], "InvalidParameterCombination"),
        ("n", [{"MetricName": "m"}], "InvalidParameterCombination"),
        ("n", [{"MetricName": "m", "Values": [1.0, 2.0], "Counts": [1.0]}], "InvalidParameterValue"),
        ("n", [{"MetricName": "m", "Values": [1.0] * 151}], "InvalidParameterValue"),
        ("n", [usual] * 1001, "ValidationError"),
        ("n", [{**usual, "Unit": "Apples"}], "ValidationError"),
    ]
    for namespace, entries, code in cases:
        with pytest.raises(ClientError) as refused:
            data.cloudwatch.put_metric_data(Namespace=namespace, MetricData=entries)
        assert refused.value.response["Error"]["Code"] == code


def test_invalid_queries_are_rejected(data: Data) -> None:
    wrong: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        ([data.query(), data.query()], {}, "must be unique"),
        ([data.query() | {"Id": "Upper"}], {}, "is not matching the expected pattern"),
        ([{"Id": "a"}], {}, "needs either MetricStat or Expression"),
        ([data.query("Median")], {}, "The value Median for parameter"),
        ([data.query()], {"minutes": 0}, "StartTime must be less than"),
        ([{"Id": "e", "Expression": "other * 2"}], {}, "no metric has the id other"),
        ([data.query()], {"NextToken": "more"}, "no NextToken"),
    ]
    for queries, more, message in wrong:
        with pytest.raises(ClientError, match=message):
            data.get(*queries, **more)
    with pytest.raises(ClientError, match="exceeds the limit of 1,440"):
        data.cloudwatch.get_metric_statistics(
            Namespace="n",
            MetricName="m",
            StartTime=START,
            EndTime=START + timedelta(days=2),
            Period=60,
            Statistics=["Sum"],
        )


def test_series_does_not_grow_without_limit() -> None:
    metrics = Metrics()
    metrics.put("n", ({"MetricName": "m", "Value": 1.0} for _ in range(LARGEST_SERIES + 1)), now=1.0)
    assert len(metrics.between(Metric("n", "m"), 0, 2)) == LARGEST_SERIES + 1 - LARGEST_SERIES // 10
