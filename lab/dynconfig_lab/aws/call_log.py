"""The log of the calls that AWS received: when, what, about which resource, by whom, and whether it took effect.

CloudTrail records the same (eventTime, eventName, requestParameters, userIdentity.accessKeyId, userAgent, errorCode):
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import hashlib
import json
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from dynconfig_lab.aws import cbor, rest
from dynconfig_lab.aws.answers import Answer, parse_form
from dynconfig_lab.aws.calls import Call

Environ = Mapping[str, Any]

KEPT = 200_000
"""The number of calls that are kept."""
_KEY = re.compile(r"Credential=([^/]*)/")
# What names the resource of a request, in the JSON and query protocols.
_NAMED = (
    "Name", "name", "ResourceId", "Names", "AlarmName", "AlarmNames", "DashboardName", "DashboardNames", "FunctionName",
    "RoleName", "Rule", "logGroupName", "logGroupNamePrefix", "QueueName", "QueueUrl", "TopicArn", "ResourceARN",
    "ResourceArn", "resourceArn", "resourceName", "Path", "Namespace", "RoleArn",
)  # fmt: skip
# botocore fills these with random values: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
_TOKENS = ("ClientToken", "clientToken")
# Of a process, so that a digest says nothing about a value that is a secret.
_SALT = secrets.token_bytes(16)


@dataclass(frozen=True)
class LoggedCall:
    """One call."""

    number: int
    """Counted from 1 since the last reset."""
    time: float
    """When the request arrived, in seconds since 1970, by AWS's clock."""
    ended: float | None
    """When the response was ready or the connection dropped; None while it is being carried out."""
    operation: str
    """For example ssm.PutParameter."""
    region: str
    resource: str
    """The name in the request; names of one request are joined by commas. Empty if it has none."""
    is_write: bool
    """Whether the operation changes resources; reads and the receipt of messages do not."""
    access_key: str
    """The access key id in the signature, which differs between callers that have their own credentials."""
    user_agent: str
    content: str
    """A digest of operation and parameters: equal for equal requests, within one emulation."""
    outcome: str = ""
    """OK or an error code; empty as long as no response was sent."""
    took_effect: bool = False
    """Whether AWS carried it out, whatever response the caller received."""


class Entry:
    """A call in progress, which notes how it ends."""

    def __init__(self, call: LoggedCall) -> None:
        self.call = call
        self.outcome = ""
        self.took_effect = False

    def carried_out(self, answer: Answer) -> None:
        """AWS has done what it answers."""
        self.took_effect = answer.is_success

    def answered(self, answer: Answer) -> None:
        """The caller gets this response."""
        self.outcome = "OK" if answer.is_success else _code(answer)


class CallLog:
    """The most recent calls, oldest first; thread-safe."""

    def __init__(self, now: Callable[[], float] = time.time, kept: int = KEPT) -> None:
        self._now = now
        self._calls: deque[LoggedCall] = deque(maxlen=kept)
        self._number = 0
        self._lock = threading.Lock()

    @contextmanager
    def recorded(self, call: Call, environ: Environ, body: bytes) -> Iterator[Entry]:
        """Record a call; the end of the `with` block is its end."""
        with self._lock:
            self._number += 1
            logged = _logged(self._number, self._now(), call, environ, body)
            self._calls.append(logged)
        entry = Entry(logged)
        try:
            yield entry
        finally:
            ended = replace(logged, ended=self._now(), outcome=entry.outcome, took_effect=entry.took_effect)
            with self._lock:
                first = self._number - len(self._calls) + 1
                position = logged.number - first
                # After a reset, or if it was the oldest one, there is none.
                if 0 <= position < len(self._calls) and self._calls[position] is logged:
                    self._calls[position] = ended

    def all(self, after: int = 0, *, only_writes: bool = False) -> list[LoggedCall]:
        """The calls with a number above `after`."""
        with self._lock:
            found = [item for item in self._calls if item.number > after]
        return [item for item in found if item.is_write] if only_writes else found

    def reset(self) -> None:
        """Forget all calls and count from 1."""
        with self._lock:
            self._calls.clear()
            self._number = 0


def to_json(call: LoggedCall) -> dict[str, Any]:
    """As the control interface sends it."""
    return asdict(call)


def is_write(call: Call) -> bool:
    """Whether an operation changes resources."""
    if call.service == "sts" or call.operation.startswith(
        ("Get", "List", "Describe", "BatchGet", "Simulate", "Invoke")
    ):
        return False
    return not (call.service == "sqs" and "Message" in call.operation)


def _logged(number: int, at: float, call: Call, environ: Environ, body: bytes) -> LoggedCall:
    document = _document(environ, body)
    key = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    return LoggedCall(
        number=number,
        time=at,
        ended=None,
        operation=call.name,
        region=call.region,
        resource=_resource(call, environ, document),
        is_write=is_write(call),
        access_key=key.group(1) if key else "",
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        content=_digest(call, environ, document, body),
    )


def _document(environ: Environ, body: bytes) -> dict[str, Any]:
    """The parameters in a body; empty if it is none of a known protocol."""
    kind = environ.get("CONTENT_TYPE", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_form(body))
    try:
        found = cbor.decode(body) if kind == cbor.CONTENT_TYPE else json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _resource(call: Call, environ: Environ, document: Mapping[str, Any]) -> str:
    in_path = rest.resource_of(call.service, environ.get("REQUEST_METHOD", "GET"), environ.get("PATH_INFO", "/"))
    if in_path:
        return in_path
    found = next((document[name] for name in _NAMED if document.get(name)), "")
    return ",".join(map(str, found)) if isinstance(found, list) else str(found)


def _digest(call: Call, environ: Environ, document: Mapping[str, Any], body: bytes) -> str:
    kept = {name: value for name, value in document.items() if name not in _TOKENS}
    content = json.dumps(kept, sort_keys=True, default=str).encode() if kept else body
    where = f"{call.name} {call.region} {environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}\n".encode()
    return hashlib.sha256(_SALT + where + content).hexdigest()[:16]


def _code(answer: Answer) -> str:
    """The error code of a response, or its status if it has none."""
    shape = next((value for name, value in answer.headers if name.lower() == "x-amzn-errortype"), "")
    found = shape or next(iter(re.findall(rb"<Code>([^<]+)|\"__type\": ?\"([^\"]+)", answer.body)), ("", ""))
    if isinstance(found, tuple):
        found = next((part.decode() for part in found if part), "")
    return found.rpartition("#")[2].partition(":")[0] or answer.status.split()[0]
