"""Metrics in log lines, as CloudWatch extracts them from the embedded metric format. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Data = list[dict[str, Any]]
MOST_METRICS = 100
MOST_DIMENSIONS = 30
MOST_VALUES = 100


def embedded(line: str) -> Iterator[tuple[str, Data]]:
    """Namespace and data of the metrics in a log line; empty if the line does not follow the format."""
    if not line.startswith("{"):
        return
    try:
        document = json.loads(line)
        found = list(_directives(document))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        # CloudWatch stores such a line as a log event and extracts nothing.
        return
    yield from found


def _directives(document: Mapping[str, Any]) -> Iterator[tuple[str, Data]]:
    about = document.get("_aws")
    if about is None:
        return
    at = datetime.fromtimestamp(about["Timestamp"] / 1000, UTC)
    for directive in about["CloudWatchMetrics"]:
        yield str(directive["Namespace"]), list(_data(directive, document, at))


def _data(directive: Mapping[str, Any], document: Mapping[str, Any], at: datetime) -> Iterator[dict[str, Any]]:
    if len(directive["Metrics"]) > MOST_METRICS:
        raise ValueError("too many metrics in one directive")
    for dimensions in directive.get("Dimensions") or [[]]:
        if len(dimensions) > MOST_DIMENSIONS:
            raise ValueError("too many dimensions in one set")
        named = [{"Name": name, "Value": _text(document[name])} for name in dimensions]
        for metric in directive["Metrics"]:
            for number in _numbers(document[metric["Name"]]):
                unit = metric.get("Unit", "None")
                yield {
                    "MetricName": metric["Name"],
                    "Dimensions": named,
                    "Value": number,
                    "Unit": unit,
                    "Timestamp": at,
                }


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("the value of a dimension has to be a text")
    return value


def _numbers(value: Any) -> list[float]:
    values: list[Any] = value if isinstance(value, list) else [value]
    if len(values) > MOST_VALUES or not all(_is_number(item) for item in values):
        raise TypeError("the value of a metric has to be a number or a list of a hundred at most")
    return [float(item) for item in values]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
