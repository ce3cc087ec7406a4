"""Functions and layers in moto's state."""

import re
from typing import Any

from moto.awslambda.models import lambda_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.functions_state import Known
from dynconfig_lab.functions.spec import FunctionSpec

# AWS has published more than a hundred versions; the lab accepts all of them up to this one.
NEWEST_EXTENSION = 120
_EXTENSION = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:layer:AWS-Parameters-and-Secrets-Lambda-Extension(-Arm64)?:(?P<version>\d+)"
)


def stored(region: str, name: str) -> Any:
    """Moto's function, or None."""
    functions = lambda_backends[accounts.current()][region]._lambdas._functions
    return functions[name]["latest"] if name in functions else None


def is_extension(arn: str) -> bool:
    """Whether a layer is the AWS Parameters and Secrets extension."""
    found = _EXTENSION.fullmatch(arn)
    return found is not None and 1 <= int(found["version"]) <= NEWEST_EXTENSION


def layer(arn: str) -> Any:
    """A layer published in the lab, or None."""
    parts = arn.split(":")
    if len(parts) != 8 or parts[4] != accounts.current():
        return None
    return lambda_backends[accounts.current()][parts[3]].layers_versions_by_arn(arn)


def spec(region: str, name: str, known: Known) -> FunctionSpec:
    """The function as it was written last."""
    function = stored(region, name)
    own = (layer(arn) for arn in known.layers)
    return FunctionSpec(
        region=region,
        name=name,
        arn=str(function.function_arn),
        serial=known.serial,
        runtime=str(function.run_time),
        role=str(function.role),
        handler=str(function.handler),
        timeout=int(function.timeout),
        memory=int(function.memory_size),
        has_extension=any(is_extension(arn) for arn in known.layers),
        environment=dict(function.environment_vars or {}),
        code=bytes(function.code_bytes),
        layers=tuple(bytes(found.code_bytes) for found in own if found is not None),
        concurrency=None if function.reserved_concurrency is None else int(function.reserved_concurrency),
    )
