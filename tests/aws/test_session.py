"""Clients: every call is rate-limited and counted, has our errors, and shows no secret."""

import time
from collections.abc import Iterator

import pytest

from dynconfig.aws.quota import Caller, Quota
from dynconfig.aws.session import Session
from dynconfig.model import errors
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig.model.key import Key
from dynconfig.model.secret import Secret
from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

Counted = list[tuple[str, str, str]]


@pytest.fixture
def counted(lab: AwsLab) -> Iterator[Counted]:
    yield []
    lab.faults(Faults())


@pytest.fixture
def session(lab: AwsLab, counted: Counted) -> Session:
    def count(service: str, operation: str, code: str) -> None:
        counted.append((service, operation, code))

    return Session(Quota(lambda: 0.0, lambda _: None, is_limited=False), count, endpoint=lab.endpoint, pool=2)


def test_call_is_counted_with_its_outcome(session: Session, counted: Counted) -> None:
    ssm = session.client("ssm", "eu-west-1")
    ssm.put_parameter(Name="/session/a", Value="1", Type="String")
    with pytest.raises(errors.NotFound):
        ssm.get_parameter(Name="/session/none")
    assert counted == [("ssm", "PutParameter", "OK"), ("ssm", "GetParameter", "ParameterNotFound")]


def test_every_page_is_counted(session: Session, counted: Counted) -> None:
    ssm = session.client("ssm", "eu-west-1")
    for number in range(12):
        ssm.put_parameter(Name=f"/pages/{number}", Value="1", Type="String")
    counted.clear()
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path="/pages"))
    assert len(pages) == 2
    assert counted == [("ssm", "GetParametersByPath", "OK")] * 2


@pytest.mark.parametrize("write_seconds", [None, 8.0])
def test_every_session_keeps_to_the_fence_of_its_thread(lab: AwsLab, write_seconds: float | None) -> None:
    quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
    made = Session(quota, lambda *_: None, endpoint=lab.endpoint, pool=2, write_seconds=write_seconds)
    sqs, lost = made.client("sqs", "eu-west-1"), Fence(0, time.monotonic, 8.0)
    lost.revoke()
    with lost.within():
        with pytest.raises(LeaseLost):
            sqs.create_queue(QueueName="fenced")
        with pytest.raises(LeaseLost):
            sqs.list_queues()


def test_failed_page_raises_our_error(lab: AwsLab, session: Session) -> None:
    lab.faults(Faults(errors={"ssm.DescribeParameters": Injected("AccessDeniedException", "not you")}))
    with pytest.raises(errors.AccessDenied, match="not you"):
        list(session.client("ssm", "eu-west-1").get_paginator("describe_parameters").paginate())


def test_secret_in_an_aws_error_is_masked(session: Session) -> None:
    request = {"Name": "/session/secret", "Type": "SecureString", "AllowedPattern": "^x$"}
    with pytest.raises(errors.Refused) as refused:
        session.client("ssm", "eu-west-1").put_parameter(**request, Value=Secret("canary-text").reveal())
    assert "canary-text" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_arguments_rejected_by_botocore_are_a_bug_without_values(session: Session) -> None:
    with pytest.raises(TypeError) as bug:
        session.client("ssm", "eu-west-1").put_parameter(Name="/session/x", Value="canary-text", Type=5)
    assert "canary-text" not in str(bug.value)


def test_unavailable_aws_is_reported(lab: AwsLab, session: Session, counted: Counted) -> None:
    lab.faults(Faults(down=True))
    with pytest.raises(errors.Unavailable, match="AWS is unavailable"):
        session.client("ssm", "eu-west-1").get_parameter(Name="/session/a")
    assert counted[-1][2] != "OK"


@pytest.mark.parametrize(
    ("service", "operation", "method"),
    [
        ("ssm", "DescribeParameters", "describe_parameters"),
        ("cloudwatch", "DescribeAlarms", "describe_alarms"),
        ("lambda", "ListFunctions", "list_functions"),
        ("iam", "ListRoles", "list_roles"),
    ],
)
def test_response_that_ends_in_the_middle_is_not_an_empty_one(
    lab: AwsLab, session: Session, service: str, operation: str, method: str
) -> None:
    lab.faults(Faults(half_answers={f"{service}.{operation}": None}))
    with pytest.raises(errors.Unavailable, match="AWS is unavailable"):
        getattr(session.client(service, "eu-west-1"), method)()
    lab.faults(Faults())
    getattr(session.client(service, "eu-west-1"), method)()


def test_port_without_a_listener_is_reported(session: Session) -> None:
    unreachable = Session(Quota(lambda: 0.0, lambda _: None), lambda *_: None, endpoint="http://127.0.0.1:9", pool=1)
    with pytest.raises(errors.Unavailable, match="AWS is unavailable"):
        unreachable.client("ssm", "eu-west-1").get_parameter(Name="/session/a")


def test_throttling_slows_the_next_calls_of_that_operation(lab: AwsLab, counted: Counted) -> None:
    waits: list[float] = []
    quota = Quota(lambda: sum(waits), waits.append, is_limited=False)
    ssm = Session(quota, lambda *_: None, endpoint=lab.endpoint, pool=1).client("ssm", "eu-west-1")
    lab.faults(Faults(errors={"ssm.GetParameters": Injected("ThrottlingException", "Rate exceeded", 3)}))
    with pytest.raises(errors.Throttled):
        ssm.get_parameters(Names=["/a"])
    assert waits == []
    ssm.get_parameters(Names=["/a"])
    assert waits


def test_retries_by_botocore_count_against_the_quota_and_their_throttling_halves_it(lab: AwsLab) -> None:
    now = [0.0]
    quota = Quota(lambda: now[0], lambda seconds: now.append(seconds), overrides={"ssm.GetParameters": 10.0})
    ssm = Session(quota, lambda *_: None, endpoint=lab.endpoint, pool=1).client("ssm", "eu-west-1")
    now[0] = 60.0
    ssm.get_parameters(Names=["/a"])
    now[0] = 120.0
    assert quota.used() == {("eu-west-1", "ssm.Get"): 0.0}
    lab.faults(Faults(errors={"ssm.GetParameters": Injected("ThrottlingException", "Rate exceeded", 2)}))
    ssm.get_parameters(Names=["/a"])
    lab.faults(Faults())
    now[0] = 121.0
    # Three attempts in the last ten seconds, of ten calls a second.
    assert quota.used() == {("eu-west-1", "ssm.Get"): pytest.approx(0.03)}
    # The bucket was full, AWS throttled it, and the retries are a debt.
    assert quota.rate("eu-west-1", "ssm.GetParameters") == pytest.approx(5.1, abs=0.06)


@pytest.mark.parametrize("code", ["ThrottlingException", "KMS.ThrottlingException"])
def test_object_that_aws_or_kms_throttled_is_not_called_back_before_its_backoff_ends(
    lab: AwsLab, counted: Counted, code: str
) -> None:
    now = [0.0]
    quota = Quota(lambda: now[-1], lambda seconds: now.append(now[-1] + seconds), overrides={"ssm.GetParameters": 10.0})
    called: list[Key] = []
    quota.call_back = called.append
    ssm = Session(quota, lambda *_: None, endpoint=lab.endpoint, pool=1).client("ssm", "eu-west-1")
    lab.faults(Faults(errors={"ssm.GetParameters": Injected(code, "Rate exceeded", None)}))
    with pytest.raises(errors.Throttled) as failure:
        quota.run(Caller(Key("shop", "throttled")), lambda: ssm.get_parameters(Names=["/a"]))
    assert failure.value.delay is None
    lab.faults(Faults())
    for _ in range(10):
        now.append(now[-1] + 1.0)
        quota.run(Caller(Key("shop", "other")), lambda: ssm.get_parameters(Names=["/a"]))
    assert called == []


def test_one_client_is_shared_for_each_region_and_service(session: Session) -> None:
    assert session.client("ssm", "eu-west-1") is session.client("ssm", "eu-west-1")
    assert session.client("ssm", "eu-west-1") is not session.client("ssm", "us-east-1")
