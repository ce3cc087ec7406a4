"""The state of a function that moto does not store: pending updates, revisions, layers, the served version.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.functions_names import arn_of
from dynconfig_lab.functions.spec import FunctionSpec

Document = dict[str, Any]

KEPT = ("DeadLetterConfig", "TracingConfig", "LoggingConfig", "KMSKeyArn", "EphemeralStorage")


@dataclass(frozen=True)
class Write:
    """Start time and duration of a write."""

    at: float
    seconds: float


@dataclass(frozen=True)
class Known:
    """The state of one function since its last write."""

    created: Write
    updated: Write | None = None
    serial: str = field(default_factory=lambda: uuid.uuid4().hex)
    layers: tuple[str, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)
    tagged: int = 0
    """How often its tags changed: each time its revision does, and its environments are kept."""
    before: FunctionSpec | None = field(default=None, repr=False)
    """The response until the last write is carried out."""


class FunctionStates:
    """All functions of all regions, and the clock by which their writes finish."""

    def __init__(self, clock: Callable[[], float], settle_seconds: Callable[[], float]) -> None:
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._known: dict[tuple[str, str], Known] = {}

    def clear(self) -> None:
        """Forget all functions."""
        self._known.clear()

    def get(self, region: str, name: str) -> Known | None:
        """The state, or None if there is no such function."""
        return self._known.get((region, name))

    def created(self, region: str, name: str, layers: tuple[str, ...], kept: Mapping[str, Any]) -> None:
        """Record that a function was created."""
        self._known[region, name] = Known(self._write(), layers=layers, kept=kept)

    def updated(
        self,
        region: str,
        name: str,
        before: FunctionSpec,
        layers: tuple[str, ...] | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a write of code or configuration; `before` is served until it is carried out."""
        known = self._known[region, name]
        self._known[region, name] = replace(
            known,
            updated=self._write(),
            serial=uuid.uuid4().hex,
            layers=known.layers if layers is None else layers,
            kept={**known.kept, **(kept or {})},
            before=before,
        )

    def tagged(self, region: str, name: str) -> None:
        """Record a change of tags, which changes the revision.

        Recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json, TestLambdaTags and
        test_function_revisions_basic.
        """
        known = self._known[region, name]
        self._known[region, name] = replace(known, tagged=known.tagged + 1)

    def deleted(self, region: str, name: str) -> None:
        """Record that a function was deleted."""
        self._known.pop((region, name), None)

    def is_pending(self, known: Known) -> bool:
        """Whether the function is being created."""
        return self._in_progress(known.created)

    def is_updating(self, known: Known) -> bool:
        """Whether its last write is in progress."""
        return known.updated is not None and self._in_progress(known.updated)

    def refuse_busy(self, region: str, name: str) -> None:
        """Only one write at a time is allowed: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html."""
        known = self.get(region, name)
        if known is None:
            return
        if self.is_pending(known):
            raise _conflict("The function is currently in the following state: Pending")
        if self.is_updating(known):
            raise _conflict(f"An update is in progress for resource: {arn_of(region, name)}")

    def refuse_pending(self, region: str, name: str) -> None:
        """A function that is being created cannot be invoked: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html."""
        known = self.get(region, name)
        if known is not None and self.is_pending(known):
            raise _conflict("The function is currently in the following state: Pending")

    def check_revision(self, region: str, name: str, wanted: str | None) -> None:
        """Reject an outdated revision.

        Recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json,
        test_function_revisions_basic.
        """
        known = self.get(region, name)
        if wanted and known is not None and wanted != self.revision(known):
            text = (
                "The Revision Id provided does not match the latest Revision Id. Call the "
                "GetFunction/GetAlias API to retrieve the latest Revision Id"
            )
            raise AwsError("PreconditionFailedException", text, 412)

    def revision(self, known: Known) -> str:
        """The revision changes after each write and each change of tags, and again when a write finishes."""
        is_settled = not self.is_pending(known) and not self.is_updating(known)
        state = "settled" if is_settled else "at work"
        return str(uuid.uuid5(uuid.UUID(known.serial), f"{state} {known.tagged}"))

    def dress(self, known: Known, about: Document) -> Document:
        """A function's configuration in Lambda's format, from moto's."""
        found = {name: value for name, value in about.items() if value is not None} | dict(known.kept)
        name = str(found["FunctionName"])
        found["LoggingConfig"] = {
            "LogFormat": "Text",
            "LogGroup": f"/aws/lambda/{name}",
            **found.get("LoggingConfig", {}),
        }
        found["LastModified"] = f"{str(found['LastModified'])[:23]}+0000"
        found["RevisionId"] = self.revision(known)
        arn = f"arn:aws:lambda:{found['FunctionArn'].split(':')[3]}::runtime:{'0' * 64}"
        found["RuntimeVersionConfig"] = {"RuntimeVersionArn": arn}
        found["Layers"] = [{"Arn": layer, "CodeSize": 1} for layer in known.layers]
        return {key: value for key, value in (found | self._states(known)).items() if value not in ({}, [], None)}

    def _write(self) -> Write:
        return Write(self._clock(), self._settle_seconds())

    def _in_progress(self, write: Write) -> bool:
        # A shorter duration also applies to writes in progress.
        return self._clock() - write.at < min(write.seconds, self._settle_seconds())

    def _states(self, known: Known) -> Document:
        creating = "The function is being created."
        if self.is_pending(known):
            about = {"State": "Pending", "StateReason": creating, "StateReasonCode": "Creating"}
            return {**about, "LastUpdateStatus": None}
        if self.is_updating(known):
            reason = {"LastUpdateStatusReason": creating, "LastUpdateStatusReasonCode": "Creating"}
            return {"State": "Active", "LastUpdateStatus": "InProgress", **reason}
        return {"State": "Active", "LastUpdateStatus": "Successful"}


def kept(request: Mapping[str, Any]) -> Document:
    """The part of a request that moto ignores."""
    found = {name: request[name] for name in KEPT if name in request}
    # An empty ARN removes a dead-letter queue.
    if found.get("DeadLetterConfig", {}).get("TargetArn") == "":
        found["DeadLetterConfig"] = {}
    return found


def _conflict(text: str) -> AwsError:
    message = f"The operation cannot be performed at this time. {text}"
    return AwsError("ResourceConflictException", message, 409)
