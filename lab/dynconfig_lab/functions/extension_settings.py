"""The environment variables of the AWS Parameters and Secrets extension: their ranges and defaults.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_TTL = 300
LARGEST_CACHE = 1000
LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "NONE")
_UNBOUNDED = 2**31


class BadSettings(ValueError):
    """An environment variable of the extension is out of its range."""


@dataclass(frozen=True)
class Settings:
    """The settings of the extension."""

    ttl: int = LONGEST_TTL
    """Seconds; 0 bypasses the cache."""
    size: int = LARGEST_CACHE
    """Items; 0 bypasses the cache."""
    timeout: float | None = None
    """Timeout of one Parameter Store call in seconds; None: no timeout."""
    connections: int = 3
    """How many calls of Parameter Store go on at once."""
    level: str = "INFO"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises BadSettings, naming the variable."""
        prefix = "PARAMETERS_SECRETS_EXTENSION"
        enabled = _choice(environment, f"{prefix}_CACHE_ENABLED", "TRUE", ("TRUE", "FALSE")) == "TRUE"
        ttl = _number(environment, "SSM_PARAMETER_STORE_TTL", LONGEST_TTL, highest=LONGEST_TTL)
        # The lab serves the extension on a port of its own choice, but an invalid value is still an error.
        _number(environment, f"{prefix}_HTTP_PORT", 2773, lowest=1, highest=65535)
        millis = _number(environment, "SSM_PARAMETER_STORE_TIMEOUT_MILLIS", 0)
        return cls(
            ttl=ttl if enabled else 0,
            size=_number(environment, f"{prefix}_CACHE_SIZE", LARGEST_CACHE, highest=LARGEST_CACHE),
            timeout=millis / 1000 if millis else None,
            connections=_number(environment, f"{prefix}_MAX_CONNECTIONS", 3, lowest=1),
            level=_choice(environment, f"{prefix}_LOG_LEVEL", "INFO", LEVELS),
        )


def _number(
    environment: Mapping[str, str], name: str, default: int, *, lowest: int = 0, highest: int = _UNBOUNDED
) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        reach = f"from {lowest} to {highest}" if highest < _UNBOUNDED else f"of {lowest} or more"
        raise BadSettings(f"{name} has to be a whole number {reach}")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    found = environment.get(name, default).upper()
    if found not in choices:
        raise BadSettings(f"{name} has to be one of {', '.join(choices)}")
    return found
