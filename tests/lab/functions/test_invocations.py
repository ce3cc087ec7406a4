"""Invoke in all its forms, through boto3, with a function that really runs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import ACCOUNT, REGION, Bench

from dynconfig_lab.aws import Faults

pytestmark = pytest.mark.lab

ECHO = """
import os

def handle(event, context):
    print("handling", event)
    return {"event": event, "memory": context.memory_limit_in_mb, "arn": context.invoked_function_arn}
"""
BROKEN = """
def handle(event, context):
    raise KeyError("colour")
"""


@pytest.fixture(scope="module")
def echo(bench: Bench) -> str:
    return bench.function(ECHO, MemorySize=256)


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_function_is_invoked_and_returns(bench: Bench, echo: str) -> None:
    answer = bench.invoke(echo, {"colour": "red"})
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{echo}"
    assert (answer.status, answer.error) == (200, "")
    assert answer.payload == {"event": {"colour": "red"}, "memory": "256", "arn": arn}


def test_without_a_payload_the_event_is_empty(bench: Bench, echo: str) -> None:
    assert bench.invoke(echo).payload["event"] == {}


def test_log_tail_is_returned_with_the_result(bench: Bench, echo: str) -> None:
    lines = bench.invoke(echo, 7).log.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["START", "handling", "END", "REPORT"]
    assert "Memory Size: 256 MB" in lines[-1]


def test_log_tail_has_at_most_four_kilobytes(bench: Bench) -> None:
    name = bench.function(
        "def handle(event, context):\n    for number in range(1000):\n        print('line', number)\n"
    )
    log = bench.invoke(name).log
    assert len(log) == 4096
    assert "line 999\nEND RequestId" in log


def test_log_is_returned_on_request_only(bench: Bench, echo: str) -> None:
    answer = bench.aws("lambda").invoke(FunctionName=echo)
    answer["Payload"].read()
    assert "LogResult" not in answer
    assert answer["ExecutedVersion"] == "$LATEST"


def test_event_is_accepted_and_processed_asynchronously(bench: Bench, echo: str) -> None:
    answer = bench.invoke(echo, {"number": 4711}, InvocationType="Event")
    assert (answer.status, answer.payload) == (202, None)
    assert bench.said(echo, "handling {'number': 4711}")


def test_dry_run_runs_nothing(bench: Bench) -> None:
    name = bench.function(ECHO)
    assert bench.invoke(name, {}, InvocationType="DryRun").status == 204
    assert bench.lines(name) == []


def test_function_error_is_a_result_with_a_header(bench: Bench) -> None:
    answer = bench.invoke(bench.function(BROKEN), {})
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.payload["errorType"] == "KeyError"
    assert answer.payload["errorMessage"] == "'colour'"
    assert "app.py" in answer.payload["stackTrace"][0]
    assert "[ERROR] KeyError: 'colour'" in answer.log


@pytest.mark.parametrize(
    "form", ["{name}", "{account}:function:{name}", "arn:aws:lambda:{region}:{account}:function:{name}"]
)
@pytest.mark.parametrize("qualifier", ["", ":$LATEST"])
def test_function_is_found_by_name_and_arn(bench: Bench, echo: str, form: str, qualifier: str) -> None:
    name = form.format(name=echo, account=ACCOUNT, region=REGION) + qualifier
    assert bench.invoke(name, 1).payload["event"] == 1


def test_qualifier_may_be_a_separate_parameter(bench: Bench, echo: str) -> None:
    assert bench.invoke(echo, 1, Qualifier="$LATEST").payload["event"] == 1


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_missing_function_is_rejected(bench: Bench, kind: str) -> None:
    found = refusal(lambda: bench.invoke("missing", {}, InvocationType=kind))
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:missing"
    assert found == ("ResourceNotFoundException", 404, f"Function not found: {arn}")


def test_unpublished_version_is_rejected(bench: Bench, echo: str) -> None:
    found = refusal(lambda: bench.invoke(echo, {}, Qualifier="3"))
    assert found[:2] == ("ResourceNotFoundException", 404)
    assert found[2].endswith(f":function:{echo}:3")


def test_invalid_json_payload_is_rejected(bench: Bench, echo: str) -> None:
    found = refusal(lambda: bench.aws("lambda").invoke(FunctionName=echo, Payload=b"{nope"))
    assert found[:2] == ("InvalidRequestContentException", 400)


@pytest.mark.parametrize(("kind", "size"), [("Event", 1024 * 1024 + 1), ("RequestResponse", 6 * 1024 * 1024 + 1)])
def test_too_long_payload_is_rejected(bench: Bench, echo: str, kind: str, size: int) -> None:
    text = json.dumps("x" * (size - 2))
    found = refusal(lambda: bench.aws("lambda").invoke(FunctionName=echo, Payload=text, InvocationType=kind))
    assert found[:2] == ("RequestEntityTooLargeException", 413)


def test_too_long_result_is_an_error(bench: Bench) -> None:
    name = bench.function("def handle(event, context):\n    return 'x' * (6 * 1024 * 1024)\n", Timeout=30)
    answer = bench.invoke(name)
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")


def test_function_that_is_being_created_cannot_be_invoked(
    bench: Bench, aws: Callable[[str], Any], faults: Callable[[Faults], None], echo: str
) -> None:
    role = aws("lambda").get_function_configuration(FunctionName=echo)["Role"]
    faults(Faults(settle_seconds=3600))
    aws("lambda").create_function(
        FunctionName="young",
        Role=role,
        Code={"ZipFile": bench.code(ECHO)},
        Runtime="python3.13",
        Handler="app.handle",
    )
    text = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    assert refusal(lambda: bench.invoke("young")) == ("ResourceConflictException", 409, text)
    faults(Faults(settle_seconds=0))
    assert bench.invoke("young", 1).payload["event"] == 1


def test_function_in_another_language_is_not_emulated(bench: Bench) -> None:
    name = bench.function("", Runtime="nodejs22.x")
    assert refusal(lambda: bench.invoke(name))[0] == "NotEmulated"


def test_reserved_concurrency_of_zero_rejects_every_call(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(ECHO)
    aws("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert refusal(lambda: bench.invoke(name))[:2] == ("TooManyRequestsException", 429)
    aws("lambda").delete_function_concurrency(FunctionName=name)
    assert bench.invoke(name, 1).payload["event"] == 1
