"""Each call is counted under its name; the control interface returns counts, sets faults and resets."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.calls import Call, Calls, identify
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.aws.server import RemoteLab

pytestmark = pytest.mark.lab

COUNTED = (
    # the JSON protocols name the operation in a header
    ("ssm", "describe_parameters", "ssm.DescribeParameters"),
    ("kms", "list_keys", "kms.ListKeys"),
    ("logs", "describe_log_groups", "logs.DescribeLogGroups"),
    ("events", "list_rules", "events.ListRules"),
    ("sqs", "list_queues", "sqs.ListQueues"),
    # these sign with another name than boto3's
    ("resourcegroupstaggingapi", "get_tag_keys", "resourcegroupstaggingapi.GetTagKeys"),
    ("cloudwatch", "describe_alarms", "cloudwatch.DescribeAlarms"),
    # the query protocol names it in the body
    ("sts", "get_caller_identity", "sts.GetCallerIdentity"),
    ("iam", "list_roles", "iam.ListRoles"),
    # REST has only verb and path
    ("lambda", "list_functions", "lambda.ListFunctions"),
    ("scheduler", "list_schedules", "scheduler.ListSchedules"),
)


@pytest.fixture(autouse=True)
def counted_from_zero(lab: AwsLab) -> None:
    lab.reset_calls()


@pytest.fixture
def control(lab: AwsLab) -> str:
    return lab.control_url


# --- names


@pytest.mark.parametrize(("service", "method", "name"), COUNTED, ids=[name for *_, name in COUNTED])
def test_call_is_counted_under_service_and_operation(
    lab: AwsLab, aws: Callable[[str], Any], service: str, method: str, name: str
) -> None:
    for _ in range(2):
        getattr(aws(service), method)()
    assert lab.calls() == {name: 2}


@pytest.mark.parametrize(
    ("environ", "body", "expected"),
    [
        ({"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}, b"", Call("unknown", "GET /x", "us-east-1")),
        ({"HTTP_X_AMZ_TARGET": "AmazonSSM.PutParameter"}, b"{}", Call("unknown", "PutParameter", "us-east-1")),
        ({"CONTENT_TYPE": "application/x-www-form-urlencoded"}, b"\xff", Call("unknown", "unknown", "us-east-1")),
        (
            {
                "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=me/20260101/us-west-2/monitoring/aws4_request, x",
                "PATH_INFO": "/service/GraniteServiceVersion20100801/operation/PutMetricData",
                "REQUEST_METHOD": "POST",
            },
            b"",
            Call("cloudwatch", "PutMetricData", "us-west-2"),
        ),
    ],
    ids=["not signed", "a target", "a broken form", "RPC"],
)
def test_request_is_identified(environ: dict[str, str], body: bytes, expected: Call) -> None:
    assert identify(environ, body) == expected


def test_rejected_and_failed_calls_are_counted(lab: AwsLab, ssm: Any) -> None:
    lab.faults(Faults(errors={"ssm.GetParameter": Injected("TooManyUpdates", "", 1)}))
    for _ in range(2):
        with pytest.raises(ClientError):
            ssm.get_parameter(Name="/none")
    assert lab.calls() == {"ssm.GetParameter": 2}


def test_counts_are_returned_by_name() -> None:
    calls = Calls()
    for operation in ("B", "A", "B"):
        calls.count(Call("ssm", operation, "eu-west-1"))
    assert list(calls.all().items()) == [("ssm.A", 1), ("ssm.B", 2)]


# --- what the lab does not have


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        ("ssm", "get_service_setting", {"SettingId": "/ssm/parameter-store/default-parameter-tier"}),
        ("service-quotas", "list_services", {}),
        ("cloudwatch", "list_metric_streams", {}),
    ],
)
def test_unsupported_call_returns_not_emulated(
    aws: Callable[[str], Any], service: str, method: str, request_: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(aws(service), method)(**request_)
    assert refused.value.response["Error"]["Code"] == "NotEmulated"


# --- the control interface


def test_health_and_help_are_served(http: httpx2.Client, control: str) -> None:
    assert http.get(f"{control}/healthz").text == "ok\n"
    explained = http.get(f"{control}/").text
    for route in ("GET  /calls", "POST /calls/reset", "POST /faults", "POST /reset"):
        assert route in explained


def test_calls_are_returned_and_reset(http: httpx2.Client, control: str, ssm: Any) -> None:
    ssm.describe_parameters()
    assert http.get(f"{control}/calls").json() == {"ssm.DescribeParameters": 1}
    assert http.post(f"{control}/calls/reset").json() == {}
    assert http.get(f"{control}/calls").json() == {}


def test_faults_are_set_returned_and_cleared(http: httpx2.Client, control: str, ssm: Any) -> None:
    document = {"errors": {"ssm.DescribeParameters": {"code": "Nope", "message": "no", "times": None}}}
    assert http.post(f"{control}/faults", json=document).json() == document
    assert http.get(f"{control}/faults").json() == document
    with pytest.raises(ClientError, match="Nope"):
        ssm.describe_parameters()
    assert http.post(f"{control}/faults", json={}).json() == {}
    assert http.get(f"{control}/faults").json() == {}
    ssm.describe_parameters()


def test_new_faults_replace_the_old(http: httpx2.Client, control: str) -> None:
    http.post(f"{control}/faults", json={"latency_ms": 1})
    assert http.post(f"{control}/faults", json={"error_rate": 0.5}).json() == {"error_rate": 0.5}


def test_empty_body_clears_all_faults(http: httpx2.Client, control: str) -> None:
    http.post(f"{control}/faults", json={"latency_ms": 1})
    assert http.post(f"{control}/faults").json() == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{nope", "the body is not JSON"),
        (b"\xff\xfe\xfd", "the body is not JSON"),
        (b"[]", "the body has to be a JSON object"),
        (b'{"latency": 5}', "latency: no such fault"),
        (b'{"error_rate": 2}', "error_rate: has to be from 0 to 1"),
    ],
    ids=["not JSON", "not text", "a list", "an unknown fault", "a wrong number"],
)
def test_invalid_document_is_rejected_and_faults_stay(
    http: httpx2.Client, control: str, body: bytes, message: str
) -> None:
    http.post(f"{control}/faults", json={"latency_ms": 1})
    answer = http.post(f"{control}/faults", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)
    assert http.get(f"{control}/faults").json() == {"latency_ms": 1}


def test_control_interface_works_while_aws_is_down(http: httpx2.Client, control: str, ssm: Any) -> None:
    http.post(f"{control}/faults", json={"down": True})
    assert http.get(f"{control}/healthz").is_success
    http.post(f"{control}/faults", json={})
    ssm.describe_parameters()


def test_reset_clears_state_and_keeps_counts_and_faults(http: httpx2.Client, control: str, ssm: Any, path: str) -> None:
    ssm.put_parameter(Name=f"{path}/colour", Value="red", Type="String", Tags=[{"Key": "team", "Value": "a"}])
    http.post(f"{control}/faults", json={"recreate_delay_seconds": 3600})
    ssm.delete_parameter(Name=f"{path}/colour")
    ssm.put_parameter(Name=f"{path}/shape", Value="round", Type="String")
    assert http.post(f"{control}/reset").json() == {}
    assert ssm.describe_parameters()["Parameters"] == []
    assert ssm.put_parameter(Name=f"{path}/colour", Value="red", Type="String")["Version"] == 1
    assert http.get(f"{control}/faults").json() == {"recreate_delay_seconds": 3600}
    assert http.get(f"{control}/calls").json()["ssm.PutParameter"] == 3


@pytest.mark.parametrize(
    ("method", "where"), [("GET", "/nope"), ("GET", "/reset"), ("POST", "/calls"), ("PUT", "/faults")]
)
def test_unknown_path_returns_the_help(http: httpx2.Client, control: str, method: str, where: str) -> None:
    answer = http.request(method, control + where)
    assert answer.status_code == 404
    assert "GET  /calls" in answer.text


def test_lab_in_another_process_has_the_same_interface(lab: AwsLab, ssm: Any, path: str) -> None:
    remote = RemoteLab(lab.control_url)
    faults = Faults(latency_ms=1, errors={"ssm.GetParameter": Injected("TooManyUpdates", "busy", 1)})
    remote.faults(faults)
    with pytest.raises(ClientError, match="busy"):
        ssm.get_parameter(Name=path)
    remote.faults(Faults())
    assert remote.calls() == {"ssm.GetParameter": 1}
    remote.reset_calls()
    assert lab.calls() == {}
    ssm.put_parameter(Name=f"{path}/colour", Value="red", Type="String")
    remote.clear()
    assert ssm.get_parameters(Names=[f"{path}/colour"])["Parameters"] == []
