"""What Lambda rejects in a function's configuration, code, layers and tags, and moto accepts. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session

from dynconfig_lab.aws import accounts, tag_rules
from dynconfig_lab.aws.answers import AwsError

ENVIRONMENT_BYTES = 4096
ZIP_BYTES = 50 * 1024 * 1024
UNZIPPED_BYTES = 250 * 1024 * 1024
MOST_LAYERS = 5
MOST_TAGS = 50
# The API model allows more, for functions on managed instances.
MOST_MEMORY = 10240
LONGEST_TIMEOUT = 900

ROLE = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
LAYER_VERSION = re.compile(r"arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+")
_NAME = re.compile(r"[a-zA-Z0-9-_]+")
_VARIABLE = re.compile(r"[a-zA-Z]([a-zA-Z0-9_])+")
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_ACCESS_KEY(_ID)?|AWS_SECRET_ACCESS_KEY"
    r"|AWS_SESSION_TOKEN|AWS_LAMBDA_(?!EXEC_WRAPPER$)\w+|LAMBDA_(TASK_ROOT|RUNTIME_DIR)"
)
_BLOCKED = re.compile(r"python(2\.7|3\.[67])")
_ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)


def check_name(name: str) -> None:
    """A plain name has at most 64 characters."""
    if not _NAME.fullmatch(name):
        raise _invalid("functionName", name, f"Member must satisfy regular expression pattern: {_NAME.pattern}")
    if len(name) > 64:
        text = f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
        raise refused(f"{text}Member must have length less than or equal to 64")


def check_configuration(request: Mapping[str, Any]) -> None:
    """All checks of CreateFunction and UpdateFunctionConfiguration that need no other service."""
    _check_runtime(request.get("Runtime"))
    memory, timeout = request.get("MemorySize", 128), request.get("Timeout", 3)
    if memory > MOST_MEMORY:
        text = f"Member must have value less than or equal to {MOST_MEMORY}"
        raise refused(f"'MemorySize' value failed to satisfy constraint: {text}")
    if timeout > LONGEST_TIMEOUT:
        raise _invalid("timeout", str(timeout), f"Member must have value less than or equal to {LONGEST_TIMEOUT}")
    _check_environment(request.get("Environment", {}).get("Variables", {}))
    if "Role" in request and not re.fullmatch(ROLE, request["Role"]):
        raise _invalid("role", request["Role"], f"Member must satisfy regular expression pattern: {ROLE}")


def check_creation(request: Mapping[str, Any]) -> None:
    """Further checks of CreateFunction: the lab supports only zip files in the request."""
    if request.get("PackageType", "Zip") != "Zip" or "ZipFile" not in request.get("Code", {}):
        raise AwsError("NotEmulated", "The lab takes code as Code.ZipFile only.")
    if not request.get("Runtime") or not request.get("Handler"):
        raise refused("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    check_code(request["Code"]["ZipFile"])
    check_tags(request.get("Tags", {}))


def check_code(encoded: str) -> None:
    """The zip file in the request."""
    try:
        content = base64.b64decode(encoded, validate=True)
        if len(content) > ZIP_BYTES:
            raise AwsError("RequestEntityTooLargeException", f"Zipped size must be smaller than {ZIP_BYTES} bytes", 413)
        entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (binascii.Error, zipfile.BadZipFile):
        raise refused("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
    if sum(entry.file_size for entry in entries) > UNZIPPED_BYTES:
        raise refused(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
    if not entries:
        raise refused("Uploaded file must be a non-empty zip")


def check_layers(layers: Sequence[str], region: str, exists: Callable[[str], bool]) -> None:
    """Layers are ordered and unique, and each has to exist."""
    if len(layers) > MOST_LAYERS:
        raise refused(f"Cannot reference more than {MOST_LAYERS} layers.")
    names = [arn.rpartition(":")[0] for arn in layers]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refused(
            "Two different versions of the same layer are not allowed to be referenced in the same function. "
            f"{twice} and {twice}"
        )
    for arn in layers:
        _check_layer(arn, region, exists)


def _check_layer(arn: str, region: str, exists: Callable[[str], bool]) -> None:
    if not LAYER_VERSION.fullmatch(arn):
        # Recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json, TestLambdaLayer.
        text = f"Member must satisfy regular expression pattern: {LAYER_VERSION.pattern}"
        raise _invalid("layers", f"[{arn}]", f"Member must satisfy constraint: [{text}]")
    if arn.split(":")[4] != accounts.current() and not (f":{region}:" in arn and exists(arn)):
        # As users report it; also for another region: LocalStack, lambda_/provider.py, after TestLambdaLayer.
        # https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html
        raise AwsError(
            "AccessDeniedException",
            f"User: {accounts.caller().arn} is not authorized to perform: lambda:GetLayerVersion on resource: {arn} "
            "because no resource-based policy allows the lambda:GetLayerVersion action",
            403,
        )
    # Both are recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json, TestLambdaLayer.
    if arn.split(":")[3] != region:
        raise refused(
            f"Layers are not in the same region as the function. Layers are expected to be in region {region}."
        )
    if not exists(arn):
        raise refused(f"Layer version {arn} does not exist.")


def check_tags(tags: Mapping[str, str], present: int = 0) -> None:
    """Raise for invalid tags and for more than fifty."""
    tag_rules.check_map(tags, "ValidationException")
    if len(tags) + present > MOST_TAGS:
        raise refused("Number of tags exceeds resource tag limit.")


def refused(text: str) -> AwsError:
    """Lambda's usual validation error."""
    return AwsError("InvalidParameterValueException", text)


def _check_runtime(runtime: str | None) -> None:
    if runtime is None:
        return
    if _BLOCKED.fullmatch(runtime):
        raise refused(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    if runtime not in _runtimes():
        raise refused(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(_runtimes())}] or be a valid ARN"
        )


@cache
def _runtimes() -> tuple[str, ...]:
    model = botocore.session.get_session().get_service_model("lambda")
    return tuple(model.shape_for("Runtime").metadata["enum"])


def _check_environment(variables: Mapping[str, str]) -> None:
    for name in variables:
        if not _VARIABLE.fullmatch(name) and not _RESERVED.fullmatch(name):
            raise _invalid("environment.variables", name, f"Map keys must satisfy constraint: [{_VARIABLE.pattern}]")
    reserved = sorted(name for name in variables if _RESERVED.fullmatch(name))
    if reserved:
        raise refused(
            f"{_ENVIRONMENT}contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > ENVIRONMENT_BYTES:
        raise refused(f"{_ENVIRONMENT}exceeded the 4KB limit. String measured: {text}")


def _invalid(member: str, value: str, constraint: str) -> AwsError:
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return AwsError("ValidationException", text)
