"""An invoked function has metrics in CloudWatch, triggers its alarm, and can be an action of an alarm."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.watching import ALARM_ARN, Watched

from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

PATIENCE = 20.0
CODE = """
import json

def handler(event, context):
    print(json.dumps(event))
    if event.get("fail"):
        raise ValueError("as asked")
    return "done"
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
LOGGING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}


class Function:
    """A function that logs its payload, and fails if the payload asks for it."""

    def __init__(self, aws: Callable[[str], Any]) -> None:
        self.name = f"function-{uuid.uuid4()}"
        self._functions, self._iam, self._logs = aws("lambda"), aws("iam"), aws("logs")
        self._iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST))
        self._iam.put_role_policy(RoleName=self.name, PolicyName="logs", PolicyDocument=json.dumps(LOGGING))
        assert wait_until(self._made, PATIENCE)
        assert wait_until(lambda: self.about()["State"] == "Active", PATIENCE)
        self.arn = str(self.about()["FunctionArn"])

    def about(self) -> dict[str, Any]:
        return dict(self._functions.get_function(FunctionName=self.name)["Configuration"])

    def call(self, **event: Any) -> None:
        self._functions.invoke(FunctionName=self.name, Payload=json.dumps(event))

    def allow_alarm(self, name: str) -> None:
        self._functions.add_permission(
            FunctionName=self.name,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="lambda.alarms.cloudwatch.amazonaws.com",
            SourceArn=f"{ALARM_ARN}:{name}",
        )

    def received(self) -> list[dict[str, Any]]:
        """The payloads in its logs."""
        try:
            found = self._logs.filter_log_events(logGroupName=f"/aws/lambda/{self.name}")["events"]
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in found if event["message"].startswith("{")]

    def take_down(self) -> None:
        self._functions.delete_function(FunctionName=self.name)
        self._iam.delete_role_policy(RoleName=self.name, PolicyName="logs")
        self._iam.delete_role(RoleName=self.name)

    def _made(self) -> bool:
        """Lambda can assume a role shortly after it was created."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as package:
            package.writestr("app.py", CODE)
        try:
            self._functions.create_function(
                FunctionName=self.name,
                Role=f"arn:aws:iam::123456789012:role/{self.name}",
                Runtime="python3.13",
                Handler="app.handler",
                Timeout=10,
                Code={"ZipFile": packed.getvalue()},
            )
        except ClientError as error:
            if "cannot be assumed by Lambda" not in str(error):
                raise
            return False
        return True


@pytest.fixture(scope="module")
def function(aws: Callable[[str], Any]) -> Iterator[Function]:
    function = Function(aws)
    yield function
    function.take_down()


def test_invocations_errors_and_durations_are_metrics_and_trigger_an_alarm(
    function: Function, watched: Watched
) -> None:
    dimensions = [{"Name": "FunctionName", "Value": function.name}]
    metric = {"Namespace": "AWS/Lambda", "Dimensions": dimensions}
    name = watched.alarm(**metric, MetricName="Errors", Threshold=1.0)
    began = datetime.now(UTC).replace(second=0, microsecond=0)
    for fail in (False, True, True):
        function.call(fail=fail)
    watched.lab.evaluate_alarms()
    assert watched.state(name) == "ALARM"
    stats = (("invocations", "Sum"), ("errors", "Sum"), ("duration", "p99"))
    found = watched.cloudwatch.get_metric_data(
        StartTime=began,
        EndTime=began + timedelta(minutes=5),
        MetricDataQueries=[
            {
                "Id": metric_name,
                "MetricStat": {
                    "Metric": {**metric, "MetricName": metric_name.title()},
                    "Period": 300,
                    "Stat": stat,
                },
            }
            for metric_name, stat in stats
        ],
    )["MetricDataResults"]
    sums = {result["Id"]: sum(result["Values"]) for result in found}
    assert (sums["invocations"], sums["errors"]) == (3.0, 2.0)
    assert sums["duration"] > 0
    listed = watched.cloudwatch.list_metrics(Namespace="AWS/Lambda", Dimensions=dimensions)["Metrics"]
    assert {item["MetricName"] for item in listed} >= {"Invocations", "Errors", "Duration"}


def test_alarm_invokes_only_a_function_that_allows_it(function: Function, watched: Watched) -> None:
    not_allowed = watched.alarm(AlarmActions=[function.arn])
    allowed = watched.alarm(AlarmActions=[function.arn], AlarmDescription="errors")
    function.allow_alarm(allowed)
    watched.set(not_allowed, "ALARM")
    watched.set(allowed, "ALARM", "for a test")

    def calls() -> list[dict[str, Any]]:
        return [event for event in function.received() if event.get("source") == "aws.cloudwatch"]

    assert wait_until(lambda: bool(calls()), PATIENCE)
    (event,) = calls()
    data = event["alarmData"]
    assert (event["alarmArn"], event["accountId"], event["region"]) == (
        f"{ALARM_ARN}:{allowed}",
        "123456789012",
        "eu-west-1",
    )
    assert {name: data["state"][name] for name in ("value", "reason")} == {"value": "ALARM", "reason": "for a test"}
    assert data["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert data["configuration"]["description"] == "errors"
    assert data["configuration"]["metrics"][0]["metricStat"]["metric"]["name"] == "errors"
