"""What a function needs to read its configuration: environment variables and permissions. Pure.

The environment is the contract of `dynconfig_function.settings`, and that of the AWS Parameters and Secrets extension:
https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

import json
from typing import Any

from dynconfig.api.function import FunctionSpec
from dynconfig.api.parameter import ParameterSpec, ParameterType
from dynconfig.api.spec import OnChange
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration

POLICY_NAME = "dynconfig"
PREFIX = "DYNCONFIG_"
"""Only the operator may set variables with this prefix, except to the values that it sets itself."""
PARAMETERS = "DYNCONFIG_PARAMETERS"
REVISION = "DYNCONFIG_REVISION"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ENVIRONMENT_BYTES = 4096
EXTENSION_TTL = 300
EXTENSION_TTL_NAME = "SSM_PARAMETER_STORE_TTL"
# By default the extension waits for Parameter Store without a timeout, and blocks the invocation.
EXTENSION_TIMEOUT_MS = 1500


def environment(declaration: Declaration, function: FunctionSpec) -> dict[str, str]:
    """Return the variables that configure the library and the extension."""
    cache = declaration.cache
    ttls = [cache.ttl_seconds if p.spec.ttl_seconds is None else p.spec.ttl_seconds for p in declaration.parameters]
    return {
        "DYNCONFIG_PREFIX": declaration.path,
        "DYNCONFIG_TTL": str(cache.ttl_seconds),
        "DYNCONFIG_NAME": declaration.owner.title,
        PARAMETERS: declared(declaration),
        EXTENSION_TTL_NAME: str(min([EXTENSION_TTL, *ttls])),
        "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": str(EXTENSION_TIMEOUT_MS),
        "PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE": str(cache.size),
        "PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS": str(function.extension.max_connections),
    }


def declared(declaration: Declaration) -> str:
    """Return the declared parameters as compact JSON for the library; without expired ones, whose reads would fail."""
    expired = set(declaration.expired)
    staying = (parameter for parameter in declaration.parameters if parameter.name not in expired)
    listed = {parameter.spec.name: _declared(parameter.spec) for parameter in staying}
    return json.dumps(listed, sort_keys=True, separators=(",", ":"))


def size(variables: dict[str, str]) -> int:
    """Return the size that Lambda compares with its 4 KB limit: the variables as JSON."""
    return len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode())


def wanted_revision(declaration: Declaration) -> str:
    """Return the revision with onChange: Refresh or after a rollback; a new one replaces all execution environments."""
    is_wanted = declaration.cache.on_change is OnChange.REFRESH or declaration.rolled_back
    return declaration.revision if is_wanted else ""


def statements(declaration: Declaration, arns: Arns) -> list[dict[str, Any]]:
    """Return the IAM statements to read the parameters of this object, with and without the extension."""
    parameters = arns.parameters(declaration.path)
    found: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParameters"], "Resource": parameters}
    ]
    if any(p.spec.resolved_type is ParameterType.SECURE_STRING for p in declaration.parameters):
        found.append(
            {
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": arns.keys(),
                "Condition": {
                    "StringEquals": {"kms:ViaService": arns.via("ssm")},
                    "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": parameters},
                },
            }
        )
    return found


def _declared(spec: ParameterSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if spec.ttl_seconds is not None:
        entry["t"] = spec.ttl_seconds
    if spec.resolved_type is ParameterType.SECURE_STRING or spec.secret_ref is not None:
        entry["s"] = True
    if spec.schema_ is not None:
        # The operator checks both before it writes the value. Python's regex engine differs and may not terminate; a JSON
        # Schema would exceed the 4 KB of the environment.
        unchecked = {"pattern", "json_schema"}
        entry["v"] = spec.schema_.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=unchecked)
    return entry
