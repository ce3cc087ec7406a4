"""SQS as the operator uses it: events arrive if the policy allows them, long polls are concurrent and return at once."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect
from tests.lab.aws.wires import OPEN, Queue, Wires

from dynconfig_lab.aws import AwsLab
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

Poll = Callable[[Queue, int], "Future[tuple[float, list[dict[str, Any]]]]"]


@pytest.fixture
def poll(lab: AwsLab) -> Any:
    """Starts a long poll in a thread; returns when it ended and its messages."""
    sqs = connect(lab.endpoint, "sqs")
    pool = ThreadPoolExecutor(8)

    def receive(queue: Queue, seconds: int) -> tuple[float, list[dict[str, Any]]]:
        answer = sqs.receive_message(QueueUrl=queue.url, WaitTimeSeconds=seconds)
        return time.monotonic(), answer.get("Messages", [])

    lab.reset_calls()
    yield lambda queue, seconds: pool.submit(receive, queue, seconds)
    pool.shutdown()
    sqs.close()


def waits(lab: AwsLab, count: int = 1) -> None:
    """Wait until this many polls have reached the lab."""
    assert wait_until(lambda: lab.calls().get("sqs.ReceiveMessage", 0) >= count, 5.0)


def below(path: str) -> dict[str, Any]:
    return {"source": ["aws.ssm"], "detail": {"name": [{"prefix": f"{path}/"}]}}


def put(ssm: Any, name: str) -> None:
    ssm.put_parameter(Name=name, Value="red", Type="String", Overwrite=True)


# --- the policy


def test_rule_delivers_only_if_the_queue_policy_allows_it(ssm: Any, wires: Wires, path: str) -> None:
    closed, opened = wires.queue(open_to_rules=False), wires.queue()
    wires.rule(below(path), closed.arn, opened.arn)
    put(ssm, f"{path}/a")
    opened.bodies(1)
    allowing = json.loads(json.dumps(OPEN))
    allowing["Statement"][0]["Condition"] = {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:events:eu-west-1:123456789012:rule/{wires.rules[0]}"}
    }
    wires.sqs.set_queue_attributes(QueueUrl=closed.url, Attributes={"Policy": json.dumps(allowing)})
    put(ssm, f"{path}/b")
    opened.bodies(2)
    assert closed.changes(1) == [("Create", f"{path}/b")]


def test_only_the_rule_in_the_policy_may_send(ssm: Any, wires: Wires, path: str) -> None:
    policy = json.loads(json.dumps(OPEN))
    policy["Statement"][0]["Condition"] = {"ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-west-1:1:rule/other"}}
    queue, opened = wires.queue(Policy=json.dumps(policy)), wires.queue()
    wires.rule(below(path), queue.arn, opened.arn)
    put(ssm, f"{path}/a")
    put(ssm, f"{path}/b")
    opened.bodies(2)
    assert queue.changes(0) == []


def incomplete(**more: Any) -> str:
    """A policy whose statement lacks a field (None) or has a wrong value."""
    statement = {**OPEN["Statement"][0], **more}  # type: ignore[dict-item]
    return json.dumps({"Statement": [{name: value for name, value in statement.items() if value is not None}]})


@pytest.mark.parametrize(
    "policy",
    [
        "{nope",
        "[]",
        '"text"',
        '{"Statement": ["text"]}',
        incomplete(Effect=None),
        incomplete(Effect="allow"),
        incomplete(Principal=None),
        incomplete(Principal=["events.amazonaws.com"]),
        incomplete(Action=None),
        incomplete(Action=[1]),
        incomplete(Resource={}),
        incomplete(Condition=[]),
        incomplete(Condition={"ArnLike": "arn:aws:events:*"}),
    ],
)
def test_invalid_policy_is_rejected(wires: Wires, policy: str) -> None:
    queue = wires.queue()
    calls: tuple[Callable[[], object], ...] = (
        lambda: wires.sqs.create_queue(QueueName=f"queue-{uuid.uuid4()}", Attributes={"Policy": policy}),
        lambda: wires.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy}),
    )
    for call in calls:
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "InvalidAttributeValue"


def test_setting_one_attribute_keeps_the_policy_and_an_empty_one_removes_it(wires: Wires) -> None:
    queue = wires.queue()

    def attributes() -> dict[str, str]:
        answer = wires.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
        return dict(answer["Attributes"])

    wires.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"VisibilityTimeout": "7"})
    assert attributes()["VisibilityTimeout"] == "7"
    assert json.loads(attributes()["Policy"]) == OPEN
    wires.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": ""})
    assert "Policy" not in attributes()


# --- the long poll


def test_poll_returns_as_soon_as_an_event_arrives(lab: AwsLab, ssm: Any, wires: Wires, path: str, poll: Poll) -> None:
    queue = wires.queue_for(below(path))
    put(ssm, f"{path}/warm")
    queue.bodies(1)
    best = float("inf")
    # The machine may be busy; one of five attempts is enough.
    for number in range(5):
        lab.reset_calls()
        waiting = poll(queue, 20)
        waits(lab)
        began = time.monotonic()
        put(ssm, f"{path}/{number}")
        ended, messages = waiting.result(timeout=10)
        assert json.loads(messages[0]["Body"])["detail"]["name"] == f"{path}/{number}"
        best = min(best, ended - began)
    assert best < 0.05, f"from PutParameter to ReceiveMessage it took {best * 1000:.0f} ms"


def test_poll_returns_as_soon_as_a_message_is_sent(lab: AwsLab, wires: Wires, poll: Poll) -> None:
    queue = wires.queue()
    waiting = poll(queue, 20)
    waits(lab)
    wires.sqs.send_message(QueueUrl=queue.url, MessageBody="hello")
    _, messages = waiting.result(timeout=10)
    assert [message["Body"] for message in messages] == ["hello"]


def test_many_polls_do_not_block_other_calls(lab: AwsLab, ssm: Any, wires: Wires, path: str, poll: Poll) -> None:
    queue = wires.queue()
    waiting = [poll(queue, 20) for _ in range(8)]
    waits(lab, 8)
    began = time.monotonic()
    for number in range(10):
        put(ssm, f"{path}/{number}")
    assert time.monotonic() - began < 5
    for _ in waiting:
        wires.sqs.send_message(QueueUrl=queue.url, MessageBody="go")
    bodies = [future.result(timeout=10)[1] for future in waiting]
    # Each message was received once.
    assert sorted(message["Body"] for messages in bodies for message in messages) == ["go"] * 8


def test_empty_poll_ends_after_its_wait_time(wires: Wires, poll: Poll) -> None:
    began = time.monotonic()
    ended, messages = poll(wires.queue(), 1).result(timeout=10)
    assert messages == []
    assert 0.9 < ended - began < 5


def test_queue_has_a_default_wait_time(lab: AwsLab, wires: Wires, poll: Poll) -> None:
    queue = wires.queue(ReceiveMessageWaitTimeSeconds="20")
    waiting = ThreadPoolExecutor(1)
    received = waiting.submit(wires.sqs.receive_message, QueueUrl=queue.url)
    waits(lab)
    wires.sqs.send_message(QueueUrl=queue.url, MessageBody="hello")
    assert received.result(timeout=10)["Messages"][0]["Body"] == "hello"
    waiting.shutdown()


def test_message_that_becomes_visible_again_is_received(wires: Wires, poll: Poll) -> None:
    queue = wires.queue(VisibilityTimeout="1")
    wires.sqs.send_message(QueueUrl=queue.url, MessageBody="hello")
    assert poll(queue, 20).result(timeout=10)[1]
    _, messages = poll(queue, 20).result(timeout=10)
    assert [message["Body"] for message in messages] == ["hello"]


def test_poll_of_a_deleted_queue_ends(lab: AwsLab, wires: Wires, poll: Poll) -> None:
    queue = wires.queue()
    waiting = poll(queue, 20)
    waits(lab)
    wires.sqs.delete_queue(QueueUrl=queue.url)
    wires.queues.remove(queue.url)
    with pytest.raises(wires.sqs.exceptions.QueueDoesNotExist):
        waiting.result(timeout=10)


def test_polls_end_with_the_lab(path: str) -> None:
    with AwsLab.start() as lab:
        sqs = connect(lab.endpoint, "sqs")
        url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4()}")["QueueUrl"]
        answers: list[dict[str, Any]] = []
        thread = threading.Thread(
            target=lambda: answers.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)), daemon=True
        )
        thread.start()
        waits(lab)
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert answers[0].get("Messages", []) == []
    sqs.close()


# --- other calls


def test_wait_beyond_twenty_seconds_is_rejected(wires: Wires) -> None:
    with pytest.raises(ClientError) as refused:
        wires.sqs.receive_message(QueueUrl=wires.queue().url, WaitTimeSeconds=21)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_messages_are_deleted_in_batches_and_failures_are_reported(wires: Wires) -> None:
    queue = wires.queue()
    for number in range(3):
        wires.sqs.send_message(QueueUrl=queue.url, MessageBody=str(number))
    received = wires.sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)["Messages"]
    entries = [{"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"]} for message in received]
    answer = wires.sqs.delete_message_batch(
        QueueUrl=queue.url, Entries=[*entries, {"Id": "x", "ReceiptHandle": "none"}]
    )
    assert sorted(item["Id"] for item in answer["Successful"]) == ["0", "1", "2"]
    assert [item["Id"] for item in answer["Failed"]] == ["x"]


def test_queue_is_created_again_only_with_the_same_attributes(wires: Wires) -> None:
    queue = wires.queue(MessageRetentionPeriod="3600")
    name, create = queue.arn.rpartition(":")[2], wires.sqs.create_queue
    spaced = json.dumps(OPEN, indent=2)
    for same in ({}, {"MessageRetentionPeriod": "3600"}, {"Policy": spaced}, {"SqsManagedSseEnabled": "true"}):
        assert create(QueueName=name, Attributes=same)["QueueUrl"] == queue.url
    for other in ({"MessageRetentionPeriod": "60"}, {"Policy": "{}"}, {"VisibilityTimeout": "5"}):
        with pytest.raises(wires.sqs.exceptions.QueueNameExists) as refused:
            create(QueueName=name, Attributes=other)
        assert refused.value.response["Error"]["Code"] == "QueueAlreadyExists"
        assert f"a different value for attribute {next(iter(other))}" in str(refused.value)


def test_missing_queue_is_reported(wires: Wires) -> None:
    missing = f"{wires.queue().url}-none"
    calls: tuple[Callable[[], object], ...] = (
        lambda: wires.sqs.get_queue_url(QueueName="none"),
        lambda: wires.sqs.receive_message(QueueUrl=missing, WaitTimeSeconds=1),
        lambda: wires.sqs.set_queue_attributes(QueueUrl=missing, Attributes={"VisibilityTimeout": "1"}),
    )
    for call in calls:
        with pytest.raises(wires.sqs.exceptions.QueueDoesNotExist):
            call()


def test_unsupported_call_returns_not_emulated(wires: Wires) -> None:
    with pytest.raises(ClientError) as refused:
        wires.sqs.start_message_move_task(SourceArn=wires.queue().arn)
    assert refused.value.response["Error"]["Code"] == "NotEmulated"
