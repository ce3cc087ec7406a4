"""Faults on request: AWS throttles, fails, is slow, hangs or is down exactly as configured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.faults import FaultInjector, Injected
from dynconfig_lab.aws.ssm import ParameterStore

pytestmark = pytest.mark.lab

PUT = Call("ssm", "PutParameter", "eu-west-1")
GET = Call("ssm", "GetParameter", "eu-west-1")
DELETE = Call("ssm", "DeleteParameter", "eu-west-1")


@dataclass
class Clock:
    """Advances only on request."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def outcome(trouble: FaultInjector, call: Call = PUT) -> str:
    """The error code of a call, or None."""
    try:
        trouble.refuse(call)
    except AwsError as error:
        return error.code
    return ""


def outcomes(trouble: FaultInjector, count: int) -> list[str]:
    return [outcome(trouble) for _ in range(count)]


# --- throttling

THROTTLED = "ThrottlingException"


def test_calls_up_to_the_rate_succeed_and_the_next_is_throttled() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(throttle={"ssm.PutParameter": 3}))
    assert outcomes(trouble, 5) == ["", "", "", THROTTLED, THROTTLED]


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("ssm.GetParameter", "ThrottlingException", 400),
        ("lambda.GetFunction", "TooManyRequestsException", 429),
        ("apigatewayv2.GetApis", "TooManyRequestsException", 429),
        ("iam.GetRole", "Throttling", 400),
    ],
)
def test_each_service_throttles_with_its_own_error(
    lab: AwsLab, aws: Callable[[str], Any], operation: str, code: str, status: int
) -> None:
    ask: dict[str, Callable[[], Any]] = {
        "ssm.GetParameter": lambda: aws("ssm").get_parameter(Name="/none"),
        "lambda.GetFunction": lambda: aws("lambda").get_function(FunctionName="none"),
        "apigatewayv2.GetApis": lambda: aws("apigatewayv2").get_apis(),
        "iam.GetRole": lambda: aws("iam").get_role(RoleName="none"),
    }
    lab.faults(Faults(throttle={operation: 0}))
    with pytest.raises(ClientError) as refused:
        ask[operation]()
    response: Any = refused.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_calls_succeed_as_the_token_bucket_is_refilled() -> None:
    clock = Clock()
    trouble = FaultInjector(clock)
    trouble.set(Faults(throttle={"ssm.PutParameter": 2}))
    seen = []
    for now in (0.0, 0.0, 0.4, 0.5, 0.9, 1.0, 9.0, 9.0, 9.0):
        clock.now = now
        seen.append(outcome(trouble))
    assert seen == ["", "", THROTTLED, "", THROTTLED, "", "", "", THROTTLED]


def test_throttled_call_does_not_use_the_rate() -> None:
    clock = Clock()
    trouble = FaultInjector(clock)
    trouble.set(Faults(throttle={"ssm.PutParameter": 1}))
    assert outcomes(trouble, 10) == ["", *[THROTTLED] * 9]
    clock.now = 1.0
    assert outcome(trouble) == ""


def test_rate_of_half_a_call_is_one_in_two_seconds() -> None:
    clock = Clock()
    trouble = FaultInjector(clock)
    trouble.set(Faults(throttle={"ssm.PutParameter": 0.5}))
    seen = []
    for now in (0.0, 1.0, 2.0, 3.0):
        clock.now = now
        seen.append(outcome(trouble))
    assert seen == ["", THROTTLED, "", THROTTLED]


def test_each_operation_has_its_own_rate() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(throttle={"ssm.PutParameter": 1, "ssm.GetParameter": 1}))
    assert [outcome(trouble, call) for call in (PUT, GET, DELETE, DELETE, PUT, GET)] == [
        "", "", "", "", THROTTLED, THROTTLED,
    ]  # fmt: skip


def test_setting_faults_resets_the_rate() -> None:
    trouble = FaultInjector(Clock())
    for _ in range(2):
        trouble.set(Faults(throttle={"ssm.PutParameter": 1}))
        assert outcomes(trouble, 2) == ["", THROTTLED]


def test_throttled_write_stores_nothing(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(throttle={"ssm.PutParameter": 0}))
    with pytest.raises(ClientError) as refused:
        put(ssm, path)
    assert refused.value.response["Error"] == {"Code": THROTTLED, "Message": "Rate exceeded"}
    assert names(ssm, path) == []


# --- errors


def test_random_source_decides_which_calls_fail() -> None:
    dice = iter((0.0, 0.29, 0.3, 0.9))
    trouble = FaultInjector(Clock(), lambda: next(dice))
    trouble.set(Faults(error_rate=0.3))
    assert outcomes(trouble, 4) == ["InternalServerError", "InternalServerError", "", ""]


@pytest.mark.parametrize(("rate", "expected"), [(0.0, ""), (1.0, "InternalServerError")])
def test_rate_zero_fails_nothing_and_rate_one_everything(rate: float, expected: str) -> None:
    for thrown in (0.0, 0.999999):
        trouble = FaultInjector(Clock(), lambda thrown=thrown: thrown)  # type: ignore[misc]
        trouble.set(Faults(error_rate=rate))
        assert outcome(trouble) == expected


def test_server_failure_is_http_500(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(error_rate=1.0))
    with pytest.raises(ClientError) as failed:
        put(ssm, path)
    assert failed.value.response["Error"]["Code"] == "InternalServerError"
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_named_error_occurs_the_configured_number_of_times() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(errors={"ssm.PutParameter": Injected("TooManyUpdates", "busy", 2)}))
    assert outcomes(trouble, 4) == ["TooManyUpdates", "TooManyUpdates", "", ""]


def test_named_error_without_a_number_stays() -> None:
    trouble = FaultInjector(Clock())
    trouble.set(Faults(errors={"ssm.PutParameter": Injected("AccessDeniedException", "no")}))
    assert outcomes(trouble, 20) == ["AccessDeniedException"] * 20
    assert outcome(trouble, GET) == ""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 400),
        ("TooManyUpdates", 400),
        ("InternalServerError", 500),
        ("ServiceUnavailable", 500),
    ],
)
def test_named_error_reaches_the_caller_complete(lab: AwsLab, ssm: Any, path: str, code: str, status: int) -> None:
    lab.faults(Faults(errors={"ssm.PutParameter": Injected(code, "test error", 1)}))
    with pytest.raises(ClientError) as refused:
        put(ssm, path)
    assert refused.value.response["Error"] == {"Code": code, "Message": "test error"}
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert names(ssm, path) == []
    put(ssm, path)
    assert names(ssm, path) == [f"{path}/colour"]


# --- latency and hanging


def test_latency_delays_each_response(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(latency_ms=100))
    assert seconds(lambda: put(ssm, path)) >= 0.1
    assert names(ssm, path) == [f"{path}/colour"]


def test_service_that_is_down_closes_connections_until_it_is_up(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(down=True))
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            put(ssm, path)
    lab.faults(Faults())
    assert names(ssm, path) == []


def test_hanging_service_sends_nothing_and_then_closes(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(hang_seconds=0.2))

    def hang() -> None:
        with pytest.raises(ConnectionClosedError):
            put(ssm, path)

    assert seconds(hang) >= 0.2
    lab.faults(Faults())
    assert names(ssm, path) == []


def test_client_times_out_on_a_hanging_service(lab: AwsLab, path: str) -> None:
    impatient = connect(lab.endpoint, "ssm", read_timeout=0.1)
    lab.faults(Faults(hang_seconds=1))
    with pytest.raises(ReadTimeoutError):
        put(impatient, path)
    impatient.close()


# --- a recently deleted name


def test_recently_deleted_name_is_rejected_until_the_delay_is_over(path: str) -> None:
    clock = Clock()
    store = ParameterStore(clock, lambda: 30.0)
    assert again(store, path) == ""
    store.handle(DELETE, {"Name": f"{path}/colour"}, lambda _: Answer.of({}))
    seen = []
    for now in (0.0, 29.9, 30.0):
        clock.now = now
        seen.append(again(store, path))
    assert seen == ["TooManyUpdates", "TooManyUpdates", ""]


def test_delay_applies_to_the_deleted_name_only_and_ends_with_the_fault(lab: AwsLab, ssm: Any, path: str) -> None:
    put(ssm, path)
    lab.faults(Faults(recreate_delay_seconds=3600))
    ssm.delete_parameters(Names=[f"{path}/colour"])
    with pytest.raises(ClientError, match="TooManyUpdates"):
        put(ssm, path)
    put(ssm, f"{path}/other")
    lab.faults(Faults())
    put(ssm, path)


def test_deleting_a_missing_name_causes_no_delay(lab: AwsLab, ssm: Any, path: str) -> None:
    lab.faults(Faults(recreate_delay_seconds=3600))
    assert ssm.delete_parameters(Names=[f"{path}/colour"])["InvalidParameters"] == [f"{path}/colour"]
    put(ssm, path)


def put(ssm: Any, path: str) -> None:
    ssm.put_parameter(Name=f"{path}/colour", Value="red", Type="String")


def names(ssm: Any, path: str) -> list[str]:
    return [item["Name"] for item in ssm.get_parameters_by_path(Path=path)["Parameters"]]


def again(store: ParameterStore, path: str) -> str:
    """The error code of a write to the name, or None."""
    request = {"Name": f"{path}/colour", "Value": "red", "Type": "String"}
    try:
        store.handle(PUT, request, lambda _: Answer.of({"Version": 1}))
    except AwsError as error:
        return error.code
    return ""


def seconds(action: Callable[[], None]) -> float:
    """The duration of the call."""
    began = time.monotonic()
    action()
    return time.monotonic() - began
