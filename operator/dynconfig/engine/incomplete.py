"""What status says of an object of which not everything could be carried out. Pure."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api.status import (
    MAX_REFUSED,
    REFUSED_MESSAGE_LENGTH,
    ParameterStatus,
    Reason,
    RefusedStatus,
    ResourceStatus,
)
from dynconfig.engine.errors import DeletionDelayed, Settling
from dynconfig.engine.outcome import Outcome


def refused(outcome: Outcome) -> list[RefusedStatus]:
    """Each resource that is refused, and then those that wait for one of them; the first of them if they are many."""
    found = {item.title: (item.error.reason, str(item.error)) for item in outcome.refused if not _is_busy(item.error)}
    waiting = {item.step.resource.title: (Reason.WAITING.value, item.message) for item in outcome.blocked}
    return [
        RefusedStatus(resource=title, reason=reason, message=message[:REFUSED_MESSAGE_LENGTH])
        for title, (reason, message) in [*found.items(), *waiting.items()][:MAX_REFUSED]
    ]


def unread_resources(outcome: Outcome, previous: Mapping[str, Any]) -> list[ResourceStatus]:
    """What the previous status lists of kinds that could not be read this time: it may still be there."""
    unread = {item.title for item in outcome.refused}
    listed = previous.get("resources") or ()
    return [ResourceStatus.model_validate(item) for item in listed if item["kind"] in unread]


def unread_parameters(outcome: Outcome, previous: Mapping[str, Any]) -> list[ParameterStatus]:
    """What the previous status lists of parameters that could not be read this time: they may still be there."""
    unread = {title.partition(" ")[2] for title in outcome.declaration.unread}
    listed = previous.get("parameters") or ()
    return [ParameterStatus.model_validate(item) for item in listed if item["name"] in unread]


def tried_generation(outcome: Outcome, previous: Mapping[str, Any]) -> int | None:
    """The last generation of which everything was carried out but what is refused; None if there is no more to say."""
    if outcome.is_complete:
        return None
    if outcome.stopped or outcome.untried or outcome.is_held:
        return previous.get("triedGeneration")
    return outcome.declaration.generation


def names_behind(outcome: Outcome) -> set[str]:
    """Titles of what is not as declared since it is refused or waits."""
    return {item.title for item in outcome.refused if not _is_busy(item.error)} | {
        item.step.resource.title for item in outcome.blocked if item.step.is_put
    }


def _is_busy(error: Exception) -> bool:
    """Whether nothing refuses it: AWS is still carrying it out, or it waits for its time."""
    return isinstance(error, Settling | DeletionDelayed)
