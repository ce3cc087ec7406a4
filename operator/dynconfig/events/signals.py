"""Parse AWS events: which resources were changed, when, and by whom. Pure.

An event is only a trigger: it names the resources to observe, and never their state.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from dynconfig.api.status import AUTHOR_LENGTH
from dynconfig.model.declaration import Place
from dynconfig.model.target import Target
from dynconfig.model.writes import DELETE, PUT

# Label changes are ignored, since labels are not declared.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
_PARAMETER_CHANGES = {"Create": PUT, "Update": PUT, "Delete": DELETE}
EVERYWHERE = ""
# After these, the whole rest of an ARN is the name, including slashes.
_WHOLE = (":alarm:", ":log-group:")


# An event has at most 256 KB: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
LONGEST_TEXT = 256 * 1024
# The longest names are ARNs.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
LONGEST_NAME = 2048
# DeleteParameters, the call with the most names, has at most ten; texts of other members may come before them.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html
MOST_PARAMETERS = 20
MOST_NAMES = 100
# AWS request IDs have 36 characters, and those of some services a few more. No call of ours has a longer one.
LONGEST_REQUEST = 128


class Unreadable(Exception):
    """A message is not an EventBridge event."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Resources that may have changed."""

    region: str
    """Region, or EVERYWHERE for global services; the title of the place if it came from the queue of a target."""
    at: float
    """Time of the event in seconds since the epoch, with a resolution of one second."""
    operation: str
    """PUT or DELETE of a parameter, the state of an alarm, or the name of an API call."""
    parameters: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Names of other resources. Some may be names of unrelated things, which is harmless."""
    actor: str = ""
    """IAM principal, if the event has it."""
    request: str = ""
    """AWS request ID."""
    account: str = ""
    """The account that the event names, if it does."""
    target: Target | None = None
    """The target from whose queue it came; None for a queue of the operator's own account."""

    def singles(self) -> "Iterator[Signal]":
        """Yield the event once for each of its names."""
        for name in self.parameters:
            yield replace(self, parameters=(name,), resources=())
        for name in self.resources:
            yield replace(self, parameters=(), resources=(name,))

    def bound_to(self, place: Place) -> "Signal | None":
        """Return it as a signal from the queue of a place; None if it is about another account or region.

        Who administers the account of a target can send any message to its queue: it concerns nothing outside of this place.
        """
        if self.region not in (EVERYWHERE, place.region):
            return None
        if place.target is None:
            return self
        is_there = self.account == place.target.account
        return replace(self, region=place.title, target=place.target) if is_there else None


def parse(text: str) -> Signal | None:
    """Parse an event; None if it does not concern declared resources. Raises Unreadable."""
    if len(text) > LONGEST_TEXT:
        raise Unreadable("not an EventBridge event: too long")
    try:
        event = json.loads(text)
        about = _ABOUT.get(event["detail-type"])
        at = datetime.fromisoformat(event["time"]).timestamp()
        signal = about(event["detail"], _name(event["region"]), at) if about else None
        return replace(signal, account=_name(event.get("account", ""))) if signal else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise Unreadable(f"not an EventBridge event: {type(error).__name__}") from None


def _parameter(detail: Mapping[str, Any], region: str, at: float) -> Signal | None:
    operation = _PARAMETER_CHANGES.get(detail["operation"])
    return Signal(region, at, operation, parameters=(_name(detail["name"]),)) if operation else None


def _alarm(detail: Mapping[str, Any], region: str, at: float) -> Signal | None:
    return Signal(region, at, _name(detail["state"]["value"]), resources=(_name(detail["alarmName"]),))


def _call(detail: Mapping[str, Any], region: str, at: float) -> Signal | None:
    """Parse a CloudTrail event of a write call.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """
    if "errorCode" in detail:
        return None
    source = detail["eventSource"]
    is_parameter = source == "ssm.amazonaws.com"
    most = MOST_PARAMETERS if is_parameter else MOST_NAMES
    request = _name(detail.get("requestID") or "")
    names = tuple(dict.fromkeys(islice(_names(detail.get("requestParameters") or {}), most)))
    return Signal(
        region=EVERYWHERE if source == "iam.amazonaws.com" else region,
        at=at,
        operation=_name(detail["eventName"]),
        parameters=names if is_parameter else (),
        resources=() if is_parameter else names,
        actor=_name((detail.get("userIdentity") or {}).get("arn") or "")[:AUTHOR_LENGTH],
        request=request if len(request) <= LONGEST_REQUEST else "",
    )


def _names(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield all strings of the request that may be names, since each API has its own member for the name."""
    for value in request.values():
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and len(text) <= LONGEST_NAME:
                yield without_arn(text)


def _name(text: object) -> str:
    """Return a name. Raises ValueError if it exceeds the maximum length."""
    name = str(text)
    if len(name) > LONGEST_NAME:
        raise ValueError("name too long")
    return name


def without_arn(text: str) -> str:
    """Return the name in an ARN: the part after the last slash or colon, except for names with slashes."""
    if not text.startswith("arn:"):
        return text
    _head, found, name = text.partition(":parameter/")
    if found:
        return f"/{name}"
    whole = next((mark for mark in _WHOLE if mark in text), "")
    return text.partition(whole)[2] if whole else text.replace("/", ":").rpartition(":")[2]


_ABOUT = {
    "Parameter Store Change": _parameter,
    "CloudWatch Alarm State Change": _alarm,
    "AWS API Call via CloudTrail": _call,
}
