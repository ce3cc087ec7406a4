"""Faults on request: throttling, errors, latency, hanging requests, lost answers, stale reads and outages of AWS.

The throttling codes are those of https://docs.aws.amazon.com/boto3/latest/guide/retries.html.
"""

import math
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynconfig_lab.aws import accounts, aws_quotas
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.calls import Call

_SERVER_FAULTS = ("InternalServerError", "InternalFailure", "ServiceUnavailable")
# A field that only the operator's calls have.
OPERATOR = "dynconfig-operator/"
_READS = ("Get", "List", "Describe")
EVERY_WRITE = "*"
"""In place of an operation: all that changes resources."""
EACH_WRITE = "each"
"""In place of an operation: each that changes resources, counted by itself."""
# The queue is not owned by an object.
_NO_WRITES = ("sqs", "sts")
_NUMBERS = (
    "error_rate",
    "latency_ms",
    "hang_seconds",
    "recreate_delay_seconds",
    "settle_seconds",
    "stale_read_seconds",
)
_SWITCHES = ("down", "aws_quotas", "credentials_expired")
_COUNTED = ("lost_answers", "half_answers")
SETTLE_SECONDS = 0.3


class BadFaults(ValueError):
    """The document is invalid; the message names the field."""


@dataclass(frozen=True)
class Injected:
    """An error returned to some calls of one operation."""

    code: str
    message: str
    times: int | None = None


@dataclass(frozen=True)
class Kill:
    """kill -9 of a process at one of its writes, before or after the write is carried out."""

    pid: int
    call: int
    """Which of its writes, counted from 1."""
    is_before: bool
    operation: str = ""
    """Count only this operation, for example ssm.PutParameter; empty for all writes."""
    resource: str = ""
    """Count only writes about this resource, named as in the log of calls; empty for all."""


@dataclass(frozen=True)
class Hold:
    """A write whose caller gets no answer, so that a test can kill it meanwhile."""

    call: int
    """Which write of the concerned callers, counted from 1."""
    is_before: bool
    """Whether the write never takes effect; otherwise it has taken effect while it is held."""
    operation: str = ""
    """Count only this operation, for example ssm.PutParameter; empty for all writes."""
    resource: str = ""
    """Count only writes about this resource, named as in the log of calls; empty for all."""

    def counts(self, call: Call, resource: str) -> bool:
        """Whether a write counts."""
        return self.operation in ("", call.name) and self.resource in ("", resource)


@dataclass(frozen=True)
class Faults:
    """The faults that AWS currently has; none by default."""

    throttle: Mapping[str, float] = field(default_factory=dict)
    """Calls a second that an operation takes; what is above is refused."""
    error_rate: float = 0.0
    """Share of calls that get HTTP 500."""
    latency_ms: float = 0.0
    """Additional latency of each response, in seconds."""
    hang_seconds: float = 0.0
    """How long each request hangs before the connection is dropped, in seconds."""
    down: bool = False
    """Connections are closed without a response."""
    errors: Mapping[str, Injected] = field(default_factory=dict)
    """Named errors, by operation."""
    recreate_delay_seconds: float = 0.0
    """How long after a deletion a parameter of the same name is refused."""
    settle_seconds: float = SETTLE_SECONDS
    """How long Lambda needs to carry out a write."""
    kill: Kill | None = None
    """When the operator dies."""
    hold: Hold | None = None
    """The write that is held until the faults are replaced; then its connection is closed."""
    lost_answers: Mapping[str, int | None] = field(default_factory=dict)
    """Calls that AWS carries out and whose connection it closes instead of a response: how many, by operation; None for
    all. EVERY_WRITE means all writes together, EACH_WRITE each operation. https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2"""
    half_answers: Mapping[str, int | None] = field(default_factory=dict)
    """Calls that AWS carries out and whose response ends in the middle; likewise.
    https://www.rfc-editor.org/rfc/rfc9112#section-8"""
    stale_read_seconds: float = 0.0
    """Reads do not show the writes of the last seconds."""
    aws_quotas: bool = False
    """Operations take as many calls as AWS does without an increase."""
    credentials_expired: bool = False
    """The credentials of the callers have expired."""
    access_keys: tuple[str, ...] = ()
    """The callers that the faults concern, by access key id; empty for all."""

    @classmethod
    def parse(cls, document: object) -> "Faults":
        """From JSON. Raises BadFaults, naming the field."""
        if not isinstance(document, dict):
            raise BadFaults('the body has to be a JSON object, for example {"throttle": {"ssm.PutParameter": 3}}')
        known = {"throttle", "errors", "kill", "hold", "access_keys", *_NUMBERS, *_SWITCHES, *_COUNTED}
        unknown = sorted(set(document) - known)
        if unknown:
            raise BadFaults(f"{unknown[0]}: no such fault; there are {', '.join(sorted(known))}")
        values: dict[str, Any] = {name: _number(document, name) for name in _NUMBERS if name in document}
        if values.get("error_rate", 0) > 1:
            raise BadFaults("error_rate: has to be from 0 to 1")
        return cls(
            throttle=_throttle(document.get("throttle", {})),
            errors=_errors(document.get("errors", {})),
            kill=_kill(document.get("kill")),
            hold=_hold(document.get("hold")),
            access_keys=_access_keys(document.get("access_keys", [])),
            down=_switch(document, "down"),
            aws_quotas=_switch(document, "aws_quotas"),
            credentials_expired=_switch(document, "credentials_expired"),
            lost_answers=_counts(document, "lost_answers"),
            half_answers=_counts(document, "half_answers"),
            **values,
        )

    def to_json(self) -> dict[str, Any]:
        """The document, without fields that have their default."""
        usual = Faults()._plain()
        return {name: value for name, value in self._plain().items() if value != usual[name]}

    def _plain(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: getattr(self, name) for name in ("throttle", *_NUMBERS, *_SWITCHES, *_COUNTED)}
        found["access_keys"] = list(self.access_keys)
        found["hold"] = self.hold and _held(self.hold)
        found["errors"] = {
            name: {"code": error.code, "message": error.message, "times": error.times}
            for name, error in self.errors.items()
        }
        when = "before" if self.kill and self.kill.is_before else "after"
        found["kill"] = self.kill and {
            "pid": self.kill.pid,
            "call": self.kill.call,
            "when": when,
            **({"operation": self.kill.operation} if self.kill.operation else {}),
            **({"resource": self.kill.resource} if self.kill.resource else {}),
        }
        return found


# Code, text and status of throttling errors, which differ between services.
_USUALLY = ("ThrottlingException", "Rate exceeded", 400)
_THROTTLED = {
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "apigatewayv2": ("TooManyRequestsException", "Too Many Requests", 429),
    "iam": ("Throttling", "Rate exceeded", 400),
}
_EXPIRED = "The security token included in the request is expired"
# Recorded: 403 of Lambda, ExpiredToken with 403 of STS, else 400, for example of SSM. That IAM answers as STS does, and
# API Gateway and EventBridge Scheduler as Lambda does, follows from their protocols.
# https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
_EXPIRED_OF = {
    "sts": ("ExpiredToken", _EXPIRED, 403),
    "iam": ("ExpiredToken", _EXPIRED, 403),
    "lambda": ("ExpiredTokenException", _EXPIRED, 403),
    "apigatewayv2": ("ExpiredTokenException", _EXPIRED, 403),
    "scheduler": ("ExpiredTokenException", _EXPIRED, 403),
}
_EXPIRED_USUALLY = ("ExpiredTokenException", _EXPIRED, 400)


def expired(service: str) -> AwsError:
    """What a service responds to credentials that have expired."""
    return AwsError(*_EXPIRED_OF.get(service, _EXPIRED_USUALLY))


class FaultInjector:
    """Applies faults to calls; the clock and the random source are injected."""

    def __init__(self, clock: Callable[[], float], dice: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._dice = dice
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[float, float]] = {}
        """By operation: the tokens of its bucket, and when they were counted."""
        self._left: dict[str, int] = {}
        self._writes = 0
        self._spent: dict[tuple[str, str], int] = {}
        self._released = threading.Event()
        self.held: tuple[str, str] | None = None
        """Operation and resource of the write that is held now."""
        self.faults = Faults()

    def of(self, access_key: str) -> Faults:
        """The faults for a caller."""
        faults = self.faults
        return faults if not faults.access_keys or access_key in faults.access_keys else Faults()

    def set(self, faults: Faults) -> None:
        """Replace the faults."""
        with self._lock:
            self.faults = faults
            self._released.set()
            self._released, self.held = threading.Event(), None
            self._tokens.clear()
            self._spent.clear()
            self._writes = 0
            self._left = {name: error.times for name, error in faults.errors.items() if error.times is not None}

    def refuse(self, call: Call, access_key: str = "") -> None:
        """Raise AwsError if the call has to fail."""
        faults = self.of(access_key)
        if faults.credentials_expired:
            raise expired(call.service)
        group = aws_quotas.group_of(call) if faults.aws_quotas else None
        if group is not None:
            self._throttle(call, group.per_second, f"{group.name} in {accounts.current()} {call.region}")
        if call.name in faults.throttle:
            self._throttle(call, faults.throttle[call.name])
        if call.name in faults.errors:
            self._inject(call, faults.errors[call.name])
        if faults.error_rate and self._dice() < faults.error_rate:
            raise AwsError("InternalServerError", "An error occurred on the server side.", 500)

    def hold(self, call: Call, resource: str, access_key: str, *, is_write: bool) -> "Held | None":
        """The hold of this call, if there is one."""
        hold = self.of(access_key).hold
        if hold is None or not is_write or not hold.counts(call, resource):
            return None
        with self._lock:
            self._writes += 1
            is_held = self._writes == hold.call
            return Held(self, hold, (call.name, resource), self._released) if is_held else None

    def takes(self, fault: str, call: Call, access_key: str, *, is_write: bool) -> bool:
        """Whether this call's answer is lost or halved: `fault` is the name of the field."""
        counts: Mapping[str, int | None] = getattr(self.of(access_key), fault)
        names = (call.name, EACH_WRITE, EVERY_WRITE) if is_write else (call.name,)
        name = next((name for name in names if name in counts), None)
        if name is None:
            return False
        counted = EVERY_WRITE if name == EVERY_WRITE else call.name
        with self._lock:
            spent = self._spent.get((fault, counted), 0)
            left = counts[name]
            if left is not None and spent >= left:
                return False
            self._spent[fault, counted] = spent + 1
            return True

    def kill(self, call: Call, user_agent: str, resource: str = "") -> Kill | None:
        """Whether this call kills its process. Each kill happens once."""
        kill = self.faults.kill
        if (
            kill is None
            or OPERATOR not in user_agent
            or call.operation.startswith(_READS)
            # Any operation may be named; otherwise only those about resources of objects count.
            or (call.service in _NO_WRITES if not kill.operation else kill.operation != call.name)
            or (kill.resource and kill.resource != resource)
        ):
            return None
        with self._lock:
            self._writes += 1
            return kill if self._writes == kill.call else None

    def _throttle(self, call: Call, per_second: float, name: str = "") -> None:
        """Refuse the call if its token bucket is empty.

        EC2, ECS, RDS and Elastic Load Balancing document token buckets, whose size is at least the calls of a second; for other
        services, neither the algorithm nor the size is documented (unproved).
        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
        """
        now, size = self._clock(), max(1.0, per_second) if per_second else 0.0
        with self._lock:
            tokens, at = self._tokens.get(name or call.name, (size, now))
            tokens = min(size, tokens + (now - at) * per_second)
            # Rounding must not leave a bucket just below one token.
            is_accepted = tokens >= 1.0 - 1e-9
            self._tokens[name or call.name] = tokens - is_accepted, now
        if not is_accepted:
            raise AwsError(*_THROTTLED.get(call.service, _USUALLY))

    def _inject(self, call: Call, error: Injected) -> None:
        with self._lock:
            left = self._left.get(call.name)
            if left == 0:
                return
            if left is not None:
                self._left[call.name] = left - 1
        raise AwsError(error.code, error.message, 500 if error.code in _SERVER_FAULTS else 400)


@dataclass(frozen=True)
class Held:
    """One held call."""

    trouble: FaultInjector
    hold: Hold
    call: tuple[str, str]
    released: threading.Event

    def wait(self) -> None:
        """Until the faults are replaced."""
        self.trouble.held = self.call
        self.released.wait()


def _number(document: Mapping[str, Any], name: str) -> float:
    value = document[name]
    if not _is_amount(value):
        raise BadFaults(f"{name}: has to be a number that is not negative")
    return float(value)


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _switch(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise BadFaults(f"{name}: has to be true or false")
    return value


def _access_keys(document: object) -> tuple[str, ...]:
    if not isinstance(document, list) or not all(isinstance(item, str) and item for item in document):
        raise BadFaults('access_keys: has to be a list of access key ids such as ["lab"]')
    return tuple(document)


def _counts(document: Mapping[str, Any], name: str) -> dict[str, int | None]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise BadFaults(f'{name}: has to be an object such as {{"ssm.PutParameter": 1}}')
    for operation, count in found.items():
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise BadFaults(f"{name}: {operation} has to be a whole number above 0, or null for all calls")
    return dict(found)


def _hold(document: object) -> Hold | None:
    if document is None:
        return None
    example = '{"call": 3, "when": "before"}'
    needed = {"call", "when"}
    if not isinstance(document, dict) or not needed <= set(document) <= needed | {"operation", "resource"}:
        raise BadFaults(f"hold: has to be an object such as {example}, and may have operation and resource")
    call = document["call"]
    if isinstance(call, bool) or not isinstance(call, int) or call < 1 or document["when"] not in ("before", "after"):
        raise BadFaults(f"hold: call has to be a whole number above 0 and when before or after, as in {example}")
    return Hold(call, is_before=document["when"] == "before", **_names(document, "hold"))


def _held(hold: Hold) -> dict[str, Any]:
    names = {name: value for name, value in (("operation", hold.operation), ("resource", hold.resource)) if value}
    return {"call": hold.call, "when": "before" if hold.is_before else "after", **names}


def _names(document: Mapping[str, Any], fault: str) -> dict[str, str]:
    names = {name: document.get(name, "") for name in ("operation", "resource")}
    if not all(isinstance(name, str) for name in names.values()):
        raise BadFaults(f"{fault}: operation and resource have to be strings")
    return names


def _kill(document: object) -> Kill | None:
    if document is None:
        return None
    example = '{"pid": 4711, "call": 3, "when": "before"}'
    needed = {"pid", "call", "when"}
    if not isinstance(document, dict) or not needed <= set(document) <= needed | {"operation", "resource"}:
        raise BadFaults(f"kill: has to be an object such as {example}, and may have operation and resource")
    numbers = [document["pid"], document["call"]]
    if any(isinstance(number, bool) or not isinstance(number, int) or number < 1 for number in numbers):
        raise BadFaults(f"kill: pid and call have to be whole numbers above 0, as in {example}")
    if document["when"] not in ("before", "after"):
        raise BadFaults(f"kill: when has to be before or after, as in {example}")
    return Kill(document["pid"], document["call"], is_before=document["when"] == "before", **_names(document, "kill"))


def _throttle(document: object) -> dict[str, float]:
    if not isinstance(document, dict):
        raise BadFaults('throttle: has to be an object such as {"ssm.PutParameter": 3}')
    for name, value in document.items():
        if not _is_amount(value):
            raise BadFaults(f"throttle: {name} has to be a number of calls a second")
    return {str(name): float(value) for name, value in document.items()}


def _errors(document: object) -> dict[str, Injected]:
    if not isinstance(document, dict):
        raise BadFaults('errors: has to be an object such as {"ssm.PutParameter": {"code": "AccessDeniedException"}}')
    found: dict[str, Injected] = {}
    for name, error in document.items():
        if not isinstance(error, dict) or not isinstance(error.get("code"), str):
            raise BadFaults(f"errors: {name} needs a code")
        odd = sorted(set(error) - {"code", "message", "times"})
        if odd:
            raise BadFaults(f"errors: {name} knows no {odd[0]}; there are code, message, times")
        times = error.get("times")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise BadFaults(f"errors: times of {name} has to be a whole number above 0")
        found[str(name)] = Injected(error["code"], str(error.get("message", "")), times)
    return found
