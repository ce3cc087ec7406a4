"""EventBridge's rules and targets as AWS implements them, and PutEvents.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
"""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventPattern, events_backends

from dynconfig_lab.aws import accounts, schedule_expressions
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.cron import BadExpression
from dynconfig_lab.aws.event_patterns import check_pattern
from dynconfig_lab.aws.requests import Document, Request

MOST_TARGETS = 5
MOST_IN_A_CALL = 10
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
LARGEST_CALL = 1024 * 1024
_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
_VARIABLE = re.compile(r"<([^<>]+)>")
_RESERVED = (
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
)

Put = Callable[[str, str, Document], None]


class EventsControl:
    """Handles EventBridge's calls; the bus delivers matching events."""

    def __init__(self, put: Put) -> None:
        """`put` receives an event for a region and a bus name."""
        self._put = put

    def handle(self, request: Request) -> Answer:
        """The response to a call. Raises AwsError."""
        handler = _HANDLERS.get(request.call.operation)
        return handler(self, request) if handler else request.forward()

    def _put_rule(self, request: Request) -> Answer:
        document = request.document
        name, pattern, schedule = document["Name"], document.get("EventPattern"), document.get("ScheduleExpression")
        _check_id("name", name)
        if pattern:
            check_pattern(pattern)
        if schedule:
            _check_schedule(schedule)
        if name in _rules(request):
            # AWS ignores tags of PutRule if the rule exists.
            document.pop("Tags", None)
        return request.forward(document)

    def _put_targets(self, request: Request) -> Answer:
        document = request.document
        targets = document["Targets"]
        _check_count("targets", targets)
        for target in targets:
            _check_id("targets.member.id", target["Id"])
            _check_input(target)
        rule = _rules(request).get(document["Rule"])
        ids = {target["Id"] for target in (rule.targets if rule else [])} | {target["Id"] for target in targets}
        if len(ids) > MOST_TARGETS:
            raise AwsError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
        return request.forward()

    def _remove_targets(self, request: Request) -> Answer:
        _check_count("ids", request.document["Ids"])
        return request.forward()

    def _put_events(self, request: Request) -> Answer:
        entries = request.document["Entries"]
        if not 1 <= len(entries) <= MOST_IN_A_CALL:
            raise _invalid("entries", f"Member must have length less than or equal to {MOST_IN_A_CALL}")
        if sum(map(_size, entries)) > LARGEST_CALL:
            raise AwsError("ValidationException", "Total size of the entries in the request is over the limit.")
        results = [self._put_entry(request, entry) for entry in entries]
        return Answer.of({"FailedEntryCount": sum("ErrorCode" in entry for entry in results), "Entries": results})

    def _put_entry(self, request: Request, entry: Document) -> Document:
        fault = _fault(entry)
        if fault is not None:
            return fault
        event_id = str(uuid.uuid4())
        event = {
            "version": "0",
            "id": event_id,
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": accounts.current(),
            "time": _time(entry.get("Time")),
            "region": request.region,
            "resources": entry.get("Resources", []),
            "detail": json.loads(entry["Detail"]),
        }
        bus = str(entry.get("EventBusName") or "default").rpartition("/")[2]
        self._put(request.region, bus, event)
        return {"EventId": event_id}

    def _test_pattern(self, request: Request) -> Answer:
        document = request.document
        check_pattern(document["EventPattern"])
        try:
            event = json.loads(document["Event"])
        except ValueError:
            raise AwsError("ValidationException", "Parameter Event is not valid.") from None
        return Answer.of({"Result": EventPattern.load(document["EventPattern"]).matches_event(event)})


def _rules(request: Request) -> Any:
    bus = str(request.document.get("EventBusName") or "default").rpartition("/")[2]
    found = events_backends[accounts.current()][request.region].event_buses.get(bus)
    return found.rules if found else {}


def _check_id(member: str, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise _invalid(member, f"Member must satisfy regular expression pattern: {_NAME.pattern}")


def _check_count(member: str, items: list[Any]) -> None:
    # The API model allows a hundred.
    if len(items) > MOST_IN_A_CALL:
        raise _invalid(member, f"Member must have length less than or equal to {MOST_IN_A_CALL}")


def _check_schedule(expression: str) -> None:
    try:
        known = schedule_expressions.parse(expression)
    except BadExpression:
        known = None
    # Rules require "minute" for 1 and "minutes" for more, and have no at(…).
    is_singular = re.fullmatch(r"rate\((1 [a-z]+[^s]|(?!1 )\d+ [a-z]+s)\)", expression) is not None
    if known is None or not (expression.startswith("cron") or is_singular):
        raise AwsError("ValidationException", "Parameter ScheduleExpression is not valid.")


def _check_input(target: Document) -> None:
    given = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name) is not None]
    if len(given) > 1:
        raise AwsError(
            "ValidationException",
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}.",
        )
    transformer = target.get("InputTransformer")
    if transformer:
        known = {*transformer.get("InputPathsMap", {}), *_RESERVED}
        unknown = [name for name in _VARIABLE.findall(transformer["InputTemplate"]) if name not in known]
        if unknown:
            raise AwsError(
                "ValidationException",
                f"InputTemplate for target {target['Id']} contains invalid placeholder {unknown[0]}.",
            )


def _fault(entry: Document) -> Document | None:
    """Why an entry is rejected, or None; the other entries are unaffected."""
    for member in ("Source", "DetailType", "Detail"):
        if not entry.get(member):
            text = f"Parameter {member} is not valid. Reason: {member} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
    if entry["Source"].startswith("aws."):
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        is_object = False
    return None if is_object else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _size(entry: Document) -> int:
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")] + list(entry.get("Resources", ()))
    return sum(len(text.encode()) for text in texts) + (14 if entry.get("Time") else 0)


def _time(at: float | None) -> str:
    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _invalid(member: str, constraint: str) -> AwsError:
    text = f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    return AwsError("ValidationException", text)


_HANDLERS: dict[str, Callable[[EventsControl, Request], Answer]] = {
    "PutRule": EventsControl._put_rule,
    "PutTargets": EventsControl._put_targets,
    "RemoveTargets": EventsControl._remove_targets,
    "PutEvents": EventsControl._put_events,
    "TestEventPattern": EventsControl._test_pattern,
}
