"""Asynchronous invocations: retried, given up, and sent to the destination of their outcome."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.functions.bench import Bench

from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

FAILING = """
def handle(event, context):
    print("trying", event["id"])
    raise ValueError("no")
"""
GLAD = """
def handle(event, context):
    return {"seen": event}
"""
LOGS_EVENT = """
import json

def handle(event, context):
    print("received", json.dumps(event))
"""


@pytest.fixture
def queue(aws: Callable[[str], Any]) -> Any:
    """A queue: its ARN, and a function that reads it."""
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    found: list[dict[str, Any]] = []

    def read() -> list[dict[str, Any]]:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return arn, read


def send_to(aws: Callable[[str], Any], name: str, outcome: str, arn: str, **more: Any) -> None:
    aws("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={outcome: {"Destination": arn}}, **more
    )


def test_failing_event_is_tried_three_times_and_sent_to_its_destination(
    bench: Bench, aws: Callable[[str], Any], queue: Any
) -> None:
    arn, read = queue
    name = bench.function(FAILING)
    send_to(aws, name, "OnFailure", arn)
    bench.invoke(name, {"id": "a"}, InvocationType="Event")
    assert wait_until(lambda: bool(read()), 20)
    (record,) = read()
    assert record["requestPayload"] == {"id": "a"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].endswith(f":function:{name}:$LATEST")
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert bench.said(name, "trying a", 3)


def test_number_of_retries_can_be_set(bench: Bench, aws: Callable[[str], Any], queue: Any) -> None:
    arn, read = queue
    name = bench.function(FAILING)
    send_to(aws, name, "OnFailure", arn, MaximumRetryAttempts=0)
    bench.invoke(name, {"id": "b"}, InvocationType="Event")
    assert wait_until(lambda: bool(read()), 20)
    assert read()[0]["requestContext"]["approximateInvokeCount"] == 1


def test_success_has_a_destination(bench: Bench, aws: Callable[[str], Any], queue: Any) -> None:
    arn, read = queue
    name = bench.function(GLAD)
    send_to(aws, name, "OnSuccess", arn)
    bench.invoke(name, 1, InvocationType="Event")
    assert wait_until(lambda: bool(read()), 20)
    assert read()[0]["requestContext"]["condition"] == "Success"
    assert read()[0]["responsePayload"] == {"seen": 1}
    assert "functionError" not in read()[0]["responseContext"]


def test_function_can_be_the_destination(bench: Bench, aws: Callable[[str], Any]) -> None:
    receiver, name = bench.function(LOGS_EVENT), bench.function(FAILING)
    arn = aws("lambda").get_function_configuration(FunctionName=receiver)["FunctionArn"]
    send_to(aws, name, "OnFailure", arn, MaximumRetryAttempts=0)
    bench.invoke(name, {"id": "c"}, InvocationType="Event")
    assert bench.said(receiver, '"requestPayload": {"id": "c"}')


def test_topic_can_be_the_destination(bench: Bench, aws: Callable[[str], Any], queue: Any) -> None:
    arn, read = queue
    topic = aws("sns").create_topic(Name=f"topic-{uuid.uuid4()}")["TopicArn"]
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name = bench.function(FAILING)
    send_to(aws, name, "OnFailure", topic, MaximumRetryAttempts=0)
    bench.invoke(name, {"id": "d"}, InvocationType="Event")
    assert wait_until(lambda: bool(read()), 20)
    assert json.loads(read()[0]["Message"])["requestPayload"] == {"id": "d"}


def test_record_is_lost_if_the_role_may_not_send(
    bench: Bench, aws: Callable[[str], Any], queue: Any, caplog: pytest.LogCaptureFixture
) -> None:
    arn, read = queue
    role = bench.role({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    name = bench.function(FAILING, Role=role)
    send_to(aws, name, "OnFailure", arn, MaximumRetryAttempts=0)
    bench.invoke(name, {"id": "e"}, InvocationType="Event")
    assert wait_until(lambda: "may not perform sqs:SendMessage" in caplog.text, 20)
    assert read() == []


def test_event_waits_until_the_function_has_capacity(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(LOGS_EVENT)
    aws("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    bench.invoke(name, "patient", InvocationType="Event")
    aws("lambda").delete_function_concurrency(FunctionName=name)
    assert bench.said(name, 'received "patient"')


def test_waiting_events_of_one_function_do_not_block_others(bench: Bench, aws: Callable[[str], Any]) -> None:
    full, free = bench.function(LOGS_EVENT), bench.function(LOGS_EVENT)
    aws("lambda").put_function_concurrency(FunctionName=full, ReservedConcurrentExecutions=0)
    for number in range(10):
        bench.invoke(full, number, InvocationType="Event")
    bench.invoke(free, "at once", InvocationType="Event")
    assert bench.said(free, 'received "at once"')
    aws("lambda").delete_function_concurrency(FunctionName=full)
    assert all(bench.said(full, f"received {number}") for number in range(10))


def test_event_for_a_deleted_function_is_dropped(
    bench: Bench, aws: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    name = bench.function(FAILING)
    aws("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    bench.invoke(name, {"id": "f"}, InvocationType="Event")
    aws("lambda").delete_function(FunctionName=name)
    assert wait_until(lambda: f"event for {name} is lost" in caplog.text, 20)
