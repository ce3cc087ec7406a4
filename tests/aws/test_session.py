"""Clients: every call is rate-limited and counted, has our errors, and shows no secret."""

from collections.abc import Iterator

import pytest

from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.model import errors
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


def test_one_client_is_shared_for_each_region_and_service(session: Session) -> None:
    assert session.client("ssm", "eu-west-1") is session.client("ssm", "eu-west-1")
    assert session.client("ssm", "eu-west-1") is not session.client("ssm", "us-east-1")
