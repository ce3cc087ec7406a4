"""Hooks between boto3 and AWS: record requests, and inject responses that the emulator does not produce."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from tests.kinds.aws_harness import AwsHarness

Request = tuple[str, dict[str, Any]]
NO_KEY = "Lambda was unable to decrypt your environment variables because the KMS access was denied."


def _hook(harness: AwsHarness, service: str, moment: str, operation: str) -> tuple[Any, str]:
    meta = harness.aws(service).meta
    return meta.events, f"{moment}.{meta.service_model.service_id.hyphenize()}.{operation}"


@contextmanager
def answers(
    harness: AwsHarness, service: str, operation: str, change: Callable[[dict[str, Any]], object]
) -> Iterator[None]:
    """Modify every response to an operation in place."""
    events, name = _hook(harness, service, "after-call", operation)

    def changed(parsed: dict[str, Any], **_about: Any) -> None:
        if "Error" not in parsed:
            change(parsed)

    events.register(name, changed)
    try:
        yield
    finally:
        events.unregister(name, changed)


def without_environment(code: str) -> Callable[[dict[str, Any]], None]:
    """Remove the environment from a function response, as Lambda does if the KMS key is not accessible."""

    def changed(answer: dict[str, Any]) -> None:
        answer.get("Configuration", answer)["Environment"] = {"Error": {"ErrorCode": code, "Message": NO_KEY}}

    return changed


@contextmanager
def requests(harness: AwsHarness, service: str, *operations: str) -> Iterator[list[Request]]:
    """The requests of these operations, in order."""
    found: list[Request] = []
    registered: list[tuple[Any, str, Callable[..., None]]] = []
    for operation in operations:
        events, name = _hook(harness, service, "provide-client-params", operation)

        def record(params: dict[str, Any], operation: str = operation, **_about: Any) -> None:
            found.append((operation, dict(params)))

        events.register(name, record)
        registered.append((events, name, record))
    try:
        yield found
    finally:
        for events, name, record in registered:
            events.unregister(name, record)


@contextmanager
def denied(harness: AwsHarness, operation: str, *names: str) -> Iterator[list[str]]:
    """Deny an SSM operation on these names, like an IAM policy with a path; return the bodies of all its requests.

    A batch that contains one of them is denied completely.
    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html
    """
    events, hook = _hook(harness, "ssm", "before-call", operation)
    bodies: list[str] = []
    message = f"User: arn:aws:iam::123456789012:user/lab is not authorized to perform: ssm:{operation}"
    answer = {"Error": {"Code": "AccessDeniedException", "Message": message}, "ResponseMetadata": {}}

    def asked(params: dict[str, Any], **_about: Any) -> tuple[Any, dict[str, Any]] | None:
        body = params["body"].decode()
        bodies.append(body)
        is_denied = any(f'"{name}"' in body or f'"{name}:' in body for name in names)
        return (AWSResponse("", 400, HTTPHeaders(), None), answer) if is_denied else None

    events.register(hook, asked)
    try:
        yield bodies
    finally:
        events.unregister(hook, asked)
