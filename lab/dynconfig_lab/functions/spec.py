"""What is to be run, and what came of it: plain values."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class FunctionSpec:
    """A function as Lambda has it."""

    region: str
    name: str
    arn: str
    handler: str
    code: bytes
    code_sha256: str
    environment: Mapping[str, str]
    timeout: int
    memory: int
    has_extension: bool

    @cached_property
    def key(self) -> str:
        """It changes when code or configuration does: environments of another key are not used any more."""
        told = [self.handler, self.code_sha256, dict(self.environment), self.timeout, self.memory, self.has_extension]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def log_group(self) -> str:
        """Where its logs go."""
        return f"/aws/lambda/{self.name}"


@dataclass(frozen=True)
class Result:
    """What an invocation answered."""

    payload: bytes
    error: str | None = None
    """Unhandled, where the function failed."""
    is_cold: bool = False
    seconds: float = 0.0
    output: tuple[str, ...] = ()

    @classmethod
    def failed(cls, kind: str, message: str) -> "Result":
        """A failure in the words of Lambda."""
        told: dict[str, Any] = {"errorMessage": message, **({"errorType": kind} if kind else {})}
        return cls(json.dumps(told).encode(), "Unhandled")
