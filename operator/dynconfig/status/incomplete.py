"""The status of an object that could not be applied completely. Pure."""

from dynconfig.api.status import (
    MAX_REFUSED,
    REFUSED_MESSAGE_LENGTH,
    AttachedStatus,
    AttachedVariable,
    ParameterStatus,
    Reason,
    RefusedStatus,
    ResourceStatus,
)
from dynconfig.engine.outcome import Outcome
from dynconfig.model.attached import Attached
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DeletionDelayed, Settling
from dynconfig.model.previous_status import PreviousStatus


def refused(outcome: Outcome) -> list[RefusedStatus]:
    """Return the rejected resources, then those that depend on them, up to the limit.

    Of resources that AWS is still working on, those whose change is not written yet: it must not be taken for drift.
    """
    unwritten = {step.resource.title for step in outcome.remaining if step.is_put}
    listed = (item for item in outcome.refused if item.title in unwritten or not _is_busy(item.error))
    found = {item.title: (item.error.reason, str(item.error)) for item in listed}
    waiting = {item.step.resource.title: (Reason.WAITING.value, item.message) for item in outcome.blocked}
    return [
        RefusedStatus(resource=title, reason=reason, message=message[:REFUSED_MESSAGE_LENGTH])
        for title, (reason, message) in [*found.items(), *waiting.items()][:MAX_REFUSED]
    ]


def unread_resources(outcome: Outcome, previous: PreviousStatus) -> list[ResourceStatus]:
    """Return the resources in the previous status whose kinds could not be read, since they may still exist."""
    unread = {item.title for item in outcome.refused}
    return [
        ResourceStatus(
            kind=item.kind,
            name=item.name,
            arn=item.arn,
            url=item.url,
            layer=item.layer,
            attached=attached_status(item.attached),
        )
        for item in previous.resources
        if item.kind in unread
    ]


def attached_status(attached: Attached | None) -> AttachedStatus | None:
    """Return the record of an attachment."""
    if attached is None:
        return None
    variables = [AttachedVariable(name=name, digest=text) for name, text in sorted(attached.variables.items())]
    return AttachedStatus(layer=attached.layer or None, role=attached.role, variables=variables)


def unread_parameters(outcome: Outcome, previous: PreviousStatus) -> list[ParameterStatus]:
    """Return the parameters in the previous status that could not be read, since they may still exist."""
    unread = {title.partition(" ")[2] for title in outcome.declaration.unread}
    return [
        ParameterStatus(
            name=item.name,
            type=item.type,
            version=item.version,
            last_modified=item.last_modified,
            secret=item.is_secret or None,
            deletion_policy=item.deletion_policy,
        )
        for item in previous.parameters
        if item.name in unread
    ]


def is_lost(declaration: Declaration) -> bool:
    """Whether there is no status of what may have been written before."""
    return declaration.status_lost and not declaration.never_written


def is_still_lost(outcome: Outcome, previous: PreviousStatus) -> bool:
    """Whether a lost status is not replaced yet: until a complete reconcile, this one does not list all that others changed."""
    was_lost = is_lost(outcome.declaration) or previous.is_lost
    is_whole = outcome.is_complete and not (outcome.declaration.is_partial or outcome.declaration.is_last_change)
    return was_lost and not is_whole


def tried_generation(outcome: Outcome, previous: PreviousStatus) -> int | None:
    """Return the last generation that was applied except for rejected resources; None if it was applied completely."""
    if outcome.is_complete:
        return None
    if outcome.stopped or outcome.untried or outcome.is_suspended:
        return previous.tried_generation
    return outcome.declaration.generation


def names_behind(outcome: Outcome) -> set[str]:
    """Return the titles of resources that are out of sync because they are rejected or blocked."""
    return {item.title for item in outcome.refused if not _is_busy(item.error)} | {
        item.step.resource.title for item in outcome.blocked if item.step.is_put
    }


def _is_busy(error: Exception) -> bool:
    """Whether it is only in progress in AWS, or delayed."""
    return isinstance(error, Settling | DeletionDelayed)
