"""Queues with thousands of messages: received in order, then invisible, and deleted while others are sent."""

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect
from tests.lab.aws.wires import Queue, Wires

from dynconfig_lab.aws import AwsLab
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab


def receive(wires: Wires, queue: Queue, **more: Any) -> list[dict[str, Any]]:
    answer = wires.sqs.receive_message(QueueUrl=queue.url, **{"MaxNumberOfMessages": 10, **more})
    return list(answer.get("Messages", []))


def delete(wires: Wires, queue: Queue, messages: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [{"Id": str(index), "ReceiptHandle": item["ReceiptHandle"]} for index, item in enumerate(messages)]
    return dict(wires.sqs.delete_message_batch(QueueUrl=queue.url, Entries=entries))


def send(wires: Wires, queue: Queue, *bodies: str, **more: Any) -> None:
    for body in bodies:
        wires.sqs.send_message(QueueUrl=queue.url, MessageBody=body, **more)


def test_messages_are_received_once_and_in_order(wires: Wires) -> None:
    queue = wires.queue()
    send(wires, queue, "a", "b", "c")
    found = receive(wires, queue)
    assert [message["Body"] for message in found] == ["a", "b", "c"]
    assert receive(wires, queue) == []
    assert [entry["Id"] for entry in delete(wires, queue, found)["Successful"]] == ["0", "1", "2"]
    assert delete(wires, queue, found)["Successful"], "what is deleted already may be deleted again"


def test_no_more_messages_are_received_than_requested(wires: Wires) -> None:
    queue = wires.queue()
    send(wires, queue, "a", "b")
    assert len(receive(wires, queue, MaxNumberOfMessages=1)) == 1
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        receive(wires, queue, MaxNumberOfMessages=11)


def test_undeleted_message_returns_and_either_receipt_deletes_it(wires: Wires) -> None:
    queue = wires.queue()
    send(wires, queue, "a")
    first = receive(wires, queue, VisibilityTimeout=1)
    again = receive(wires, queue, WaitTimeSeconds=5, VisibilityTimeout=0)
    assert [message["Body"] for message in again] == ["a"]
    assert delete(wires, queue, first)["Successful"]
    assert receive(wires, queue) == []


def test_delayed_message_is_not_received_yet(wires: Wires) -> None:
    queue = wires.queue()
    send(wires, queue, "a", DelaySeconds=1)
    assert receive(wires, queue) == []
    assert [message["Body"] for message in receive(wires, queue, WaitTimeSeconds=5)] == ["a"]


def test_attributes_are_returned_on_request(wires: Wires) -> None:
    queue = wires.queue()
    send(wires, queue, "a")
    (message,) = receive(wires, queue, MessageSystemAttributeNames=["ApproximateReceiveCount"])
    assert message["Attributes"] == {"ApproximateReceiveCount": "1"}


def test_unknown_receipt_is_rejected(wires: Wires) -> None:
    queue = wires.queue()
    answer = delete(wires, queue, [{"ReceiptHandle": "nobodys"}])
    assert [entry["Code"] for entry in answer["Failed"]] == ["ReceiptHandleIsInvalid"]


def test_no_message_is_lost_that_is_sent_during_a_delete(lab: AwsLab, wires: Wires) -> None:
    queue, sender = wires.queue(), connect(lab.endpoint, "sqs")
    count = 200

    def send_all() -> None:
        for number in range(count):
            sender.send_message(QueueUrl=queue.url, MessageBody=str(number))

    thread = threading.Thread(target=send_all)
    thread.start()
    found: list[str] = []

    def is_complete() -> bool:
        messages = receive(wires, queue)
        if messages:
            delete(wires, queue, messages)
        found.extend(message["Body"] for message in messages)
        return len(found) >= count

    assert wait_until(is_complete, 30)
    thread.join()
    sender.close()
    assert sorted(found, key=int) == [str(number) for number in range(count)]


def test_poll_is_fast_with_many_messages(wires: Wires) -> None:
    queue = wires.queue()
    entries = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]
    for _ in range(60):
        wires.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    started = time.monotonic()
    delete(wires, queue, receive(wires, queue))
    # Moto needs some seconds for this.
    assert time.monotonic() - started < 1.0
