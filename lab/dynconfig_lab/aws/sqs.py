"""SQS where moto differs: long polls that return at once, invalid policies, other attributes, unsupported features.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.sqs.models import sqs_backends

from dynconfig_lab.aws import accounts, resource_policy, sqs_messages
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call

Request = dict[str, Any]
Forward = Callable[[Request], Answer]

LONGEST_POLL = 20
# A sent message wakes the receivers; one that becomes visible again does not.
POLL_SECONDS = 0.1
_NOT_EMULATED = (
    "StartMessageMoveTask",
    "CancelMessageMoveTask",
    "ListMessageMoveTasks",
    "AddPermission",
    "RemovePermission",
)


class Queues:
    """Handles the calls that moto gets wrong; other calls pass through to moto."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stopped = threading.Event()
        # Moto may return one message to two concurrent receivers.
        self._receiving = threading.Lock()

    def handle(self, call: Call, request: Request, forward: Forward) -> Answer:
        """The response to a call. Raises AwsError."""
        if call.operation in _NOT_EMULATED:
            raise AwsError("NotEmulated", f"The lab does not emulate sqs.{call.operation}.")
        handler = _HANDLERS.get(call.operation)
        return handler(self, call, request, forward) if handler else forward(request)

    def create(self, call: Call, request: Request, forward: Forward) -> Answer:
        """CreateQueue: idempotent if no given attribute differs."""
        attributes = request.get("Attributes") or {}
        _check_policy(attributes)
        _refuse_other(call.region, request["QueueName"], attributes)
        return forward(request)

    def set_attributes(self, call: Call, request: Request, forward: Forward) -> Answer:
        """SetQueueAttributes: omitted attributes stay; moto would drop the policy."""
        attributes = request.get("Attributes") or {}
        _check_policy(attributes)
        queue = _queue(call.region, request)
        kept = {"Policy": queue.policy} if queue is not None and queue.policy else {}
        return forward({**request, "Attributes": {**kept, **attributes}})

    def stop(self) -> None:
        """Wake all receivers."""
        self._stopped.set()

    def receive(self, call: Call, request: Request, forward: Forward) -> Answer:
        """ReceiveMessage: waits concurrently, and returns as soon as there is a message."""
        queue = _queue(call.region, request)
        seconds = request.get("WaitTimeSeconds", getattr(queue, "receive_message_wait_time_seconds", 0))
        if queue is None or not 0 <= int(seconds) <= LONGEST_POLL:
            return forward(request)
        until = self._clock() + int(seconds)
        while True:
            with self._receiving:
                answer = _receive(_queue(call.region, request), request, forward)
            left = until - self._clock()
            if left <= 0 or not answer.is_success or answer.document().get("Messages") or self._stopped.is_set():
                return answer
            _wait(queue, min(left, POLL_SECONDS))

    def delete_batch(self, call: Call, request: Request, forward: Forward) -> Answer:
        """DeleteMessageBatch: moto would lose messages sent at the same time."""
        queue = _queue(call.region, request)
        answer = sqs_messages.delete(queue, request.get("Entries") or ()) if queue is not None else None
        return answer or forward(request)


_HANDLERS: dict[str, Callable[[Queues, Call, Request, Forward], Answer]] = {
    "CreateQueue": Queues.create,
    "SetQueueAttributes": Queues.set_attributes,
    "ReceiveMessage": Queues.receive,
    "DeleteMessageBatch": Queues.delete_batch,
}


def deliver(region: str, arn: str, source: str, body: str) -> None:
    """Send an event of a rule to a queue. Raises AwsError if the queue is missing or its policy does not allow
    EventBridge."""
    queue: Any = sqs_backends[accounts.current()][region].queues.get(arn.rpartition(":")[2])
    if queue is None:
        raise AwsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    if not resource_policy.allows(queue.policy or "", arn, "events.amazonaws.com", source):
        raise AwsError("AccessDenied", f"its policy does not let events.amazonaws.com send for {source}")
    sqs_messages.send(queue, body)


def _receive(queue: Any, request: Request, forward: Forward) -> Answer:
    """The messages available now. Moto handles requests for attributes, and deleted queues."""
    if queue is not None and sqs_messages.is_plain(queue, request):
        return sqs_messages.receive(queue, request)
    return forward({**request, "WaitTimeSeconds": 0})


def _wait(queue: Any, seconds: float) -> None:
    """Wait until a message arrives or the time is over; the check is done under the lock, so that no message is missed."""
    with queue._messages_lock:
        if sqs_messages.is_empty(queue):
            queue._messages_lock.wait(seconds)


def _queue(region: str, request: Request) -> Any:
    return sqs_backends[accounts.current()][region].queues.get(str(request.get("QueueUrl", "")).rpartition("/")[2])


def _check_policy(attributes: Request) -> None:
    policy = attributes.get("Policy")
    if not policy:
        return
    if not resource_policy.is_policy(policy):
        raise AwsError("InvalidAttributeValue", "Invalid value for the parameter Policy.")


def _refuse_other(region: str, name: str, attributes: Request) -> None:
    """A queue may be created again if no given attribute differs."""
    queue = sqs_backends[accounts.current()][region].queues.get(name)
    present = queue.attributes if queue is not None else {}
    for key, value in attributes.items():
        if queue is not None and not _is_same(present.get(key), value):
            text = f"A queue already exists with the same name and a different value for attribute {key}"
            raise AwsError("QueueAlreadyExists", text, shape="QueueNameExists")


def _is_same(present: object, wanted: str) -> bool:
    if present is None:
        return not wanted
    if isinstance(present, bool):
        return str(present).lower() == wanted.lower()
    return _parsed(str(present)) == _parsed(wanted)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
