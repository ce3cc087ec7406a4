"""Between boto3 and AWS: what was asked, and answers that AWS gives and the emulator does not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.kinds.workshop import Workshop

Request = tuple[str, dict[str, Any]]
NO_KEY = "Lambda was unable to decrypt your environment variables because the KMS access was denied."


def _hook(workshop: Workshop, service: str, moment: str, operation: str) -> tuple[Any, str]:
    meta = workshop.aws(service).meta
    return meta.events, f"{moment}.{meta.service_model.service_id.hyphenize()}.{operation}"


@contextmanager
def answers(
    workshop: Workshop, service: str, operation: str, change: Callable[[dict[str, Any]], object]
) -> Iterator[None]:
    """Let every answer to an operation be changed in place."""
    events, name = _hook(workshop, service, "after-call", operation)

    def changed(parsed: dict[str, Any], **_about: Any) -> None:
        if "Error" not in parsed:
            change(parsed)

    events.register(name, changed)
    try:
        yield
    finally:
        events.unregister(name, changed)


def without_environment(code: str) -> Callable[[dict[str, Any]], None]:
    """Leave the environment out of an answer about a function, as Lambda does where its key is out of reach."""

    def changed(answer: dict[str, Any]) -> None:
        answer.get("Configuration", answer)["Environment"] = {"Error": {"ErrorCode": code, "Message": NO_KEY}}

    return changed


@contextmanager
def requests(workshop: Workshop, service: str, *operations: str) -> Iterator[list[Request]]:
    """What these operations were asked, in order."""
    found: list[Request] = []
    registered: list[tuple[Any, str, Callable[..., None]]] = []
    for operation in operations:
        events, name = _hook(workshop, service, "provide-client-params", operation)

        def heard(params: dict[str, Any], operation: str = operation, **_about: Any) -> None:
            found.append((operation, dict(params)))

        events.register(name, heard)
        registered.append((events, name, heard))
    try:
        yield found
    finally:
        for events, name, heard in registered:
            events.unregister(name, heard)
