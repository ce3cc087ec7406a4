"""A function's execution environment: environment variables, a clock that the test moves, Parameter Store, output."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from tests.lambda_app.extension_server import TOKEN, ExtensionServer

from dynconfig_function.fallback import Fallback
from dynconfig_function.handler import handle
from dynconfig_function.library import Library

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_ssm import SSMClient

PREFIX = "/myapp/config"
PASSWORD = "correct-horse-battery"
HOST = "db.shop.internal"

RECIPE: dict[str, tuple[str, str]] = {
    "database/host": ("String", HOST),
    "database/port": ("String", "5432"),
    "api/timeout": ("String", "30"),
    "features/new-ui": ("String", "true"),
    "database/password": ("SecureString", PASSWORD),
}
DECLARED: dict[str, dict[str, object]] = {
    "database/host": {},
    "database/port": {"t": 3600, "v": {"type": "integer", "minimum": 1, "maximum": 65535}},
    "api/timeout": {"t": 60},
    "features/new-ui": {},
    "database/password": {"s": True},
}


@dataclass
class Context:
    """The context that Lambda passes to the handler."""

    aws_request_id: str = "request-1"


class Clock:
    """A manual clock."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Output:
    """What was written to standard output, line by line."""

    lines: list[dict[str, Any]]
    text: str = field(repr=False)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "_aws" in line]

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "_aws" not in line]

    def counts(self) -> dict[str, int]:
        """The metrics of the one line that was written."""
        (line,) = self.metrics
        return {metric["Name"]: line[metric["Name"]] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def output(captured: "pytest.CaptureFixture[str]") -> Output:
    """The output since the last call."""
    text = captured.readouterr().out
    return Output([json.loads(line) for line in text.splitlines()], text)


class FunctionHarness:
    """One execution environment with the recipe's parameters behind it."""

    def __init__(self, extension: ExtensionServer, ssm: "SSMClient") -> None:
        self.extension = extension
        self.clock = Clock()
        extension.now = self.clock
        self.ssm = ssm
        self.direct: list[list[str]] = []
        self.ssm.meta.events.register("provide-client-params.ssm.GetParameters", self._note)
        self.environment = {
            "AWS_LAMBDA_FUNCTION_NAME": "myapp-config",
            "AWS_SESSION_TOKEN": TOKEN,
            "DYNCONFIG_PREFIX": PREFIX,
            "DYNCONFIG_NAME": "shop/myapp",
            "DYNCONFIG_REVISION": "7",
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(extension.port),
        }
        for name, (kind, value) in RECIPE.items():
            self.put(name, value, kind)
        self.library = self._environment_of(DECLARED, 2.0)

    def close(self) -> None:
        """Clean up."""
        self.ssm.meta.events.unregister("provide-client-params.ssm.GetParameters", self._note)
        self.library.close()

    def put(self, name: str, value: str, kind: str = "String") -> None:
        """Write a parameter, for the extension and for direct calls alike."""
        full = f"{PREFIX}/{name}"
        answer = self.ssm.put_parameter(Name=full, Value=value, Type=kind, Overwrite=True)  # type: ignore[arg-type]
        self.extension.stored[full] = (kind, value, answer["Version"])

    def delete(self, name: str) -> None:
        """Delete a parameter without an event."""
        self.ssm.delete_parameter(Name=f"{PREFIX}/{name}")
        del self.extension.stored[f"{PREFIX}/{name}"]

    def restart(
        self, declared: Mapping[str, Mapping[str, object]] = DECLARED, timeout: float = 2.0, **environment: str
    ) -> Library:
        """A fresh execution environment."""
        self.environment |= environment
        self.library.close()
        self.library = self._environment_of(declared, timeout)
        return self.library

    def invoke(self, event: object = None) -> dict[str, Any]:
        """One invocation of the handler."""
        return handle(self.library, event, Context())

    @contextmanager
    def aws_fails(self, failure: Callable[..., Any]) -> Iterator[None]:
        """Make every GetParameters call fail this way."""
        events = self.ssm.meta.events
        events.register("before-call.ssm.GetParameters", failure)
        try:
            yield
        finally:
            events.unregister("before-call.ssm.GetParameters", failure)

    @property
    def reads(self) -> list[str]:
        """Relative names that the extension was asked for."""
        return [name.removeprefix(PREFIX + "/") for name in self.extension.asked]

    def _environment_of(self, declared: Mapping[str, Mapping[str, object]], timeout: float) -> Library:
        self.environment |= {"DYNCONFIG_PARAMETERS": json.dumps(declared)}
        return Library(self.environment, self.clock, lambda: Fallback(self.ssm), timeout)

    def _note(self, params: Mapping[str, list[str]], **_rest: object) -> None:
        self.direct.append([name.removeprefix(PREFIX + "/") for name in params["Names"]])


def refusal(code: str, status: int = 400) -> Callable[..., Any]:
    """An AWS error response."""
    document = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return lambda **_rest: (AWSResponse("", status, HTTPHeaders(), None), document)
