"""Messages of standard queues, without the counting that makes moto slow with thousands of messages.

Moto counts all messages of a queue several times for each one sent or received, and its deletes race with senders.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs.models import Message

from dynconfig_lab.aws.answers import Answer

Request = dict[str, Any]

_SPECIAL = ("AttributeNames", "MessageSystemAttributeNames", "MessageAttributeNames", "ReceiveRequestAttemptId")


def is_plain(queue: Any, request: Request) -> bool:
    """Whether a ReceiveMessage needs only bodies of a standard queue without a dead-letter queue."""
    count, visibility = request.get("MaxNumberOfMessages", 1), request.get("VisibilityTimeout", 0)
    is_simple = not queue.fifo_queue and not queue.redrive_policy and not any(request.get(key) for key in _SPECIAL)
    return is_simple and 1 <= count <= 10 and 0 <= visibility <= 43200


def send(queue: Any, body: str) -> None:
    """Add a message to a queue."""
    message = Message(str(uuid.uuid4()), body, None)
    message.mark_sent(int(queue.delay_seconds))
    queue.add_message(message)


def is_empty(queue: Any) -> bool:
    """Whether no message can be received; the caller holds the queue's lock."""
    return next(iter(_visible(queue)), None) is None


def receive(queue: Any, request: Request) -> Answer:
    """Receive the available messages, and make them invisible for a while."""
    seconds = int(request.get("VisibilityTimeout", queue.visibility_timeout))
    taken: list[Message] = []
    with queue._messages_lock:
        for message in _visible(queue):
            message.mark_received(seconds)
            taken.append(message)
            if len(taken) == request.get("MaxNumberOfMessages", 1):
                break
        return Answer.of({"Messages": [_document(message) for message in taken]} if taken else {})


def delete(queue: Any, entries: Sequence[Request]) -> Answer | None:
    """Delete a batch; None if a receipt is of another queue or the batch is invalid."""
    handles = {entry["ReceiptHandle"] for entry in entries}
    if not 1 <= len(entries) <= 10 or len({entry["Id"] for entry in entries}) != len(entries):
        return None
    with queue._messages_lock:
        deleted = [message for message in queue._messages if _had_any(message, handles)]
        known = {handle for message in deleted for handle in message.all_receipt_handles} | set(queue.deleted_messages)
        if not handles <= known:
            return None
        queue._messages = [message for message in queue._messages if not _had_any(message, handles)]
        for message in deleted:
            queue.pending_messages.discard(message)
            queue.deleted_messages.update(message.all_receipt_handles)
    return Answer.of({"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []})


def _visible(queue: Any) -> Iterable[Message]:
    now = unix_time_millis()
    oldest = now - int(queue.message_retention_period) * 1000
    for message in queue._messages:
        if now > message.visible_at and now >= message.delayed_until and (message.sent_timestamp or now) > oldest:
            yield message


def _had_any(message: Message, handles: set[str]) -> bool:
    return message.receipt_handle in handles or any(handle in handles for handle in message._old_receipt_handles)


def _document(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
