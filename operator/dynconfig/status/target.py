"""Computes the status of an AWSTarget from a check of its account. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dynconfig.api.names import TARGET_FINALIZER
from dynconfig.api.status import MESSAGE_LENGTH, RENEWAL_SECONDS, ConditionType, Reason
from dynconfig.api.target import AWSTargetStatus
from dynconfig.model.counting import counted
from dynconfig.model.errors import DynConfigError, Terminal
from dynconfig.model.key import Key
from dynconfig.model.target import Target
from dynconfig.model.timestamps import moment, timestamp

_UNKNOWN = (
    "False",
    Reason.TARGET_IN_USE,
    f"Deletion waits: the operator does not watch all namespaces. If no object uses this target, remove {TARGET_FINALIZER}",
)


def status(
    document: Mapping[str, Any],
    checked: Target | DynConfigError,
    users: Sequence[Key],
    now: float,
    *,
    is_complete: bool = True,
    more: int = 0,
) -> dict[str, Any] | None:
    """Return the new status as a merge patch; None if the stored one says the same and is recent.

    `checked` is the target whose account was verified, or why it is not ready; `users` are the first objects that use it, and
    `more` the number of others, all of them if `is_complete`; `now` is in seconds since the epoch.
    """
    generation, previous = document["metadata"].get("generation", 1), document.get("status") or {}
    conditions: Iterable[Mapping[str, Any]] = previous.get("conditions") or ()
    before = next((item for item in conditions if item["type"] == ConditionType.READY), {})
    is_held = "deletionTimestamp" in document["metadata"]
    value, reason, message = (_held(users, more) if users or is_complete else _UNKNOWN) if is_held else _ready(checked)
    is_same = value == before.get("status")
    ready = {
        "type": ConditionType.READY,
        "status": value,
        "reason": reason,
        "message": message[:MESSAGE_LENGTH],
        "lastTransitionTime": before["lastTransitionTime"] if is_same else timestamp(now),
        "observedGeneration": generation,
    }
    found = AWSTargetStatus.model_validate(
        {
            "observedGeneration": generation,
            "conditions": [ready],
            "objects": len(users) + more,
            "account": checked.account if isinstance(checked, Target) else None,
            "lastCheckedTime": timestamp(now),
        }
    ).model_dump(mode="json", by_alias=True)
    return None if _is_known(found, previous, now) else found


def _ready(checked: Target | DynConfigError) -> tuple[str, str, str]:
    if isinstance(checked, DynConfigError):
        return "False" if isinstance(checked, Terminal) else "Unknown", checked.reason, str(checked)
    who = f"role {checked.role_arn}" if checked.role_arn else "the operator's own identity"
    return "True", Reason.ACCOUNT_VERIFIED, f"The credentials of {who} belong to account {checked.account}"


def _held(users: Sequence[Key], more: int) -> tuple[str, str, str]:
    if not users:
        text = "Deletion waits a moment for objects that may have started to use this target. Nothing is to be done"
        return "False", Reason.TARGET_IN_USE, text
    named = ", ".join(map(str, users)) + (f" and {more} more" if more else "")
    count = counted(len(users) + more, "object")
    text = f"Deletion waits for {count} with this target: {named}. Delete the objects first"
    return "False", Reason.TARGET_IN_USE, text


def _is_known(found: Mapping[str, Any], previous: Mapping[str, Any], now: float) -> bool:
    last = previous.get("lastCheckedTime")
    is_recent = last is not None and now - moment(last) < RENEWAL_SECONDS
    return is_recent and all(value == previous.get(name) for name, value in found.items() if name != "lastCheckedTime")
