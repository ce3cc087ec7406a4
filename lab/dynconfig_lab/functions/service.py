"""Lambda's Invoke over the functions that moto keeps: at once, or by the queue of asynchronous events.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

import fnmatch
import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.sqs.models import sqs_backends

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.functions import telemetry
from dynconfig_lab.functions.extension import GetParameter
from dynconfig_lab.functions.fleet import Fleet
from dynconfig_lab.functions.spec import FunctionSpec, Result

log = logging.getLogger(__name__)

LARGEST_PAYLOAD = 6 * 1024 * 1024
RETRIES = 2
# AWS waits one minute, then two.
RETRY_SECONDS = 0.2
EXTENSION = ":layer:AWS-Parameters-and-Secrets-Lambda-Extension"


@dataclass(frozen=True)
class Invocation:
    """What Invoke answers."""

    status: int
    result: Result


class Functions:
    """Invokes functions of all regions; safe for threads."""

    def __init__(self, endpoint: str, layers: Callable[[str, str], tuple[str, ...]]) -> None:
        self._endpoint = endpoint
        self._layers = layers
        self._fleet = Fleet(endpoint)
        self._queue = ThreadPoolExecutor(4, thread_name_prefix="asynchronous")
        self._stopped = threading.Event()
        self._getters: dict[str, GetParameter] = {}
        self._lock = threading.Lock()

    def invoke(self, region: str, name: str, payload: bytes, kind: str = "RequestResponse") -> Invocation:
        """Run a function, or take in the event. Raises AwsError."""
        spec = self.spec(region, name)
        if len(payload) > LARGEST_PAYLOAD:
            text = f"Request must be smaller than {LARGEST_PAYLOAD} bytes for the InvokeFunction operation"
            raise AwsError("RequestEntityTooLargeException", text, 413)
        if kind == "DryRun":
            return Invocation(204, Result(b""))
        if kind == "Event":
            self._queue.submit(self._handle, region, name, payload)
            return Invocation(202, Result(b""))
        return Invocation(200, self._run(spec, payload or b"{}"))

    def spec(self, region: str, name: str) -> FunctionSpec:
        """The function as it is now. Raises AwsError where there is none."""
        bare = name.rpartition("function:")[2].partition(":")[0]
        try:
            found: Any = lambda_backends[ACCOUNT][region].get_function(bare)
        except LambdaClientError:
            arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{bare}"
            raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404) from None
        return FunctionSpec(
            region=region,
            name=bare,
            arn=found.function_arn,
            handler=found.handler,
            code=found.code_bytes,
            code_sha256=found.code_sha_256,
            environment=dict(found.environment_vars or {}),
            timeout=int(found.timeout),
            memory=int(found.memory_size),
            has_extension=any(EXTENSION in arn for arn in self._layers(region, bare)),
        )

    def allows(self, region: str, name: str, principal: str, source: str) -> bool:
        """Whether the function's resource policy lets a service call it on behalf of a source."""
        try:
            found: Any = lambda_backends[ACCOUNT][region].get_function(name.rpartition("function:")[2])
        except LambdaClientError:
            return False
        return any(_allows(statement, principal, source) for statement in found.policy.statements)

    def stop(self) -> None:
        """End all environments; events that wait are dropped."""
        self._stopped.set()
        self._queue.shutdown(wait=False, cancel_futures=True)
        self._fleet.stop()
        self._queue.shutdown()

    def _run(self, spec: FunctionSpec, payload: bytes) -> Result:
        result, stream = self._fleet.run(spec, payload, self._getter(spec.region))
        telemetry.record(spec, stream, result)
        return result

    def _handle(self, region: str, name: str, payload: bytes) -> None:
        """An asynchronous event: tried again twice, then handed to the on-failure destination."""
        for attempt in range(RETRIES + 1):
            if attempt and self._stopped.wait(RETRY_SECONDS * attempt):
                return
            try:
                spec = self.spec(region, name)
                result = self._run(spec, payload or b"{}")
            except (AwsError, OSError) as error:
                log.warning("The event for %s is lost: %s", name, error)
                return
            if result.error is None:
                return
        self._failed(spec, payload, result)

    def _failed(self, spec: FunctionSpec, payload: bytes, result: Result) -> None:
        found: Any = lambda_backends[ACCOUNT][spec.region].get_function(spec.name)
        configured: Mapping[str, Any] = found.event_invoke_config[-1] if found.event_invoke_config else {}
        destination = configured.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if not destination:
            return
        if ":sqs:" not in destination:
            log.warning("Failed events are delivered to SQS queues only; %s gets none", destination)
            return
        try:
            queue = destination.rpartition(":")[2]
            sqs_backends[ACCOUNT][spec.region].send_message(queue, json.dumps(_record(spec, payload, result)))
        except ServiceException as error:
            log.warning("The failed event for %s is lost: %s", spec.name, error)

    def _getter(self, region: str) -> GetParameter:
        with self._lock:
            if region not in self._getters:
                self._getters[region] = _getter(self._endpoint, region)
            return self._getters[region]


def _getter(endpoint: str, region: str) -> GetParameter:
    ssm = boto3.client(
        "ssm",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",  # noqa: S106 - the emulator takes any
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, proxies={}, max_pool_connections=10),
    )

    def get(name: str, decrypt: bool) -> Mapping[str, Any]:
        try:
            return ssm.get_parameter(Name=name, WithDecryption=decrypt)["Parameter"]
        except ClientError as error:
            if error.response["ResponseMetadata"].get("HTTPStatusCode", 500) >= 500:
                raise OSError(str(error)) from None
            raise LookupError(name) from None
        except BotoCoreError as error:
            raise OSError(str(error)) from None

    return get


def _allows(statement: Mapping[str, Any], principal: str, source: str) -> bool:
    named = statement.get("Principal")
    service = named.get("Service") if isinstance(named, dict) else named
    if statement.get("Effect") != "Allow" or service not in (principal, "*"):
        return False
    tests = (test for test in statement.get("Condition", {}).values() if "AWS:SourceArn" in test)
    return all(fnmatch.fnmatchcase(source, str(test["AWS:SourceArn"])) for test in tests)


def _record(spec: FunctionSpec, payload: bytes, result: Result) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"{spec.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": RETRIES + 1,
        },
        "requestPayload": json.loads(payload or b"{}"),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": result.error},
        "responsePayload": json.loads(result.payload or b"null"),
    }
