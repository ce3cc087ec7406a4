"""The telemetry of an invocation: log events, Lambda's own metrics and those in the embedded metric format."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.logs.models import logs_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.cloudwatch_metrics import metrics_of
from dynconfig_lab.aws.embedded_metrics import embedded
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.turns import turn
from dynconfig_lab.functions.spec import FunctionSpec, Result


def record(spec: FunctionSpec, stream: str, result: Result, roles: Roles) -> None:
    """Write the logs (if the function's role allows it) and the metrics of one invocation."""
    if _log(spec, stream, result, roles):
        extract(spec.region, result.output)
    counts = {"Invocations": 1.0, "Errors": float(result.error is not None), "Duration": result.seconds * 1000}
    measure(spec, counts)


def extract(region: str, lines: Iterable[str]) -> None:
    """Store the metrics in log lines."""
    for line in lines:
        for namespace, data in embedded(line):
            _put(region, namespace, data)


def measure(spec: FunctionSpec, counts: dict[str, float]) -> None:
    """Store Lambda's own metrics of a function.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    now = datetime.now(UTC)
    dimensions = [{"Name": "FunctionName", "Value": spec.name}]
    _put(
        spec.region,
        "AWS/Lambda",
        [
            {
                "MetricName": name,
                "Dimensions": dimensions,
                "Value": value,
                "Unit": "Milliseconds" if name == "Duration" else "Count",
                "Timestamp": now,
            }
            for name, value in counts.items()
        ],
    )


def _put(region: str, namespace: str, data: list[dict[str, Any]]) -> None:
    metrics_of(region).put(namespace, data)


def _log(spec: FunctionSpec, stream: str, result: Result, roles: Roles) -> bool:
    """Whether the events were written, which needs permissions of the function's role.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    group = spec.log_group
    resource = f"arn:aws:logs:{spec.region}:{accounts.current()}:log-group:{group}:log-stream:{stream}"
    now = int(time.time() * 1000)
    with turn("logs"):
        logs = logs_backends[accounts.current()][spec.region]
        needed = ["CreateLogStream", "PutLogEvents", *(["CreateLogGroup"] if group not in logs.groups else [])]
        if not all(roles.allows(spec.role, f"logs:{action}", resource) for action in needed):
            return False
        logs.ensure_log_group(group)
        logs.ensure_log_stream(group, stream)
        logs.groups[group].put_log_events(stream, [{"timestamp": now, "message": line} for line in result.output])
    return True
