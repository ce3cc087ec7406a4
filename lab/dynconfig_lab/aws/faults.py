"""Faults on request: throttling, errors, latency, hanging requests and outages of AWS.

The throttling codes are those of https://docs.aws.amazon.com/boto3/latest/guide/retries.html.
"""

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.calls import Call

_SERVER_FAULTS = ("InternalServerError", "InternalFailure", "ServiceUnavailable")
# A field that only the operator's calls have.
OPERATOR = "dynconfig-operator/"
_READS = ("Get", "List", "Describe")
# The queue is not owned by an object.
_NO_WRITES = ("sqs", "sts")
_NUMBERS = ("error_rate", "latency_ms", "hang_seconds", "recreate_delay_seconds", "settle_seconds")
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

    @classmethod
    def parse(cls, document: object) -> "Faults":
        """From JSON. Raises BadFaults, naming the field."""
        if not isinstance(document, dict):
            raise BadFaults('the body has to be a JSON object, for example {"throttle": {"ssm.PutParameter": 3}}')
        known = {"throttle", "errors", "down", "kill", *_NUMBERS}
        unknown = sorted(set(document) - known)
        if unknown:
            raise BadFaults(f"{unknown[0]}: no such fault; there are {', '.join(sorted(known))}")
        values: dict[str, Any] = {name: _number(document, name) for name in _NUMBERS if name in document}
        if values.get("error_rate", 0) > 1:
            raise BadFaults("error_rate: has to be from 0 to 1")
        if not isinstance(document.get("down", False), bool):
            raise BadFaults("down: has to be true or false")
        return cls(
            throttle=_throttle(document.get("throttle", {})),
            errors=_errors(document.get("errors", {})),
            down=document.get("down", False),
            kill=_kill(document.get("kill")),
            **values,
        )

    def to_json(self) -> dict[str, Any]:
        """The document, without fields that have their default."""
        usual = Faults()._plain()
        return {name: value for name, value in self._plain().items() if value != usual[name]}

    def _plain(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: getattr(self, name) for name in ("throttle", *_NUMBERS, "down")}
        found["errors"] = {
            name: {"code": error.code, "message": error.message, "times": error.times}
            for name, error in self.errors.items()
        }
        when = "before" if self.kill and self.kill.is_before else "after"
        found["kill"] = self.kill and {"pid": self.kill.pid, "call": self.kill.call, "when": when}
        return found


# Code, text and status of throttling errors, which differ between services.
_USUALLY = ("ThrottlingException", "Rate exceeded", 400)
_THROTTLED = {
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "apigatewayv2": ("TooManyRequestsException", "Too Many Requests", 429),
    "iam": ("Throttling", "Rate exceeded", 400),
}


class FaultInjector:
    """Applies faults to calls; the clock and the random source are injected."""

    def __init__(self, clock: Callable[[], float], dice: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._dice = dice
        self._lock = threading.Lock()
        self._recent: dict[str, deque[float]] = {}
        self._left: dict[str, int] = {}
        self._writes = 0
        self.faults = Faults()

    def set(self, faults: Faults) -> None:
        """Replace the faults."""
        with self._lock:
            self.faults = faults
            self._recent.clear()
            self._writes = 0
            self._left = {name: error.times for name, error in faults.errors.items() if error.times is not None}

    def refuse(self, call: Call) -> None:
        """Raise AwsError if the call has to fail."""
        faults = self.faults
        if call.name in faults.throttle:
            self._throttle(call, faults.throttle[call.name])
        if call.name in faults.errors:
            self._inject(call, faults.errors[call.name])
        if faults.error_rate and self._dice() < faults.error_rate:
            raise AwsError("InternalServerError", "An error occurred on the server side.", 500)

    def kill(self, call: Call, user_agent: str) -> Kill | None:
        """Whether this call kills its process. Each kill happens once."""
        kill = self.faults.kill
        if (
            kill is None
            or OPERATOR not in user_agent
            or call.service in _NO_WRITES
            or call.operation.startswith(_READS)
        ):
            return None
        with self._lock:
            self._writes += 1
            return kill if self._writes == kill.call else None

    def _throttle(self, call: Call, per_second: float) -> None:
        now = self._clock()
        with self._lock:
            recent = self._recent.setdefault(call.name, deque())
            # A rate below one per second is one call in a longer interval.
            window = 1.0 if per_second >= 1 or per_second == 0 else 1.0 / per_second
            while recent and now - recent[0] >= window:
                recent.popleft()
            if len(recent) >= per_second * window:
                raise AwsError(*_THROTTLED.get(call.service, _USUALLY))
            recent.append(now)

    def _inject(self, call: Call, error: Injected) -> None:
        with self._lock:
            left = self._left.get(call.name)
            if left == 0:
                return
            if left is not None:
                self._left[call.name] = left - 1
        raise AwsError(error.code, error.message, 500 if error.code in _SERVER_FAULTS else 400)


def _number(document: Mapping[str, Any], name: str) -> float:
    value = document[name]
    if not _is_amount(value):
        raise BadFaults(f"{name}: has to be a number that is not negative")
    return float(value)


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _kill(document: object) -> Kill | None:
    if document is None:
        return None
    example = '{"pid": 4711, "call": 3, "when": "before"}'
    if not isinstance(document, dict) or set(document) != {"pid", "call", "when"}:
        raise BadFaults(f"kill: has to be an object such as {example}")
    numbers = [document["pid"], document["call"]]
    if any(isinstance(number, bool) or not isinstance(number, int) or number < 1 for number in numbers):
        raise BadFaults(f"kill: pid and call have to be whole numbers above 0, as in {example}")
    if document["when"] not in ("before", "after"):
        raise BadFaults(f"kill: when has to be before or after, as in {example}")
    return Kill(document["pid"], document["call"], is_before=document["when"] == "before")


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
