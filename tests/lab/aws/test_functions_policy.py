"""The resource policy of functions: statements by id, and the errors for missing ones."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import ACCOUNT, REGION, Bench

pytestmark = pytest.mark.lab

SOURCE = "def handle(event, context):\n    return 1\n"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"


@pytest.fixture
def name(aws: Callable[[str], Any]) -> str:
    return Bench(aws).function(SOURCE)


@pytest.fixture
def add(aws: Callable[[str], Any], name: str) -> Callable[..., Any]:
    def add(statement: str = "one", **more: Any) -> Any:
        about = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": RULE}
        return aws("lambda").add_permission(FunctionName=name, StatementId=statement, **{**about, **more})

    return add


def statements(function: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(function.get_policy(FunctionName=name)["Policy"])["Statement"]
    return found


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_statement_is_returned_as_stored(aws: Callable[[str], Any], name: str, add: Callable[..., Any]) -> None:
    answer = add()
    statement = {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
        "Condition": {"ArnLike": {"AWS:SourceArn": RULE}},
    }
    assert statements(aws("lambda"), name) == [statement]
    assert json.loads(answer["Statement"]) == statement


def test_statement_id_is_unique(aws: Callable[[str], Any], name: str, add: Callable[..., Any]) -> None:
    add()
    words = "The statement id (one) provided already exists. Please provide a new statement id, or remove the existing statement."
    assert refusal(add) == ("ResourceConflictException", 409, words)
    assert len(statements(aws("lambda"), name)) == 1


def test_statements_are_removed_one_by_one(aws: Callable[[str], Any], name: str, add: Callable[..., Any]) -> None:
    function = aws("lambda")
    add("one")
    add("two")
    function.remove_permission(FunctionName=name, StatementId="one")
    assert [statement["Sid"] for statement in statements(function, name)] == ["two"]
    found = refusal(lambda: function.remove_permission(FunctionName=name, StatementId="one"))
    assert found == ("ResourceNotFoundException", 404, "Statement one is not found in resource policy.")
    function.remove_permission(FunctionName=name, StatementId="two")
    found = refusal(lambda: function.remove_permission(FunctionName=name, StatementId="two"))
    assert found == ("ResourceNotFoundException", 404, "No policy is associated with the given resource.")
    assert refusal(lambda: function.get_policy(FunctionName=name))[:2] == ("ResourceNotFoundException", 404)


def test_missing_function_has_no_policy(aws: Callable[[str], Any]) -> None:
    found = refusal(lambda: aws("lambda").remove_permission(FunctionName="none", StatementId="one"))
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none"
    assert found == ("ResourceNotFoundException", 404, f"No policy found for: {arn}")


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            {"Qualifier": "$LATEST"},
            "InvalidParameterValueException",
            "We currently do not support adding policies for $LATEST.",
        ),
        ({"Qualifier": "3"}, "ResourceNotFoundException", "Function not found"),
        ({"Principal": "nobody"}, "InvalidParameterValueException", "The provided principal was invalid."),
        ({"Action": "ssm:GetParameter"}, "ValidationException", "at 'action' failed to satisfy constraint"),
        ({"statement": "a b"}, "ValidationException", "at 'statementId' failed to satisfy constraint"),
        ({"RevisionId": "old"}, "PreconditionFailedException", "RevisionId"),
    ],
)
def test_invalid_statement_is_rejected(add: Callable[..., Any], change: dict[str, Any], code: str, words: str) -> None:
    found = refusal(lambda: add(**change))
    assert found[0] == code
    assert words in found[2]


def test_policy_has_at_most_twenty_kilobytes(add: Callable[..., Any]) -> None:
    def fill() -> None:
        for number in range(200):
            add(f"statement-{number}", SourceArn=f"{RULE}{'x' * 180}")

    assert refusal(fill)[0] == "PolicyLengthExceededException"
