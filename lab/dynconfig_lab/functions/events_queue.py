"""Lambda's queue of asynchronous events: each is retried if the function fails, and then sent to its destination.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.core.exceptions import ServiceException
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from werkzeug.exceptions import HTTPException

from dynconfig_lab.aws import accounts, functions_store
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.functions_destinations import ACTIONS, service_of
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.functions.fleet import TooManyAtOnce
from dynconfig_lab.functions.later import Later
from dynconfig_lab.functions.spec import FunctionSpec, Result

log = logging.getLogger(__name__)

WORKERS = 4
RETRIES = 2
# AWS waits one minute before the first retry, and two before the second.
RETRY_SECONDS = 0.2
# AWS retries a throttled or unready function for six hours.
READY_SECONDS = 0.1

Spec = Callable[[str, str], FunctionSpec]
Run = Callable[[FunctionSpec, bytes], Result]


@dataclass(frozen=True)
class Event:
    """The payload for a function, and the number of attempts."""

    region: str
    name: str
    payload: bytes
    attempts: int = 0


class EventsQueue:
    """Accepts events at once and processes them in the background; each attempt uses the newest configuration."""

    def __init__(self, spec: Spec, run: Run, roles: Roles) -> None:
        self._spec = spec
        self._run = run
        self._roles = roles
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="asynchronous")
        # A waiting event blocks no worker, so that other functions run.
        self._later = Later()

    def take(self, region: str, name: str, payload: bytes) -> None:
        """Accept an event; after `close` it is dropped."""
        self._submit(Event(region, name, payload))

    def close(self) -> None:
        """Start nothing more; waiting events are dropped."""
        self._later.close()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for running invocations."""
        self._later.join()
        self._workers.shutdown()

    def _submit(self, event: Event) -> None:
        try:
            future = self._workers.submit(self._handle, event)
        except RuntimeError:
            log.warning("The lab ends; an event for %s is dropped", event.name)
            return
        future.add_done_callback(_send_record)

    def _put_back(self, event: Event, seconds: float) -> None:
        self._later.after(seconds, partial(self._submit, event))

    def _handle(self, event: Event) -> None:
        """One attempt; a failed or not yet possible one is put back."""
        try:
            spec = self._spec(event.region, event.name)
            result = self._run(spec, event.payload)
        except TooManyAtOnce:
            self._put_back(event, READY_SECONDS)
            return
        except AwsError as error:
            if error.code == "ResourceConflictException":
                self._put_back(event, READY_SECONDS)
            else:
                log.warning("The event for %s is lost: %s", event.name, error.message)
            return
        self._settle(replace(event, attempts=event.attempts + 1), spec, result)

    def _settle(self, event: Event, spec: FunctionSpec, result: Result) -> None:
        retries, destinations = _configured(spec)
        if result.error is not None and event.attempts <= retries:
            self._put_back(event, RETRY_SECONDS * event.attempts)
            return
        outcome = "OnSuccess" if result.error is None else "OnFailure"
        self._send(spec, destinations.get(outcome, ""), _record(spec, event.payload, result, event.attempts))

    def _send(self, spec: FunctionSpec, destination: str, record: Mapping[str, Any]) -> None:
        if not destination:
            return
        service = service_of(destination)
        if service not in ACTIONS:
            log.warning("The lab delivers to queues, topics and functions; %s gets nothing", destination)
            return
        if not self._roles.allows(spec.role, ACTIONS[service], destination):
            log.warning("The role of %s may not perform %s on %s", spec.name, ACTIONS[service], destination)
            return
        try:
            _SENDERS[service](self, spec.region, destination, record)
        except (ServiceException, HTTPException) as error:
            log.warning("What came of the event for %s is lost: %s", spec.name, error)

    def _to_queue(self, region: str, arn: str, record: Mapping[str, Any]) -> None:
        sqs_backends[accounts.current()][region].send_message(arn.rpartition(":")[2], json.dumps(record))

    def _to_topic(self, region: str, arn: str, record: Mapping[str, Any]) -> None:
        sns_backends[accounts.current()][region].publish(json.dumps(record), arn=arn)

    def _to_function(self, region: str, arn: str, record: Mapping[str, Any]) -> None:
        self.take(region, arn, json.dumps(record).encode())


_SENDERS: dict[str, Callable[[EventsQueue, str, str, Mapping[str, Any]], None]] = {
    "sqs": EventsQueue._to_queue,
    "sns": EventsQueue._to_topic,
    "lambda": EventsQueue._to_function,
}


def _configured(spec: FunctionSpec) -> tuple[int, dict[str, str]]:
    """The number of retries of an event, and its destinations by outcome."""
    function = functions_store.stored(spec.region, spec.name)
    found = function.event_invoke_config[-1].config if function and function.event_invoke_config else {}
    destinations = found.get("DestinationConfig") or {}
    arns = {outcome: str(about.get("Destination") or "") for outcome, about in destinations.items()}
    return int(found.get("MaximumRetryAttempts", RETRIES)), arns


def _record(spec: FunctionSpec, payload: bytes, result: Result, attempts: int) -> dict[str, Any]:
    response = {"statusCode": 200, "executedVersion": "$LATEST"}
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"{spec.arn}:$LATEST",
            "condition": "RetriesExhausted" if result.error else "Success",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(payload),
        "responseContext": {**response, **({"functionError": result.error} if result.error else {})},
        "responsePayload": json.loads(result.payload or b"null"),
    }


def _send_record(future: "Future[None]") -> None:
    """Background failures must be logged."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        log.error("An asynchronous event failed in the lab itself", exc_info=error)
