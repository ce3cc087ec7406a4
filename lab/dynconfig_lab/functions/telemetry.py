"""What an invocation leaves behind: log events, and metrics, its own and those in the embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.logs.models import logs_backends

from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.aws.cloudwatch_metrics import metrics_of
from dynconfig_lab.functions.spec import FunctionSpec, Result

_LOCK = threading.Lock()


def record(spec: FunctionSpec, stream: str, result: Result) -> None:
    """Write logs and metrics of one invocation."""
    # Moto's backends are not safe for threads.
    with _LOCK:
        _log(spec, stream, result)
        _measure(spec, result)
        for line in result.output:
            for namespace, data in embedded(line):
                metrics_of(spec.region).put(namespace, data)


def embedded(line: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Namespace and data of the metrics in a log line, if it holds any."""
    if not line.startswith("{"):
        return
    try:
        document = json.loads(line)
    except ValueError:
        return
    about = document.get("_aws") if isinstance(document, dict) else None
    for directive in (about or {}).get("CloudWatchMetrics", ()):
        at = datetime.fromtimestamp(about["Timestamp"] / 1000, UTC) if about else None
        yield directive["Namespace"], list(_data(directive, document, at))


def _data(directive: dict[str, Any], document: dict[str, Any], at: datetime | None) -> Iterator[dict[str, Any]]:
    for dimensions in directive.get("Dimensions", [[]]):
        named = [{"Name": name, "Value": str(document[name])} for name in dimensions]
        for metric in directive.get("Metrics", ()):
            value = document[metric["Name"]]
            for number in value if isinstance(value, list) else [value]:
                yield {
                    "MetricName": metric["Name"],
                    "Dimensions": named,
                    "Value": float(number),
                    "Unit": metric.get("Unit", "None"),
                    "Timestamp": at,
                }


def _log(spec: FunctionSpec, stream: str, result: Result) -> None:
    logs, now = logs_backends[ACCOUNT][spec.region], int(time.time() * 1000)
    logs.ensure_log_group(spec.log_group)
    logs.ensure_log_stream(spec.log_group, stream)
    events = [{"timestamp": now, "message": line} for line in result.output]
    if events:
        logs.groups[spec.log_group].put_log_events(stream, events)


def _measure(spec: FunctionSpec, result: Result) -> None:
    counts = {"Invocations": 1.0, "Errors": float(result.error is not None), "Duration": result.seconds * 1000}
    at = datetime.now(UTC)
    dimensions = [{"Name": "FunctionName", "Value": spec.name}]
    metrics_of(spec.region).put(
        "AWS/Lambda",
        [
            {
                "MetricName": name,
                "Dimensions": dimensions,
                "Value": value,
                "Unit": "Milliseconds" if name == "Duration" else "Count",
                "Timestamp": at,
            }
            for name, value in counts.items()
        ],
    )
