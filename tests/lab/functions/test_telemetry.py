"""The telemetry of an invocation: log events and metrics, as far as the function's role allows them."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.lab.functions.bench import ACCOUNT, REGION, Bench

pytestmark = pytest.mark.lab

METRICS = """
import json
import time

def handle(event, context):
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
        {"Namespace": event["namespace"], "Dimensions": [["Colour"]], "Metrics": [{"Name": "Reads", "Unit": "Count"}]}]}
    print(json.dumps({"_aws": about, "Colour": "red", "Reads": [1, 2]}))
    print(json.dumps({"_aws": about, "Reads": 4}))
    print("{not json")
    if event.get("fails"):
        raise ValueError("no")
"""
_names = iter(f"Test{number}" for number in range(1000))


def total(aws: Callable[[str], Any], namespace: str, metric: str, **dimensions: str) -> float:
    now = datetime.now(UTC)
    found = aws("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=3600,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in found["Datapoints"]))


def test_logs_are_in_the_group_of_the_function(bench: Bench) -> None:
    name = bench.function("def handle(event, context):\n    print('one')\n    print('two')\n")
    bench.invoke(name)
    bench.invoke(name)
    words = [line.split(" ")[0] for line in bench.lines(name)]
    assert words == ["START", "one", "two", "END", "REPORT"] * 2


def test_valid_metrics_in_log_lines_are_extracted(bench: Bench, aws: Callable[[str], Any]) -> None:
    name, namespace = bench.function(METRICS), next(_names)
    assert bench.invoke(name, {"namespace": namespace}).error == ""
    assert total(aws, namespace, "Reads", Colour="red") == 3


def test_lambda_counts_invocations_and_errors(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(METRICS)
    for fails in (False, True, True):
        bench.invoke(name, {"namespace": next(_names), "fails": fails})
    assert total(aws, "AWS/Lambda", "Invocations", FunctionName=name) == 3
    assert total(aws, "AWS/Lambda", "Errors", FunctionName=name) == 2
    assert total(aws, "AWS/Lambda", "Duration", FunctionName=name) > 0


def test_throttled_invocations_are_counted(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(METRICS)
    aws("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(aws("lambda").exceptions.TooManyRequestsException):
        bench.invoke(name, {})
    assert total(aws, "AWS/Lambda", "Throttles", FunctionName=name) == 1


@pytest.mark.parametrize("is_made_before", [False, True], ids=["no group", "a group"])
def test_role_that_may_not_create_a_group_writes_to_the_existing_one(
    bench: Bench, aws: Callable[[str], Any], is_made_before: bool
) -> None:
    name = f"writing-{is_made_before}"
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{name}:*"
    allowed = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": group}
    if is_made_before:
        aws("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    namespace = next(_names)
    bench.function(METRICS, FunctionName=name, Role=bench.role(allowed))
    bench.invoke(name, {"namespace": namespace})
    assert bool(bench.lines(name)) == is_made_before
    # Metrics are extracted from the logs, so without these there are none.
    assert total(aws, namespace, "Reads", Colour="red") == (3 if is_made_before else 0)
    assert total(aws, "AWS/Lambda", "Invocations", FunctionName=name) == 1


def test_metrics_in_lines_that_a_client_writes_are_extracted(aws: Callable[[str], Any]) -> None:
    logs, namespace, now = aws("logs"), next(_names), int(time.time() * 1000)
    logs.create_log_group(logGroupName=namespace)
    logs.create_log_stream(logGroupName=namespace, logStreamName="one")
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": "Colours"}]}
    line = json.dumps({"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "Colours": 7})
    logs.put_log_events(logGroupName=namespace, logStreamName="one", logEvents=[{"timestamp": now, "message": line}])
    assert total(aws, namespace, "Colours") == 7
