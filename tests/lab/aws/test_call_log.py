"""The log of calls: when, which operation, about what, by whom, and whether it took effect."""

import time
from collections.abc import Callable
from typing import Any

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.call_log import CallLog, LoggedCall, is_write
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.aws.server import RemoteLab
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

TRUST = '{"Version": "2012-10-17", "Statement": []}'
# One request of each protocol, and the name in it.
NAMED: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("ssm", "put_parameter", {"Name": "/log/a", "Value": "1", "Type": "String"}, "/log/a"),
    ("ssm", "delete_parameters", {"Names": ["/log/a", "/log/b"]}, "/log/a,/log/b"),
    ("ssm", "get_parameters", {"Names": ["/log/a"]}, "/log/a"),
    ("iam", "get_role", {"RoleName": "log"}, "log"),
    ("lambda", "get_function", {"FunctionName": "log"}, "log"),
    ("lambda", "list_functions", {}, ""),
    ("scheduler", "get_schedule", {"Name": "log"}, "log"),
    ("apigatewayv2", "get_route", {"ApiId": "api", "RouteId": "route"}, "api/route"),
    ("apigatewayv2", "create_api", {"Name": "log", "ProtocolType": "HTTP"}, "log"),
    ("events", "list_targets_by_rule", {"Rule": "log"}, "log"),
    ("logs", "create_log_group", {"logGroupName": "log"}, "log"),
    ("cloudwatch", "delete_alarms", {"AlarmNames": ["log"]}, "log"),
    (
        "sns",
        "get_topic_attributes",
        {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:log"},
        "arn:aws:sns:eu-west-1:123456789012:log",
    ),
)


@pytest.fixture(autouse=True)
def logged_from_zero(lab: AwsLab) -> None:
    lab.reset_calls()


def put(ssm: Any, name: str, value: str = "1") -> None:
    ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


@pytest.mark.parametrize(("service", "method", "asked", "name"), NAMED, ids=[f"{item[0]}.{item[1]}" for item in NAMED])
def test_call_is_logged_with_the_name_in_its_request(
    lab: AwsLab, aws: Callable[[str], Any], service: str, method: str, asked: dict[str, Any], *, name: str
) -> None:
    try:
        getattr(aws(service), method)(**asked)
    except ClientError as error:
        outcome = error.response["Error"]["Code"]
    else:
        outcome = "OK"
    (logged,) = lab.call_log()
    assert (logged.resource, logged.outcome, logged.took_effect) == (name, outcome, outcome == "OK")


def test_time_of_a_call_is_that_of_the_clock_on_the_wall(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(latency_ms=50))
    began = time.time()
    put(ssm, f"{path}/a")
    (logged,) = lab.call_log()
    assert logged.ended is not None
    assert began <= logged.time <= logged.ended - 0.05 <= time.time()


def test_callers_are_distinguished_by_access_key_and_user_agent(lab: AwsLab, path: str) -> None:
    for key, agent in (("operator-a", "one/1"), ("operator-b", "two/1")):
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key="lab", region_name="eu-west-1")
        client = session.client("ssm", endpoint_url=lab.endpoint, config=Config(proxies={}, user_agent=agent))
        put(client, f"{path}/a", key)
        client.close()
    assert [(item.access_key, item.user_agent.split()[0]) for item in lab.call_log()] == [
        ("operator-a", "one/1"),
        ("operator-b", "two/1"),
    ]


def test_callers_with_their_own_keys_share_one_account(lab: AwsLab, ssm: Any, path: str) -> None:
    session = boto3.Session(aws_access_key_id="operator-b", aws_secret_access_key="lab", region_name="eu-west-1")
    client = session.client("ssm", endpoint_url=lab.endpoint, config=Config(proxies={}))
    put(client, f"{path}/a")
    client.close()
    assert ssm.get_parameter(Name=f"{path}/a")["Parameter"]["Value"] == "1"


def test_equal_requests_have_equal_content(lab: AwsLab, ssm: Any, path: str) -> None:
    for value in ("1", "1", "2"):
        put(ssm, f"{path}/a", value)
    first, same, other = (item.content for item in lab.call_log())
    assert first == same != other


def test_random_token_of_the_client_is_not_content(lab: AwsLab, aws: Callable[[str], Any]) -> None:
    for _ in range(2):
        with pytest.raises(ClientError):
            aws("scheduler").update_schedule(
                Name="absent",
                ScheduleExpression="rate(1 minute)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": "arn:aws:sqs:eu-west-1:123456789012:q", "RoleArn": "arn:aws:iam::123456789012:role/r"},
            )
    first, second = lab.call_log()
    assert first.content == second.content


def test_value_of_a_parameter_is_not_in_the_log(lab: AwsLab, ssm: Any, path: str) -> None:
    put(ssm, f"{path}/a", "x-canary")
    assert "x-canary" not in str(lab.call_log())


def test_refused_and_dropped_calls_are_logged_as_such(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(errors={"ssm.PutParameter": Injected("TooManyUpdates", "busy")}))
    with pytest.raises(ClientError):
        put(ssm, f"{path}/a")
    lab.faults(Faults(down=True))
    with pytest.raises(Exception, match="Connection"):
        put(ssm, f"{path}/a")
    refused, dropped = lab.call_log()
    assert (refused.outcome, refused.took_effect) == ("TooManyUpdates", False)
    assert (dropped.outcome, dropped.took_effect) == ("", False)
    # The connection is closed just before the end is logged.
    assert wait_until(lambda: lab.call_log()[1].ended is not None, 10)


def test_control_interface_returns_the_log(lab: AwsLab, ssm: Any, path: str, http: httpx2.Client) -> None:
    remote = RemoteLab(lab.control_url)
    put(ssm, f"{path}/a")
    ssm.get_parameters(Names=[f"{path}/a"])
    put(ssm, f"{path}/b")
    assert remote.call_log() == lab.call_log()
    assert [item.operation for item in remote.call_log(only_writes=True)] == ["ssm.PutParameter"] * 2
    assert [item.resource for item in remote.call_log(after=1)] == [f"{path}/a", f"{path}/b"]
    assert [item.resource for item in remote.call_log(1, only_writes=True)] == [f"{path}/b"]
    remote.reset_calls()
    assert remote.call_log() == []
    put(ssm, f"{path}/c")
    assert [item.number for item in remote.call_log()] == [1]


@pytest.mark.parametrize("query", ["after=x", "writes=1", "writer=me"])
def test_unknown_query_is_rejected(lab: AwsLab, http: httpx2.Client, query: str) -> None:
    assert http.get(f"{lab.control_url}/calls/log?{query}").status_code == 400


@pytest.mark.parametrize(
    ("name", "writes"),
    [
        ("ssm.PutParameter", True),
        ("ssm.GetParameters", False),
        ("events.PutRule", True),
        ("sqs.SetQueueAttributes", True),
        ("sqs.ReceiveMessage", False),
        ("sqs.DeleteMessageBatch", False),
        ("sqs.DeleteQueue", True),
        ("sts.AssumeRole", False),
        ("lambda.Invoke", False),
    ],
)
def test_writes_are_what_changes_resources(name: str, writes: bool) -> None:
    service, _, operation = name.partition(".")
    assert is_write(Call(service, operation, "eu-west-1")) is writes


def test_only_the_newest_calls_are_kept() -> None:
    log = CallLog(lambda: 0.0, kept=2)
    with log.recorded(Call("ssm", "PutParameter", "eu-west-1"), {}, b'{"Name": "0"}'):
        for number in range(1, 4):
            with log.recorded(Call("ssm", "PutParameter", "eu-west-1"), {}, f'{{"Name": "{number}"}}'.encode()):
                pass
    assert [(item.number, item.resource, item.ended) for item in log.all()] == [(3, "2", 0.0), (4, "3", 0.0)]


def test_call_that_ends_after_a_reset_is_not_logged() -> None:
    log = CallLog(lambda: 0.0)
    call = Call("ssm", "PutParameter", "eu-west-1")
    with log.recorded(call, {}, b"{}"):
        log.reset()
        with log.recorded(call, {}, b'{"Name": "new"}'):
            pass
    found: list[LoggedCall] = log.all()
    assert [item.resource for item in found] == ["new"]


def test_clients_of_the_tests_have_the_lab_key(lab: AwsLab, path: str) -> None:
    client = connect(lab.endpoint, "ssm")
    put(client, f"{path}/a")
    client.close()
    assert [item.access_key for item in lab.call_log()] == ["lab"]
