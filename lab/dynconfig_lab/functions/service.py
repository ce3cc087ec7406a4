"""Lambda's Invoke on moto's functions: synchronous, or by the queue of asynchronous events.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-invocation.html
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from dynconfig_lab.aws import accounts, policies
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.functions import telemetry
from dynconfig_lab.functions.events_queue import EventsQueue
from dynconfig_lab.functions.fleet import Fleet, Place, Stopped, TooManyAtOnce
from dynconfig_lab.functions.reading import Readers
from dynconfig_lab.functions.spec import FunctionSpec, Result

log = logging.getLogger(__name__)

LARGEST_PAYLOAD = 6 * 1024 * 1024
LARGEST_EVENT = 1024 * 1024


class Catalogue(Protocol):
    """The functions that exist."""

    def spec(self, region: str, name: str) -> FunctionSpec:
        """The function as it serves now. Raises AwsError."""

    def statements(self, region: str, name: str) -> list[Mapping[str, Any]]:
        """The statements of its policy."""


@dataclass(frozen=True)
class Invocation:
    """The response of Invoke."""

    status: int
    result: Result


class Functions:
    """Invokes functions of all regions; thread-safe."""

    def __init__(self, endpoint: str, roles: Roles) -> None:
        self._roles = roles
        self._catalogue: Catalogue | None = None
        self._readers = Readers(endpoint, roles)
        self._fleet = Fleet(endpoint)
        self._events = EventsQueue(self._spec, self._run, roles)

    def serve(self, catalogue: Catalogue) -> None:
        """Invoke these functions."""
        self._catalogue = catalogue

    def invoke(self, region: str, name: str, payload: bytes, kind: str = "RequestResponse") -> Invocation:
        """Run a function, or accept the event. Raises AwsError."""
        spec = self._spec(region, name)
        _check(payload, kind)
        if kind == "DryRun":
            return Invocation(204, Result(b""))
        if kind == "Event":
            self._events.take(region, spec.name, payload or b"{}")
            return Invocation(202, Result(b""))
        try:
            return Invocation(200, self._run(spec, payload or b"{}"))
        except TooManyAtOnce:
            telemetry.measure(spec, {"Throttles": 1.0})
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429) from None

    def deliver(self, region: str, name: str, event: Mapping[str, Any] | bytes) -> None:
        """Accept an event of another service, which is retried while the function is not ready."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._events.take(region, name, payload)

    def allows(self, region: str, name: str, principal: str, source: str) -> bool:
        """Whether the function's resource policy allows a service to invoke it on behalf of a source."""
        found = self._functions.statements(region, name)
        return any(policies.lets_call(statement, principal, source, accounts.current()) for statement in found)

    def retire(self, place: Place | None = None) -> None:
        """A function, or each of them, was deleted."""
        self._fleet.retire(place)

    def count(self) -> int:
        """The number of execution environments."""
        return self._fleet.count()

    def stop(self) -> None:
        """Stop all environments; waiting events are dropped."""
        self._events.close()
        self._fleet.stop()
        self._events.join()

    @property
    def _functions(self) -> Catalogue:
        assert self._catalogue is not None, "it is set before the first call"  # noqa: S101 - for the type checker
        return self._catalogue

    def _spec(self, region: str, name: str) -> FunctionSpec:
        return self._functions.spec(region, name)

    def _run(self, spec: FunctionSpec, payload: bytes) -> Result:
        """Raises AwsError and TooManyAtOnce."""
        if not spec.runtime.startswith("python"):
            raise AwsError("NotEmulated", f"The lab runs Python functions, and {spec.name} is in {spec.runtime}.")
        read: Callable[..., Any] = partial(self._readers.get, spec.region, spec.role)
        try:
            result, stream = self._fleet.run(spec, payload, read)
        except Stopped:
            raise AwsError("ServiceException", "The lab has stopped.", 500) from None
        telemetry.record(spec, stream, result, self._roles)
        return result


def _check(payload: bytes, kind: str) -> None:
    """The payload is valid JSON of limited length."""
    if kind == "Event" and len(payload) > LARGEST_EVENT:
        text = f"{len(payload)} byte payload is too large for the Event invocation type (limit {LARGEST_EVENT} bytes)"
        raise AwsError("RequestEntityTooLargeException", text, 413)
    if len(payload) > LARGEST_PAYLOAD:
        text = f"Request must be smaller than {LARGEST_PAYLOAD} bytes for the InvokeFunction operation"
        raise AwsError("RequestEntityTooLargeException", text, 413)
    if kind not in ("RequestResponse", "Event", "DryRun"):
        text = f"Value '{kind}' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set"
        raise AwsError("ValidationException", f"1 validation error detected: {text}")
    try:
        json.loads(payload or b"{}")
    except ValueError as error:
        raise AwsError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}", 400
        ) from None
