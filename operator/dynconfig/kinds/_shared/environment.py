"""The environment in Lambda's responses, which may lack it if the KMS key is not accessible. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html
"""

from collections.abc import Mapping
from typing import Any

from dynconfig.model.errors import AccessDenied, Conflict


def variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables; empty if there are none or Lambda did not return them."""
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def read_error(configuration: Mapping[str, Any]) -> str:
    """Return why Lambda did not return the variables, or an empty string."""
    error = configuration.get("Environment", {}).get("Error")
    return f"{error.get('ErrorCode', '')}: {error.get('Message', '')}" if error else ""


def check_readable(function: str, why: str) -> None:
    """Raise if Lambda did not return the environment: an update replaces all of it, so the variables would be lost."""
    message = f"function {function}: Lambda did not return its environment, so it is not modified ({why})"
    if "AccessDenied" in why:
        raise AccessDenied(f"{message}. Allow the operator's role to use the function's KMS key (kms:Decrypt)")
    if why:
        raise Conflict(f"{message}. Check the function's KMS key")
