"""What an event of AWS is about: whose change it tells of, when, and by whom. Pure.

An event is a hint, never a state: it names what to look at, and the look tells what is true.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

PUT = "Put"
DELETE = "Delete"
# Labels are no part of what is declared.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
_PARAMETER_CHANGES = {"Create": PUT, "Update": PUT, "Delete": DELETE}
EVERYWHERE = ""
# Behind these the whole rest of an ARN is the name, slashes and all.
_WHOLE = (":alarm:", ":log-group:")


# An event has at most 256 KB: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
LONGEST_TEXT = 256 * 1024
# The longest name of a parameter is its ARN, the longest of the other names are ARNs as well.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
LONGEST_NAME = 2048
# DeleteParameters, the call that names most, takes ten.
MOST_NAMES = 100


class Unreadable(Exception):
    """A message is not an event of EventBridge."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Somebody may have changed these."""

    region: str
    """Where, or EVERYWHERE for what knows no region."""
    at: float
    """When AWS says that it happened, in seconds since the epoch, to the second."""
    operation: str
    """PUT or DELETE of a parameter, the state of an alarm, or the name of an API call."""
    parameters: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Names of other resources; some may be names of something else, which does no harm."""
    actor: str = ""
    """Who did it, where the event tells."""
    request: str = ""
    """The id that AWS gave the call."""


def parse(text: str) -> Signal | None:
    """The signal in an event, or None where it concerns nothing that is declared. Raises Unreadable."""
    if len(text) > LONGEST_TEXT:
        raise Unreadable("no event of EventBridge: too long")
    try:
        event = json.loads(text)
        about = _ABOUT.get(event["detail-type"])
        at = datetime.fromisoformat(event["time"]).timestamp()
        return about(event["detail"], _name(event["region"]), at) if about else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"no event of EventBridge: {type(error).__name__}") from None


def _parameter(detail: Mapping[str, Any], region: str, at: float) -> Signal | None:
    operation = _PARAMETER_CHANGES.get(detail["operation"])
    return Signal(region, at, operation, parameters=(_name(detail["name"]),)) if operation else None


def _alarm(detail: Mapping[str, Any], region: str, at: float) -> Signal | None:
    return Signal(region, at, _name(detail["state"]["value"]), resources=(_name(detail["alarmName"]),))


def _call(detail: Mapping[str, Any], region: str, at: float) -> Signal | None:
    """A call that changed something.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """
    if "errorCode" in detail:
        return None
    source, names = detail["eventSource"], tuple(islice(_names(detail.get("requestParameters") or {}), MOST_NAMES))
    is_parameter = source == "ssm.amazonaws.com"
    return Signal(
        region=EVERYWHERE if source == "iam.amazonaws.com" else region,
        at=at,
        operation=_name(detail["eventName"]),
        parameters=names if is_parameter else (),
        resources=() if is_parameter else names,
        actor=_name((detail.get("userIdentity") or {}).get("arn") or ""),
        request=_name(detail.get("requestID") or ""),
    )


def _names(request: Mapping[str, Any]) -> Iterator[str]:
    """Every text that the request names something by: each API has its own member for the name."""
    for value in request.values():
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and len(text) <= LONGEST_NAME:
                yield without_arn(text)


def _name(text: object) -> str:
    """A text that AWS gives something as its name. Raises ValueError where it is longer than any."""
    name = str(text)
    if len(name) > LONGEST_NAME:
        raise ValueError("too long a name")
    return name


def without_arn(text: str) -> str:
    """The name at the end of an ARN: after the last slash or colon, but where names have slashes themselves."""
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
