"""Events of AWS services and of PutEvents, delivered to the targets of matching rules as EventBridge does.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
"""

import copy
import logging
import queue
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.events.models import events_backends
from moto.ssm.models import ssm_backends
from werkzeug.exceptions import HTTPException

from dynconfig_lab.aws import accounts, event_inputs, sqs
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.ssm_rules import canonical
from dynconfig_lab.aws.turns import turn
from dynconfig_lab.functions.service import Functions

log = logging.getLogger(__name__)

Event = dict[str, Any]
DEFAULT = "default"


class Bus:
    """The event buses of each account and region. Delivery is asynchronous and ordered, and never fails the write."""

    def __init__(self, functions: Functions | None = None) -> None:
        self._functions = functions
        self._waiting: queue.SimpleQueue[tuple[str, str, str, Event] | None] = queue.SimpleQueue()
        self._skipped: set[str] = set()
        self._thread = threading.Thread(target=self._deliver_all, name="events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver pending events, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def put(self, region: str, bus: str, event: Event) -> None:
        """Deliver an event to the rules of a bus of the current account."""
        self._waiting.put((accounts.current(), region, bus, event))

    def parameter_call(self, call: Call, request: Mapping[str, Any], answer: Answer) -> None:
        """Deliver the events of a successful SSM write; other calls have none."""
        if call.operation not in _CHANGES or not _rules(call.region, DEFAULT):
            return
        for operation, name in _CHANGES[call.operation](request, answer):
            self.put(call.region, DEFAULT, _event(call.region, operation, name))

    def emit(self, region: str, event: Event) -> None:
        """Deliver an AWS event on the default bus of a region to the targets of all matching rules."""
        if _rules(region, DEFAULT):
            self.put(region, DEFAULT, event)

    def _deliver_all(self) -> None:
        while (item := self._waiting.get()) is not None:
            account, region, bus, event = item
            with accounts.acting_in(account):
                self._deliver(region, bus, event)

    def _deliver(self, region: str, bus: str, event: Event) -> None:
        for rule in _rules(region, bus):
            try:
                self._deliver_by(rule, region, event)
            except Exception:  # the thread also serves all other rules
                log.exception("The lab itself failed at the rule %s", rule.name)

    def _deliver_by(self, rule: Any, region: str, event: Event) -> None:
        # A scheduled rule has an empty pattern, which would match everything.
        if rule.state == "ENABLED" and not rule.scheduled_expression and rule.event_pattern.matches_event(event):
            for target in list(rule.targets):
                self._hand_over(region, rule, target, event)

    def _hand_over(self, region: str, rule: Any, target: Mapping[str, Any], event: Event) -> None:
        arn = target["Arn"]
        if ":lambda:" in arn:
            self._call(region, rule.arn, arn, event_inputs.render(target, event, rule.arn))
            return
        try:
            if ":sqs:" in arn:
                sqs.deliver(region, arn, rule.arn, event_inputs.render(target, event, rule.arn))
            elif ":log-group:" in arn or ":event-bus/" in arn:
                _leave_to_moto(rule, target, event)
            else:
                self._skip(arn, "The lab does not deliver events to %s")
        except (AwsError, ServiceException, HTTPException) as error:
            log.warning("%s takes no event; it is lost, as in AWS without a dead-letter queue: %s", arn, error)

    def _call(self, region: str, rule: str, arn: str, delivered: str) -> None:
        """Invoke a function if its resource policy allows this rule; otherwise AWS drops the event as well."""
        if self._functions is None or not self._functions.allows(region, arn, "events.amazonaws.com", rule):
            self._skip(arn, f"{rule} may not invoke %s; the event is dropped")
            return
        self._functions.deliver(region, arn, delivered.encode())

    def _skip(self, arn: str, message: str) -> None:
        if arn not in self._skipped:
            self._skipped.add(arn)
            log.warning(message, arn)


def _leave_to_moto(rule: Any, target: Mapping[str, Any], event: Event) -> None:
    """Moto serves log groups and other buses; it expects the time as a number."""
    alone = copy.copy(rule)
    alone.targets = [dict(target)]
    at = datetime.fromisoformat(event["time"]).timestamp()
    with turn("logs"):
        alone.send_to_targets({**copy.deepcopy(event), "time": at, "ingestion-time": at})


def _put(request: Mapping[str, Any], answer: Answer) -> list[tuple[str, str]]:
    return [("Create" if answer.document()["Version"] == 1 else "Update", _name(request))]


def _delete(request: Mapping[str, Any], _answer: Answer) -> list[tuple[str, str]]:
    return [("Delete", _name(request))]


def _delete_many(_request: Mapping[str, Any], answer: Answer) -> list[tuple[str, str]]:
    return [("Delete", name) for name in answer.document().get("DeletedParameters", [])]


def _label(request: Mapping[str, Any], _answer: Answer) -> list[tuple[str, str]]:
    return [("LabelParameterVersion", _name(request))]


_CHANGES = {
    "PutParameter": _put,
    "DeleteParameter": _delete,
    "DeleteParameters": _delete_many,
    "LabelParameterVersion": _label,
}


def _name(request: Mapping[str, Any]) -> str:
    """The name as it was written, without the ARN prefix and surrounding spaces."""
    bare: str = request["Name"].strip()
    return bare.partition(":parameter")[2] if bare.startswith("arn:") else bare


def _event(region: str, operation: str, name: str) -> Event:
    versions = ssm_backends[accounts.current()][region]._parameters.get(canonical(name))
    detail = {"operation": operation, "name": name}
    if versions:
        detail["type"] = versions[-1].parameter_type
        if versions[-1].description:
            detail["description"] = versions[-1].description
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Parameter Store Change",
        "source": "aws.ssm",
        "account": accounts.current(),
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:ssm:{region}:{accounts.current()}:parameter/{name.lstrip('/')}"],
        "detail": detail,
    }


def _rules(region: str, bus: str) -> list[Any]:
    found = events_backends[accounts.current()][region].event_buses.get(bus)
    return list(found.rules.values()) if found else []
