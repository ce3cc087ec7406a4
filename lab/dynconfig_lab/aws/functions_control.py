"""Lambda's control plane as AWS has it: layers of AWS, states that take time, roles that IAM makes known late, refusals.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import lambda_backends
from moto.iam.models import iam_backends

from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import ACCOUNT, Call

Document = dict[str, Any]
Forward = Callable[[Document], Answer]

PENDING_SECONDS = 0.3
ROLE_SECONDS = 0.5
ENVIRONMENT_BYTES = 4096

_EXTENSION = re.compile(
    r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):\d{12}:layer:AWS-Parameters-and-Secrets-Lambda-Extension(-Arm64)?:\d+"
)
_RESERVED = re.compile(r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(?!.*_HOOK).*|LAMBDA_(TASK_ROOT|RUNTIME_DIR)")
_BLOCKED = re.compile(r"python(2\.7|3\.[67])")
_KEPT = ("DeadLetterConfig", "TracingConfig", "LoggingConfig", "KMSKeyArn", "EphemeralStorage")


@dataclass
class Extra:
    """What moto does not keep of a function."""

    layers: list[str] = field(default_factory=list)
    kept: Document = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = float("-inf")
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))


class FunctionsControl:
    """Answers Lambda's control plane; invocations are not its business."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._extras: dict[tuple[str, str], Extra] = {}
        self._roles: dict[str, float] = {}

    def clear(self) -> None:
        """Forget all functions."""
        self._extras.clear()
        self._roles.clear()

    def role_written(self, name: str) -> None:
        """A role was created; Lambda hears of it a moment later."""
        self._roles[name.lower()] = self._clock()

    def handle(self, call: Call, path: str, body: bytes, forward: Forward) -> Answer:
        """The answer to a call of the control plane."""
        request: Document = json.loads(body or b"{}")
        name = request.get("FunctionName") or _name(path)
        verb = getattr(self, f"_{call.operation}", None)
        if verb is None:
            return self._dressed(call, name, forward(request))
        answer: Answer = verb(call, name, request, forward)
        return answer

    def _CreateFunction(self, call: Call, name: str, request: Document, forward: Forward) -> Answer:  # noqa: N802
        if len(name) > 64:
            raise _refused("1 validation error detected: functionName must have length less than or equal to 64")
        self._check(call, request)
        extra = Extra(list(request.get("Layers", [])), _kept(request), self._clock())
        answer = forward({**request, "Layers": []})
        if answer.is_success:
            self._extras[call.region, name] = extra
        return self._dressed(call, name, answer)

    def _UpdateFunctionConfiguration(self, call: Call, name: str, request: Document, forward: Forward) -> Answer:  # noqa: N802
        self._refuse_busy(call, name)
        self._check(call, request)
        layers = request.pop("Layers", None)
        answer = forward(request)
        extra = self._extras.get((call.region, name))
        if answer.is_success and extra is not None:
            extra.layers = extra.layers if layers is None else layers
            extra.kept.update(_kept(request))
            extra.updated_at = self._clock()
        return self._dressed(call, name, answer)

    def _UpdateFunctionCode(self, call: Call, name: str, request: Document, forward: Forward) -> Answer:  # noqa: N802
        self._refuse_busy(call, name)
        answer = forward(request)
        extra = self._extras.get((call.region, name))
        if answer.is_success and extra is not None and not request.get("DryRun"):
            if request.get("Architectures"):
                lambda_backends[ACCOUNT][call.region].get_function(name).architectures = request["Architectures"]
            extra.updated_at = self._clock()
        return self._dressed(call, name, answer)

    def _DeleteFunction(self, call: Call, name: str, request: Document, forward: Forward) -> Answer:  # noqa: N802
        answer = forward(request)
        if answer.is_success:
            self._extras.pop((call.region, name), None)
        return answer

    def _AddPermission(self, call: Call, name: str, request: Document, forward: Forward) -> Answer:  # noqa: N802
        statement = request.get("StatementId", "")
        if statement in self._statements(call.region, name):
            text = (
                f"The statement id ({statement}) provided already exists. Please provide a new statement id, or remove the "
                "existing statement."
            )
            raise AwsError("ResourceConflictException", text, 409)
        return forward(request)

    def _PutFunctionEventInvokeConfig(self, call: Call, name: str, request: Document, forward: Forward) -> Answer:  # noqa: N802
        answer = forward(request)
        if answer.is_success:
            # Moto keeps every configuration, and answers the first.
            found = lambda_backends[ACCOUNT][call.region].get_function(name)
            del found.event_invoke_config[:-1]
        return answer

    def _statements(self, region: str, name: str) -> list[str]:
        try:
            function = lambda_backends[ACCOUNT][region].get_function(name)
        except LambdaClientError:
            return []
        return [str(statement.get("Sid")) for statement in function.policy.statements]

    def _check(self, call: Call, request: Document) -> None:
        _check_layers(request.get("Layers", []), call.region)
        _check_environment(request.get("Environment", {}).get("Variables", {}))
        if _BLOCKED.fullmatch(request.get("Runtime", "")):
            raise _refused(
                f"The runtime parameter of {request['Runtime']} is no longer supported for creating or updating AWS "
                "Lambda functions."
            )
        if "Role" in request:
            self._check_role(request["Role"].rpartition("/")[2])

    def _check_role(self, name: str) -> None:
        role = next((item for item in iam_backends[ACCOUNT]["aws"].roles.values() if item.name == name), None)
        is_fresh = self._clock() - self._roles.get(name.lower(), float("-inf")) < ROLE_SECONDS
        if role is None or is_fresh or "lambda.amazonaws.com" not in str(role.assume_role_policy_document):
            raise _refused("The role defined for the function cannot be assumed by Lambda.")

    def _refuse_busy(self, call: Call, name: str) -> None:
        extra = self._extras.get((call.region, name))
        if extra is not None and self._state(extra) != ("Active", "Successful"):
            arn = f"arn:aws:lambda:{call.region}:{ACCOUNT}:function:{name}"
            text = f"The operation cannot be performed at this time. An update is in progress for resource: {arn}"
            raise AwsError("ResourceConflictException", text, 409)

    def _state(self, extra: Extra) -> tuple[str, str]:
        now = self._clock()
        state = "Pending" if now - extra.created_at < PENDING_SECONDS else "Active"
        return state, "InProgress" if now - extra.updated_at < PENDING_SECONDS else "Successful"

    def _dressed(self, call: Call, name: str, answer: Answer) -> Answer:
        """The answer with what moto does not keep."""
        extra = self._extras.get((call.region, name))
        if extra is None or not answer.is_success or not answer.body:
            return answer
        document = answer.document()
        about = document.get("Configuration", document)
        if "FunctionArn" not in about or "CodeSha256" not in about:
            return answer
        state, update = self._state(extra)
        about.update(
            {**extra.kept, "State": state, "RevisionId": f"{extra.revision[:-8]}{int(extra.updated_at > 0):08}"}
        )
        about.update({"LastUpdateStatus": update} if state == "Active" else {"StateReasonCode": "Creating"})
        if state == "Pending":
            about["StateReason"] = "The function is being created."
            about.pop("LastUpdateStatus", None)
        about.pop("Layers", None)
        if extra.layers:
            about["Layers"] = [{"Arn": arn, "CodeSize": 1} for arn in extra.layers]
        return Answer(answer.status, answer.headers, json.dumps(document).encode())

    def layers(self, region: str, name: str) -> tuple[str, ...]:
        """The layers of a function, as they were given."""
        extra = self._extras.get((region, name))
        return tuple(extra.layers) if extra else ()

    def is_active(self, region: str, name: str) -> bool:
        """Whether a function can be invoked."""
        extra = self._extras.get((region, name))
        return extra is None or self._state(extra)[0] == "Active"


def _check_layers(layers: list[str], region: str) -> None:
    if len(layers) > 5:
        raise _refused("Cannot reference more than 5 layers.")
    names = [arn.rpartition(":")[0] for arn in layers]
    if len(set(names)) < len(names):
        raise _refused(
            "Two different versions of the same layer are not allowed to be referenced in the same function."
        )
    for arn in layers:
        found = _EXTENSION.fullmatch(arn)
        if found is None:
            raise _refused("Layer version ARN does not exist.")
        if found["region"] != region:
            raise _refused(
                f"Layers are not in the same region as the function. Layers are expected to be in region {region}."
            )


def _check_environment(variables: Mapping[str, str]) -> None:
    reserved = sorted(name for name in variables if _RESERVED.fullmatch(name))
    if reserved:
        raise _refused(
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            "contains reserved keys that are currently not supported for modification. Reserved keys used in this "
            f"request: {', '.join(reserved)}"
        )
    text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > ENVIRONMENT_BYTES:
        raise _refused(
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            f"exceeded the 4KB limit. String measured: {text}"
        )


def _kept(request: Mapping[str, Any]) -> Document:
    return {name: request[name] for name in _KEPT if name in request}


def _name(path: str) -> str:
    """The function's bare name in a path such as /2015-03-31/functions/NAME/policy."""
    parts = path.split("/")
    return unquote(parts[3]).rpartition(":")[2] if len(parts) > 3 else ""


def _refused(text: str) -> AwsError:
    return AwsError("InvalidParameterValueException", text)
