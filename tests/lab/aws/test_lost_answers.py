"""Answers that are lost, halved or stale, credentials that expire, and AWS's own quotas."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, IncompleteRead
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab, Faults, aws_quotas
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.faults import EACH_WRITE, EVERY_WRITE, BadFaults, FaultInjector, Hold, Kill
from dynconfig_lab.aws.stale_reads import StaleReads
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

PUT = Call("ssm", "PutParameter", "eu-west-1")
GET = Call("ssm", "GetParameters", "eu-west-1")
DELETE = Call("ssm", "DeleteParameters", "eu-west-1")
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@pytest.fixture
def other(lab: AwsLab) -> Iterator[Any]:
    """A caller with its own credentials."""
    session = boto3.Session(aws_access_key_id="other", aws_secret_access_key="lab", region_name="eu-west-1")
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    with closing(session.client("ssm", endpoint_url=lab.endpoint, config=config)) as client:
        yield client


def put(ssm: Any, path: str, value: str = "1") -> int:
    return int(ssm.put_parameter(Name=f"{path}/a", Value=value, Type="String", Overwrite=True)["Version"])


def value(ssm: Any, path: str) -> str:
    """The value, empty if there is none."""
    found = ssm.get_parameters(Names=[f"{path}/a"])["Parameters"]
    return str(found[0]["Value"]) if found else ""


# --- lost and half answers


@pytest.mark.parametrize("operation", ["ssm.PutParameter", EVERY_WRITE])
def test_write_takes_effect_and_its_answer_does_not_arrive(lab: AwsLab, ssm: Any, path: str, operation: str) -> None:
    lab.faults(Faults(lost_answers={operation: 1}))
    lab.reset_calls()
    with pytest.raises(ConnectionClosedError):
        put(ssm, path)
    assert value(ssm, path) == "1"
    assert [(call.outcome, call.took_effect) for call in lab.call_log(only_writes=True)] == [("", True)]
    assert put(ssm, path) == 2


def test_answers_are_lost_as_long_as_no_number_is_given(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(lost_answers={"ssm.PutParameter": None}))
    for _ in range(3):
        with pytest.raises(ConnectionClosedError):
            put(ssm, path)
    assert ssm.get_parameter(Name=f"{path}/a")["Parameter"]["Version"] == 3
    lab.faults(Faults())
    assert put(ssm, path) == 4


def test_each_write_operation_is_counted_by_itself() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(lost_answers={EACH_WRITE: 1}))
    calls = [(PUT, True), (GET, False), (DELETE, True), (PUT, True), (DELETE, True)]
    lost = [trouble.takes("lost_answers", call, "lab", is_write=is_write) for call, is_write in calls]
    assert lost == [True, False, True, False, False]


def test_every_write_means_no_read(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(lost_answers={EVERY_WRITE: None}))
    assert value(ssm, path) == ""


@pytest.mark.parametrize("operation", ["ssm.PutParameter", EVERY_WRITE])
def test_write_takes_effect_and_its_answer_ends_in_the_middle(lab: AwsLab, ssm: Any, path: str, operation: str) -> None:
    lab.faults(Faults(half_answers={operation: 1}))
    lab.reset_calls()
    # botocore does not compare the length of a response with what it announced, and parses a half one as empty.
    answer = ssm.put_parameter(Name=f"{path}/a", Value="1", Type="String")
    assert set(answer) == {"ResponseMetadata"}
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"]) > 0
    assert [(call.outcome, call.took_effect) for call in lab.call_log(only_writes=True)] == [("", True)]
    assert put(ssm, path) == 2


def test_half_answer_announces_its_full_length(lab: AwsLab, ssm: Any, path: str) -> None:
    put(ssm, path)
    lab.faults(Faults(half_answers={"ssm.GetParameters": 1}))
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.GetParameters"}
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=lab/20260101/eu-west-1/ssm/aws4_request, x"
    connection = HTTPConnection(lab.endpoint.removeprefix("http://"))
    with closing(connection):
        connection.request("POST", "/", json.dumps({"Names": [f"{path}/a"]}), headers)
        with pytest.raises(IncompleteRead):
            connection.getresponse().read()


def test_refused_write_whose_answer_is_lost_changes_nothing(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(throttle={"ssm.PutParameter": 0}, lost_answers={EVERY_WRITE: 1}))
    with pytest.raises(ConnectionClosedError):
        put(ssm, path)
    lab.faults(Faults())
    assert value(ssm, path) == ""


# --- callers


def test_faults_concern_the_named_callers_only(lab: AwsLab, ssm: Any, other: Any, path: str) -> None:
    lab.faults(Faults(credentials_expired=True, access_keys=("other",)))
    assert put(ssm, path) == 1
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        put(other, path)
    lab.faults(Faults())
    assert put(other, path) == 2


@pytest.mark.parametrize(
    ("service", "method", "expected"),
    [
        ("ssm", "describe_parameters", ("ExpiredTokenException", 400)),
        ("events", "list_rules", ("ExpiredTokenException", 400)),
        ("lambda", "list_functions", ("ExpiredTokenException", 403)),
        ("iam", "list_roles", ("ExpiredToken", 403)),
        ("sts", "get_caller_identity", ("ExpiredToken", 403)),
        ("sqs", "list_queues", ("ExpiredTokenException", 400)),
    ],
)
def test_expired_credentials_are_refused_as_aws_does(
    lab: AwsLab, aws: Callable[[str], Any], service: str, method: str, expected: tuple[str, int]
) -> None:
    lab.faults(Faults(credentials_expired=True))
    with pytest.raises(ClientError) as refused:
        getattr(aws(service), method)()
    response: Any = refused.value.response
    assert response["Error"]["Message"] == "The security token included in the request is expired"
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected


# --- stale reads


@dataclass
class Clock:
    """Advances only on request."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Account:
    """Something to read and write."""

    clock: Clock
    reads: StaleReads
    stored: str = "0"

    def read(self, *, is_stale: bool = True, call: Call = GET) -> str:
        answer = self.reads.read(call, call.name, lambda: Answer.of({"stored": self.stored}), is_stale=is_stale)
        return str(json.loads(answer.body)["stored"])

    def write(self, value: str, call: Call = PUT) -> None:
        with self.reads.writing(call):
            self.stored = value


@pytest.fixture
def account() -> Account:
    clock = Clock()
    return Account(clock, StaleReads(clock, lambda: 3.0))


def test_read_shows_the_state_of_some_seconds_ago(account: Account) -> None:
    seen = [account.read()]
    for now in (1.0, 2.0, 3.0):
        account.clock.now = now
        account.write(str(int(now)))
        seen.append(account.read())
    for now in (3.9, 4.0, 4.9, 5.0, 6.0):
        account.clock.now = now
        seen.append(account.read())
    assert seen == ["0", "0", "0", "0", "0", "1", "1", "2", "3"]


def test_other_callers_and_other_services_see_the_newest_state(account: Account) -> None:
    rule = Call("events", "DescribeRule", "eu-west-1")
    account.read()
    account.read(call=rule)
    account.write("1")
    assert account.read(is_stale=False) == "1"
    assert account.read(call=rule) == "1"
    assert account.read() == "0"


def test_index_of_tags_is_as_stale_as_what_it_lists(account: Account) -> None:
    index = Call("resourcegroupstaggingapi", "GetResources", "eu-west-1")
    account.read(call=index)
    account.write("1")
    assert account.read(call=index) == "0"


def test_messages_are_never_stale(account: Account) -> None:
    attributes = Call("sqs", "GetQueueAttributes", "eu-west-1")
    account.read(call=attributes)
    account.write("1", Call("sqs", "SetQueueAttributes", "eu-west-1"))
    assert account.read(call=attributes) == "1"


def test_stale_read_does_not_show_a_new_parameter_to_the_named_caller(
    lab: AwsLab, ssm: Any, other: Any, path: str
) -> None:
    lab.faults(Faults(stale_read_seconds=60, access_keys=("other",)))
    assert value(other, path) == ""
    put(ssm, path)
    assert value(other, path) == ""
    assert value(ssm, path) == "1"
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        other.put_parameter(Name=f"{path}/a", Value="2", Type="String")
    lab.faults(Faults())
    assert value(other, path) == "1"


def test_stale_read_of_a_missing_resource_is_an_error(lab: AwsLab, aws: Callable[[str], Any]) -> None:
    lab.faults(Faults(stale_read_seconds=60))
    iam, missing = aws("iam"), {"RoleName": "stale-role"}
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role(**missing)
    iam.create_role(**missing, AssumeRolePolicyDocument=TRUST)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role(**missing)
    lab.faults(Faults())
    assert iam.get_role(**missing)["Role"]["RoleName"] == "stale-role"
    iam.delete_role(**missing)


# --- quotas


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("ssm.PutParameter", 3.0),
        ("ssm.GetParameters", 40.0),
        ("lambda.GetFunction", 100.0),
        ("lambda.AddPermission", 15.0),
        ("lambda.Invoke", None),
        ("apigatewayv2.GetApis", 10.0),
        ("iam.GetRole", None),
    ],
)
def test_quota_of_an_operation(name: str, rate: float | None) -> None:
    service, _, operation = name.partition(".")
    group = aws_quotas.group_of(Call(service, operation, "eu-west-1"))
    assert (group and group.per_second) == rate


def test_operations_of_a_group_share_its_rate_in_each_region() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(aws_quotas=True))

    def outcome(operation: str, region: str = "eu-west-1") -> str:
        try:
            trouble.refuse(Call("ssm", operation, region))
        except AwsError as error:
            return error.code
        return ""

    assert [outcome("DeleteParameter") for _ in range(5)] == [""] * 5
    assert outcome("DeleteParameters") == "ThrottlingException"
    assert outcome("DeleteParameters", "us-west-2") == ""


# --- kill, by name


@pytest.mark.parametrize(
    ("kill", "killed"),
    [
        (Kill(1, 3, is_before=True, operation="ssm.PutParameter"), 2),
        (Kill(1, 1, is_before=True, resource="/b"), 1),
        (Kill(1, 1, is_before=True, operation="ssm.DeleteParameters", resource="/b"), 3),
    ],
)
def test_kill_counts_the_named_writes_only(kill: Kill, killed: int) -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(kill=kill))
    writes = [("PutParameter", "/a"), ("PutParameter", "/b"), ("PutParameter", "/a"), ("DeleteParameters", "/b")]
    hits = [
        trouble.kill(Call("ssm", operation, "eu-west-1"), "dynconfig-operator/1", resource) is not None
        for operation, resource in writes
    ]
    assert [index for index, hit in enumerate(hits) if hit] == [killed]


# --- hold


@pytest.mark.parametrize("is_before", [True, False])
def test_held_write_is_not_answered_until_the_faults_are_replaced(
    lab: AwsLab, ssm: Any, other: Any, path: str, is_before: bool
) -> None:
    lab.faults(Faults(hold=Hold(2, is_before), access_keys=("other",)))
    put(other, path, "1")
    put(ssm, path, "by another caller")
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(put, other, path, "2")
        assert wait_until(lambda: lab.held() == ("ssm.PutParameter", f"{path}/a"), 10)
        assert value(ssm, path) == ("by another caller" if is_before else "2")
        assert not held.done()
        lab.faults(Faults())
        assert isinstance(held.exception(10), ConnectionClosedError)
    assert lab.held() is None
    assert value(ssm, path) == ("by another caller" if is_before else "2")


def test_hold_counts_the_named_writes_only() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(hold=Hold(2, is_before=True, operation="ssm.PutParameter", resource="/a")))
    calls = [(PUT, "/a", True), (PUT, "/b", True), (DELETE, "/a", True), (GET, "/a", False), (PUT, "/a", True)]
    held = [trouble.hold(call, resource, "lab", is_write=is_write) for call, resource, is_write in calls]
    assert [item and item.call for item in held] == [None, None, None, None, ("ssm.PutParameter", "/a")]


# --- documents


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lost_answers={"ssm.PutParameter": 2, EVERY_WRITE: None}),
        Faults(half_answers={"ssm.PutParameter": 1}, access_keys=("a", "b")),
        Faults(stale_read_seconds=2.5, aws_quotas=True, credentials_expired=True),
        Faults(kill=Kill(1, 1, is_before=True, operation="ssm.PutParameter", resource="/a")),
        Faults(hold=Hold(3, is_before=False)),
        Faults(hold=Hold(1, is_before=True, operation="ssm.PutParameter", resource="/a")),
    ],
)
def test_faults_are_returned_as_posted(faults: Faults) -> None:
    assert Faults.parse(json.loads(json.dumps(faults.to_json()))) == faults


@pytest.mark.parametrize(
    "document",
    [
        {"lost_answers": ["ssm.PutParameter"]},
        {"lost_answers": {"ssm.PutParameter": 0}},
        {"half_answers": {"ssm.PutParameter": "1"}},
        {"stale_read_seconds": -1},
        {"aws_quotas": 1},
        {"credentials_expired": "yes"},
        {"access_keys": "lab"},
        {"access_keys": [""]},
        {"kill": {"pid": 1, "call": 1, "when": "after", "operation": 1}},
        {"hold": {"call": 0, "when": "after"}},
        {"hold": {"call": 1}},
        {"hold": {"call": 1, "when": "after", "resource": 1}},
    ],
)
def test_invalid_fault_is_rejected_by_name(document: dict[str, Any]) -> None:
    with pytest.raises(BadFaults, match=next(iter(document))):
        Faults.parse(document)


def test_clients_of_the_tests_make_one_attempt(lab: AwsLab, path: str) -> None:
    lab.faults(Faults(lost_answers={EVERY_WRITE: 1}))
    with closing(connect(lab.endpoint, "ssm")) as client:
        with pytest.raises(ConnectionClosedError):
            put(client, path)
        assert put(client, path) == 2
