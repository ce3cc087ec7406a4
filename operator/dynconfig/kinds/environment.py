"""A function's environment as Lambda tells of it, which it cannot where its key is out of reach. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html
"""

from collections.abc import Mapping
from typing import Any

from dynconfig.engine.errors import AccessDenied, Conflict


def variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The variables; none where there are none, and where they are not told."""
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def read_error(configuration: Mapping[str, Any]) -> str:
    """Why Lambda does not tell the variables, or an empty text."""
    error = configuration.get("Environment", {}).get("Error")
    return f"{error.get('ErrorCode', '')}: {error.get('Message', '')}" if error else ""


def check_readable(function: str, why: str) -> None:
    """What is not told looks like nothing, and Lambda replaces an environment as a whole: it would be lost."""
    message = f"function {function}: Lambda did not return its environment, so it is not modified ({why})"
    if "AccessDenied" in why:
        raise AccessDenied(f"{message}. Allow the operator's role to use the function's KMS key (kms:Decrypt)")
    if why:
        raise Conflict(f"{message}. Check the function's KMS key")
