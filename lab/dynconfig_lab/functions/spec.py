"""A function to run and its result: plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FunctionSpec:
    """A function at one point in time."""

    region: str
    name: str
    arn: str
    serial: str
    """Another one for each write of code or configuration: environments of another serial are not used any more."""
    runtime: str
    role: str
    handler: str
    timeout: int
    memory: int
    has_extension: bool
    environment: Mapping[str, str] = field(repr=False)
    code: bytes = field(repr=False)
    layers: tuple[bytes, ...] = field(default=(), repr=False)
    """The zip files of its own layers, in order."""
    concurrency: int | None = None
    """How many invocations may run at once, where that is reserved."""

    @property
    def place(self) -> tuple[str, str]:
        """The identity of a function, independent of code and configuration."""
        return self.region, self.name

    @property
    def log_group(self) -> str:
        """Its log group."""
        return f"/aws/lambda/{self.name}"


@dataclass(frozen=True)
class Result:
    """The result of an invocation."""

    payload: bytes
    error: str | None = None
    """Unhandled, where the function failed."""
    seconds: float = 0.0
    output: tuple[str, ...] = ()

    @classmethod
    def failed(cls, kind: str, message: str) -> "Result":
        """A failure in Lambda's words."""
        document: dict[str, Any] = {"errorType": kind, "errorMessage": message}
        return cls(json.dumps(document).encode(), "Unhandled")
