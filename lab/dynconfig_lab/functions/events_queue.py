"""Lambda's queue of asynchronous events: each is tried again where the function fails, and then sent to its destination.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from werkzeug.exceptions import HTTPException

from dynconfig_lab.aws import functions_store
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.aws.functions_destinations import ACTIONS, service_of
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.functions.fleet import TooManyAtOnce
from dynconfig_lab.functions.spec import FunctionSpec, Result

log = logging.getLogger(__name__)

WORKERS = 4
RETRIES = 2
# AWS waits one minute before the second try, and two before the third.
RETRY_SECONDS = 0.2
# A function that is not ready or throttled is tried again for six hours in AWS.
READY_SECONDS = 0.1

Spec = Callable[[str, str], FunctionSpec]
Run = Callable[[FunctionSpec, bytes], Result]


class EventsQueue:
    """Takes events at once and carries them out beside; the newest configuration counts at each try."""

    def __init__(self, spec: Spec, run: Run, roles: Roles) -> None:
        self._spec = spec
        self._run = run
        self._roles = roles
        self._closed = threading.Event()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="asynchronous")

    def take(self, region: str, name: str, payload: bytes) -> None:
        """Take in an event; after the end it is dropped."""
        try:
            future = self._workers.submit(self._handle, region, name, payload)
        except RuntimeError:
            log.warning("The lab ends; an event for %s is dropped", name)
            return
        future.add_done_callback(_tell)

    def close(self) -> None:
        """Begin nothing more; events that wait are dropped."""
        self._closed.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for what goes on."""
        self._workers.shutdown()

    def _handle(self, region: str, name: str, payload: bytes) -> None:
        attempts = 0
        while True:
            found = self._ready(region, name, payload)
            if found is None:
                return
            spec, result = found
            attempts += 1
            retries, destinations = _configured(spec)
            if result.error is None or attempts > retries:
                break
            if self._closed.wait(RETRY_SECONDS * attempts):
                return
        outcome = "OnSuccess" if result.error is None else "OnFailure"
        self._send(spec, destinations.get(outcome, ""), _record(spec, payload, result, attempts))

    def _ready(self, region: str, name: str, payload: bytes) -> tuple[FunctionSpec, Result] | None:
        """What came of one try, as soon as the function takes it; None where it never will."""
        while not self._closed.is_set():
            try:
                spec = self._spec(region, name)
                return spec, self._run(spec, payload)
            except TooManyAtOnce:
                self._closed.wait(READY_SECONDS)
            except AwsError as error:
                if error.code != "ResourceConflictException":
                    log.warning("The event for %s is lost: %s", name, error.message)
                    return None
                self._closed.wait(READY_SECONDS)
        return None

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
        sqs_backends[ACCOUNT][region].send_message(arn.rpartition(":")[2], json.dumps(record))

    def _to_topic(self, region: str, arn: str, record: Mapping[str, Any]) -> None:
        sns_backends[ACCOUNT][region].publish(json.dumps(record), arn=arn)

    def _to_function(self, region: str, arn: str, record: Mapping[str, Any]) -> None:
        self.take(region, arn, json.dumps(record).encode())


_SENDERS: dict[str, Callable[[EventsQueue, str, str, Mapping[str, Any]], None]] = {
    "sqs": EventsQueue._to_queue,
    "sns": EventsQueue._to_topic,
    "lambda": EventsQueue._to_function,
}


def _configured(spec: FunctionSpec) -> tuple[int, dict[str, str]]:
    """How often an event is tried again, and its destinations by outcome."""
    function = functions_store.stored(spec.region, spec.name)
    found = function.event_invoke_config[-1].config if function and function.event_invoke_config else {}
    destinations = found.get("DestinationConfig") or {}
    told = {outcome: str(about.get("Destination") or "") for outcome, about in destinations.items()}
    return int(found.get("MaximumRetryAttempts", RETRIES)), told


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


def _tell(future: "Future[None]") -> None:
    """What nobody waits for must not fail unheard."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        log.error("An asynchronous event failed in the lab itself", exc_info=error)
